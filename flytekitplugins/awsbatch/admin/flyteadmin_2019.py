"""The matching of the first FlyteAdmin (2019), whose rule keys the setup document still shows.

Each rule picks its queue once and files it under project, domain and workflow; a launch looks up the most specific
entry. Source: flyteadmin at d1c61c34, `pkg/manager/impl/executions/queues.go`; the keys were gone in v0.2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .admin_settings import FLYTEADMIN_2019, AdminSettings, ExecutionQueue
from .explanation import Explanation, LaunchedExecution
from .queue_rules import Rule

Key: TypeAlias = "tuple[str, ...]"
CRASH = "a rule without tags stops the server of 2019: index out of range"


@dataclass(frozen=True)
class QueuePair:
    """A queue as 2019 named it: one for the job itself, one for what it starts."""

    primary: str
    dynamic: str


def match_as_flyteadmin_2019(settings: AdminSettings, execution: LaunchedExecution) -> Explanation:
    entries = entries_by_key_2019(settings.rules)
    keys = _lookup_keys(execution)
    key = found_key_2019(entries, execution)
    verdicts = []
    for place, rule in enumerate(settings.rules):
        mine = _entry_key(rule)
        queues = tuple(pair.dynamic for pair in _narrowed_queues(settings.queues, rule.tags))
        decided = key is not None and entries[key] == place
        why = _entry_reason(mine, entries[mine] == place, mine in keys, decided, bool(queues))
        verdicts.append(rule.verdict(mine in keys, why, queues, decided and bool(queues)))
    crash = "" if all(rule.tags for rule in settings.rules) else CRASH
    found = () if crash else tuple(pair.dynamic for pair in candidates_2019(settings, execution))
    return Explanation(FLYTEADMIN_2019, execution, found, tuple(verdicts), crash)


def candidates_2019(settings: AdminSettings, execution: LaunchedExecution) -> tuple[QueuePair, ...]:
    """The queues that the server could answer with; none at all is the empty tuple."""
    entries = entries_by_key_2019(settings.rules)
    key = found_key_2019(entries, execution)
    return _narrowed_queues(settings.queues, settings.rules[entries[key]].tags) if key is not None else ()


def _entry_key(rule: Rule) -> Key:
    """No project: the default, whatever else it gives; no domain: the project's; no workflow: the domain's."""
    if not rule.project:
        return ()
    if not rule.domain:
        return (rule.project,)
    return (rule.project, rule.domain, rule.workflow) if rule.workflow else (rule.project, rule.domain)


def entries_by_key_2019(rules: Sequence[Rule]) -> dict[Key, int]:
    """The place of the rule that holds each entry: the last one filed there."""
    return {_entry_key(rule): place for place, rule in enumerate(rules)}


def _lookup_keys(execution: LaunchedExecution) -> list[Key]:
    whole = (execution.project, execution.domain, execution.workflow)
    return [whole, whole[:2], whole[:1], ()]


def found_key_2019(entries: dict[Key, int], execution: LaunchedExecution) -> Key | None:
    return next((key for key in _lookup_keys(execution) if key in entries), None)


def _narrowed_queues(queues: Sequence[ExecutionQueue], tags: Sequence[str]) -> tuple[QueuePair, ...]:
    """The queues with the longest run of the rule's tags, from the first on, that any queue can meet.

    Two items that name the same queues are one queue here, with the tags of both.
    """
    by_tag: dict[str, dict[QueuePair, None]] = {}
    for queue in queues:
        for tag in queue.attributes:
            by_tag.setdefault(tag, {})[QueuePair(queue.primary, queue.dynamic)] = None
    met = list(by_tag.get(tags[0], ())) if tags else []
    for tag in tags[1:]:
        narrower = [pair for pair in met if pair in by_tag.get(tag, ())]
        if not narrower:
            break
        met = narrower
    return tuple(met)


def _entry_reason(mine: Key, holds: bool, reached: bool, decided: bool, found: bool) -> str:
    names = ("the default", "the project's entry", "the entry of project and domain", "the workflow's own entry")
    filed = f"filed as {names[len(mine)]}"
    if decided:
        lacking = "" if found else ", but no queue has its tags, so there is none"
        return f"it is {filed}, which the lookup finds first{lacking}"
    if not holds:
        return f"a later rule is {filed}"
    return f"it is {filed}; a more specific entry is found first" if reached else f"it is {filed} of another"
