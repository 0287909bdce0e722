"""The default matching: what the setup document says its rules do, which no version of FlyteAdmin does entirely.

A rule is for an execution when each of project, domain and workflowName that it gives is the execution's. The most
specific rule that finds a queue wins, and a queue is found when it has all of the rule's tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .admin_settings import DOCUMENTED, AdminSettings, ExecutionQueue
from .explanation import Explanation, LaunchedExecution, RuleVerdict
from .queue_rules import PLACES, Rule

SINGLE_TASK_PREFIX = ".flytegen."


def documented_rules_in_order(settings: AdminSettings) -> list[Rule]:
    """All rules, the most specific first: workflow over project over domain; among equals the file's order.

    Every stored rule goes before every rule of the file.
    """
    # Storing an attribute a second time replaces it.
    stored = {(rule.project, rule.domain, rule.workflow): rule for rule in settings.overrides}
    return sorted(
        [*stored.values(), *settings.rules],
        key=lambda rule: (rule.kind == Rule.kind, not rule.workflow, not rule.project, not rule.domain),
    )


def is_documented_workflow(rule: str, workflow: str) -> bool:
    """Whether a rule's workflow name is the execution's, written with or without the path of its module."""
    prefix = SINGLE_TASK_PREFIX if workflow.startswith(SINGLE_TASK_PREFIX) else ""
    bare = prefix + workflow.removeprefix(prefix).rpartition(".")[2]
    return rule in (workflow, bare)


def _rule_mismatch(rule: Rule, execution: LaunchedExecution) -> str:
    """The first of the rule's conditions that the execution does not meet; empty when it meets all."""
    for place in PLACES:
        wanted, actual = getattr(rule, place), getattr(execution, place)
        same = is_documented_workflow(wanted, actual) if place == "workflow" else wanted == actual
        if wanted and not same:
            return f"the {place} is {actual or 'empty'}, not {wanted}"
    return ""


def _queues_with_all_tags(queues: Sequence[ExecutionQueue], tags: Sequence[str]) -> tuple[str, ...]:
    """The queues that have all of the tags, in file order. A rule without tags asks for nothing and finds nothing."""
    if not tags:
        return ()
    return tuple(queue.dynamic for queue in queues if queue.dynamic and set(tags) <= set(queue.attributes))


def match_as_documented(settings: AdminSettings, execution: LaunchedExecution) -> Explanation:
    verdicts = list(_rule_verdicts(settings, execution))
    deciding = next((place for place, verdict in enumerate(verdicts) if verdict.matched and verdict.queues), None)
    if deciding is None:
        return Explanation(DOCUMENTED, execution, (), tuple(verdicts))
    verdicts[deciding] = replace(verdicts[deciding], decided=True)
    verdicts[deciding + 1 :] = [_superseded(verdict) for verdict in verdicts[deciding + 1 :]]
    return Explanation(DOCUMENTED, execution, verdicts[deciding].queues, tuple(verdicts))


def _rule_verdicts(settings: AdminSettings, execution: LaunchedExecution) -> Iterator[RuleVerdict]:
    for rule in documented_rules_in_order(settings):
        reason = _rule_mismatch(rule, execution)
        queues = () if reason else _queues_with_all_tags(settings.queues, rule.tags)
        yield rule.verdict(not reason, reason or _matching_reason(rule, queues), queues)


def _matching_reason(rule: Rule, queues: Sequence[str]) -> str:
    given = [place for place in PLACES if getattr(rule, place)]
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
    return f"{matched}, but {lacking}, so the next rule is used"


def _superseded(verdict: RuleVerdict) -> RuleVerdict:
    if not verdict.matched:
        return verdict
    return replace(verdict, reason=f"{verdict.reason}; a more specific or earlier rule has decided")
