"""The codes: one per thing that goes wrong, each described in docs/reference/lint.md and never given a second meaning.

Here is where you add one, with its rule: a function that yields what is wrong with a task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import call_rules, container_rules, image_rules, task_rules
from .findings import LintFinding, findings_in
from .program import is_only_mapped
from .subject import LintSubject


@dataclass(frozen=True)
class LintCode:
    """:param rule: None for what is found elsewhere: as it is declared (`sdk.errors`), mapped or run."""

    code: str
    title: str
    rule: Callable[[LintSubject], Iterator[str]] | None = None


CODES: dict[str, LintCode] = {
    one.code: one
    for one in (
        LintCode("AB001", "a cached task that is not mapped", task_rules.cached_single_rule),
        LintCode("AB002", "flytekit's map_task over an AWS Batch task"),
        LintCode("AB003", "@dynamic, @eager or async with AWSBatchConfig"),
        LintCode("AB004", "a pod template"),
        LintCode("AB005", "a task that a container cannot find", container_rules.container_load_rule),
        LintCode("AB006", "ten retries or more", task_rules.too_many_retries_rule),
        LintCode("AB007", "a timeout under a minute", task_rules.timeout_rule),
        LintCode(
            "AB008",
            "environment variables that AWS Batch keeps for itself",
            container_rules.reserved_environment_rule,
        ),
        LintCode("AB009", "an image without a name", image_rules.image_name_rule),
        LintCode("AB010", "a request that is too large", container_rules.container_size_rule),
        LintCode("AB011", "an array that is too large", call_rules.too_many_items_rule),
        LintCode("AB012", "inputs that cannot be mapped"),
        LintCode("AB013", "an image that cannot run the task"),
        LintCode("AB101", "cached arrays that are computed each time", task_rules.useless_cache_rule),
        LintCode("AB102", "resources that are dropped", task_rules.dropped_resources_rule),
        LintCode("AB103", "secrets that are not there", task_rules.secrets_rule),
        LintCode("AB104", "an image without this package", image_rules.image_content_rule),
        LintCode("AB105", "overrides that do not reach AWS Batch", call_rules.lost_overrides_rule),
        LintCode("AB106", "concurrency that is not held", task_rules.concurrency_rule),
        LintCode("AB107", "Fargate", task_rules.fargate_rule),
        LintCode("AB108", "a priority without a share identifier", task_rules.priority_rule),
        LintCode("AB109", "flytekit's legacy map_task over an AWS Batch task"),
        LintCode("AB110", "environment variables that Flyte overwrites", container_rules.overwritten_environment_rule),
        LintCode("AB111", "no retries", task_rules.no_retries_rule),
        LintCode("AB112", "memory in other units than AWS Batch's", task_rules.memory_unit_rule),
        LintCode("AB113", "decks of a map's items", task_rules.item_decks_rule),
        LintCode("AB114", "variables given to an execution"),
        LintCode("AB115", "an image of another version or architecture"),
        LintCode("AB116", "hash() in a map's items", task_rules.item_hashes_rule),
        LintCode("AB117", "a name that AWS Batch refuses", task_rules.node_names_rule),
        LintCode("AB118", "an image that nothing names"),
    )
}


def lint_code_in_one_line(finding: LintFinding) -> str:
    """For a local run, which is not the place to read about a cluster; `flyte-awsbatch lint` says all."""
    code, name = CODES[finding.code], finding.subject.rpartition(".")[2]
    if code.rule is None:
        # The command does not find it.
        return f"On a cluster: {name} {finding.message} [{finding.code}]"
    more = f" (flyte-awsbatch lint {finding.shown_file})" if finding.file else ""
    return f"On a cluster: {name} has {code.title} [{code.code}]{more}"


def lint_findings_by_code(subject: LintSubject) -> list[LintFinding]:
    """What the rules find, errors first, without the codes that are ignored.

    Nothing for a task that is only mapped: the map is looked at, and may say otherwise what the task says. Nothing
    either for one whose container another kind of task borrows.
    """
    if is_only_mapped(subject.task) or subject.is_borrowed:
        return []
    return [
        findings_in(subject.inner, one.code, message, subject.name)
        for one in CODES.values()
        if one.rule is not None and one.code not in subject.ignored
        for message in one.rule(subject)
    ]
