"""Children counted for people: the handler's phases as the few words of a progress line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from flytekitplugins.awsbatch.propeller.aws_array.job_store import job_store_phase
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.node.node_result import NodeResult

from .progress import Counts


def child_counts_of_phases(phases: Mapping[TaskPhase, int], cached: int = 0) -> Counts:
    """While a node runs; whatever has not started counts as queued.

    :param cached: how many of those that succeeded came from the cache.
    """
    running, succeeded = phases.get(TaskPhase.RUNNING, 0), phases.get(TaskPhase.SUCCESS, 0)
    failed = sum(count for phase, count in phases.items() if phase.terminal) - succeeded
    queued = sum(phases.values()) - running - succeeded - failed
    return Counts(queued, running, succeeded - cached, cached, failed)


def shown_counts_of_statuses(statuses: Mapping[str, int], items: int) -> Mapping[TaskPhase, int]:
    """The children of an array by phase, from AWS's own count of them.

    :param items: of the list; those without a child were cached.
    """
    phases: Counter[TaskPhase] = Counter()
    for status, count in statuses.items():
        phases[job_store_phase(status)] += count
    if (cached := items - sum(statuses.values())) > 0:
        phases[TaskPhase.SUCCESS] += cached
    return phases


def child_counts_of_result(result: NodeResult) -> Counts:
    """At the end, with what came from the cache apart."""
    cached = sum(child.child is None for child in result.children)
    return child_counts_of_phases(Counter(child.phase for child in result.children), cached)
