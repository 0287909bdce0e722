"""The default matching: what the setup document says its rules do, which no version of FlyteAdmin does entirely.

A rule is for an execution when each of project, domain and workflowName that it gives is the execution's. The most
specific rule that finds a queue wins, and a queue is found when it has all of the rule's tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from flytekitplugins.awsbatch.settings.yaml_nodes import Mark

from .admin_settings import DOCUMENTED, AdminSettings, ExecutionQueue, WorkflowConfig
from .explanation import Execution, Explanation, Verdict
from .stored_attributes import Override

SINGLE_TASK_PREFIX = ".flytegen."


@dataclass(frozen=True)
class Rule:
    """A file's rule or a stored override, which here differ only in that any override goes before any rule."""

    kind: str
    project: str
    domain: str
    workflow: str
    tags: tuple[str, ...]
    where: Mark

    @property
    def specificity(self) -> tuple[bool, bool, bool]:
        """Workflow over project over domain."""
        return (bool(self.workflow), bool(self.project), bool(self.domain))

    def __str__(self) -> str:
        return described(self.project, self.domain, self.workflow, self.tags)


def described(project: str, domain: str, workflow: str, tags: Sequence[str]) -> str:
    """A rule in one line, in the keys of the file."""
    given = (("project", project), ("domain", domain), ("workflowName", workflow))
    parts = [f"{key}: {value}" for key, value in given if value]
    return ", ".join([*parts, f"tags: [{', '.join(tags)}]"])


def from_config(rule: WorkflowConfig) -> Rule:
    return Rule("rule", rule.project, rule.domain, rule.workflow_name, rule.tags, rule.where)


def from_override(override: Override) -> Rule:
    return Rule("override", override.project, override.domain, override.workflow, override.tags, override.where)


def in_order(settings: AdminSettings) -> list[Rule]:
    """All rules, the first that matches and finds a queue first; among equals the file's order."""
    # Storing an attribute a second time replaces it.
    stored = {(override.project, override.domain, override.workflow): override for override in settings.overrides}
    ranked = [
        sorted(rules, key=lambda rule: tuple(not given for given in rule.specificity))
        for rules in (map(from_override, stored.values()), map(from_config, settings.rules))
    ]
    return [rule for rules in ranked for rule in rules]


def same_workflow(rule: str, workflow: str) -> bool:
    """Whether a rule's workflow name is the execution's, written with or without the path of its module."""
    prefix = SINGLE_TASK_PREFIX if workflow.startswith(SINGLE_TASK_PREFIX) else ""
    bare = prefix + workflow.removeprefix(prefix).rpartition(".")[2]
    return rule in (workflow, bare)


def mismatch(rule: Rule, execution: Execution) -> str:
    """The first of the rule's conditions that the execution does not meet, or nothing."""
    for name, wanted, actual in (
        ("project", rule.project, execution.project),
        ("domain", rule.domain, execution.domain),
    ):
        if wanted and wanted != actual:
            return f"the {name} is {actual or 'empty'}, not {wanted}"
    if rule.workflow and not same_workflow(rule.workflow, execution.workflow):
        return f"the workflow is {execution.workflow or 'empty'}, not {rule.workflow}"
    return ""


def fitting(queues: Sequence[ExecutionQueue], tags: Sequence[str]) -> tuple[str, ...]:
    """The queues that have all of the tags, in file order. A rule without tags asks for nothing and finds nothing."""
    if not tags:
        return ()
    return tuple(queue.dynamic for queue in queues if queue.dynamic and set(tags) <= set(queue.attributes))


def match(settings: AdminSettings, execution: Execution) -> Explanation:
    verdicts = list(judged(settings, execution))
    deciding = next((place for place, verdict in enumerate(verdicts) if verdict.matched and verdict.queues), None)
    if deciding is not None:
        verdicts[deciding] = replace(verdicts[deciding], decided=True)
        verdicts[deciding + 1 :] = [superseded(verdict) for verdict in verdicts[deciding + 1 :]]
    candidates = verdicts[deciding].queues if deciding is not None else ()
    return Explanation(DOCUMENTED, execution, candidates, tuple(verdicts))


def judged(settings: AdminSettings, execution: Execution) -> Iterator[Verdict]:
    for rule in in_order(settings):
        reason = mismatch(rule, execution)
        queues = () if reason else fitting(settings.queues, rule.tags)
        if not reason:
            reason = matching_reason(rule, queues)
        yield Verdict(str(rule), rule.kind, rule.where, not mismatch(rule, execution), reason, queues)


def matching_reason(rule: Rule, queues: Sequence[str]) -> str:
    given = [name for name, value in (("project", rule.project), ("domain", rule.domain)) if value]
    given += ["workflow"] if rule.workflow else []
    same = f"{', '.join(given[:-1])} and {given[-1]}" if len(given) > 1 else "".join(given)
    matched = (
        f"the {same} {'are' if len(given) > 1 else 'is'} the execution's" if given else "it is for every execution"
    )
    if queues:
        return matched
    tags = ", ".join(rule.tags)
    lacking = (
        f"no queue has {'all of the tags' if len(rule.tags) > 1 else 'the tag'} {tags}" if tags else "it has no tags"
    )
    return f"{matched}, but {lacking}: it gives way"


def superseded(verdict: Verdict) -> Verdict:
    if not verdict.matched:
        return verdict
    return replace(verdict, reason=f"{verdict.reason}; a more specific or earlier rule has decided")
