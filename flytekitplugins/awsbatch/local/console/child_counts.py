"""Children counted for people: the handler's phases as the few words of a progress line."""

from __future__ import annotations

from collections.abc import Mapping

from flytekitplugins.awsbatch.propeller.aws_array.job_store import job_store_phase
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.node.node_result import NodeResult

from .progress import Counts

_STATES = {
    TaskPhase.RUNNING: "running",
    TaskPhase.SUCCESS: "succeeded",
    TaskPhase.PERMANENT_FAILURE: "failed",
    TaskPhase.RETRYABLE_FAILURE: "failed",
    TaskPhase.ABORTED: "failed",
}


def child_counts_of_phases(phases: Mapping[TaskPhase, int], cached: int = 0) -> Counts:
    """While a node runs; whatever has not started counts as queued.

    :param cached: how many of those that succeeded came from the cache.
    """
    counted = dict.fromkeys(("queued", "running", "succeeded", "failed"), 0)
    for phase, count in phases.items():
        counted[_STATES.get(phase, "queued")] += count
    counted["succeeded"] -= cached
    return Counts(**counted, cached=cached)


def shown_counts_of_statuses(statuses: Mapping[str, int], items: int) -> Mapping[TaskPhase, int]:
    """The children of an array by phase, from AWS's own count of them.

    :param items: of the list; those without a child were cached.
    """
    phases: dict[TaskPhase, int] = {}
    for status, count in statuses.items():
        phases[job_store_phase(status)] = phases.get(job_store_phase(status), 0) + count
    cached = items - sum(statuses.values())
    return {**phases, TaskPhase.SUCCESS: phases.get(TaskPhase.SUCCESS, 0) + cached} if cached > 0 else phases


def child_counts_of_result(result: NodeResult) -> Counts:
    """At the end, with what came from the cache apart."""
    cached = sum(child.child is None for child in result.children)
    phases: dict[TaskPhase, int] = {}
    for child in result.children:
        if child.child is not None:
            phases[child.phase] = phases.get(child.phase, 0) + 1
    phases[TaskPhase.SUCCESS] = phases.get(TaskPhase.SUCCESS, 0) + cached
    return child_counts_of_phases(phases, cached)
