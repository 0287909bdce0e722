"""The children of a node's attempt, from what AWS Batch tells of their job or from the node's record. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED, RUNNING, STARTING, SUCCEEDED, JobLook
from flytekitplugins.awsbatch.batch.emulator.job_model import Attempt as ServiceAttempt
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase

from .past_runs import NodeInfo
from .run_view import CACHED, FAILED, INTERRUPTED, QUEUED, RUNS, STARTS, SUCCESS, AttemptView, ChildView

_OF_STATUS = {RUNNING: RUNS, STARTING: STARTS, SUCCEEDED: SUCCESS, "FAILED": FAILED}
Unit = tuple[str, str | None, tuple[ServiceAttempt, ...]]


def look_at_children(job: Mapping[str, Any], children: Sequence[Mapping[str, Any]] = ()) -> JobLook:
    """A job as DescribeJobs tells of it.

    :param children: its answers about the children of an array, where they were asked for.
    """
    array = job.get("arrayProperties", {})
    size = array.get("size")
    return JobLook(
        status=job["status"],
        size=size,
        created=job.get("createdAt", 0),
        detail=job,
        units=(_unit(job),) if size is None else tuple(map(_unit, children)),
        reason=job.get("statusReason"),
        started=job.get("startedAt"),
        stopped=job.get("stoppedAt"),
        counts={status: count for status, count in array.get("statusSummary", {}).items() if count},
    )


def _unit(job: Mapping[str, Any]) -> Unit:
    attempts = [_described(number, one) for number, one in enumerate(job.get("attempts") or (), start=1)]
    if job["status"] in (STARTING, RUNNING):
        # The list holds those that have ended.
        attempts.append(_described(len(attempts) + 1, job))
    return job["status"], job.get("statusReason"), tuple(attempts)


def _described(number: int, attempt: Mapping[str, Any]) -> ServiceAttempt:
    container = attempt.get("container") or {}
    return ServiceAttempt(
        number=number,
        stream=container.get("logStreamName"),
        started=attempt.get("startedAt"),
        stopped=attempt.get("stoppedAt"),
        exit_code=container.get("exitCode"),
        reason=container.get("reason"),
        status_reason=attempt.get("statusReason"),
    )


def children_of_look(node: NodeInfo, look: JobLook, halted: bool) -> tuple[ChildView, ...]:
    """:param halted: whether nobody runs what has not ended."""
    if look.size is not None and not look.units:
        return ()
    at, total = _items(node)
    children = []
    for index in range(total or look.size or 1):
        place = at.get(index) if at else index
        if place is None or place >= len(look.units):
            children.append(ChildView(index, None, CACHED if place is None else QUEUED))
            continue
        children.append(_child(index, place, look.units[place], look.created, halted))
    return tuple(children)


def _child(index: int, place: int, unit: Unit, created: int, halted: bool) -> ChildView:
    status, reason, attempts = unit
    state = _OF_STATUS.get(status, QUEUED)
    if halted and status not in ENDED:
        state = INTERRUPTED
    seen: list[AttemptView] = []
    queued = created
    for attempt in attempts:
        seen.append(_attempt(attempt, queued))
        queued = attempt.stopped or queued
    if state == QUEUED:
        # It waits, for the first time or once more.
        seen.append(AttemptView(len(seen) + 1, queued, None, None))
    # AWS gives an attempt that succeeded the same reason as one that failed.
    reason = "" if state == SUCCESS else reason or ""
    return ChildView(index, place, state, reason, tuple(seen), len(attempts), status)


def _attempt(attempt: ServiceAttempt, queued: int) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        queued=queued,
        started=attempt.started,
        stopped=attempt.stopped,
        exit_code=attempt.exit_code,
        reason=attempt.reason or attempt.status_reason or "",
        stream=attempt.stream,
        peak_memory=attempt.peak_memory or None,
        cpu_seconds=attempt.cpu_seconds,
    )


def _items(node: NodeInfo) -> tuple[Mapping[int, int], int]:
    """(the place in the array job of each item of the user's list that has a child, the length of that list); empty and
    0 where that is not known."""
    state = node.handler_state
    if state is not None:
        return {original: child for child, original in enumerate(state.indexes_to_run or ())}, state.original_size
    facts = node.record.get("children") or ()
    return {fact["original"]: fact["child"] for fact in facts if fact["child"] is not None}, len(facts)


def children_of_record(node: NodeInfo) -> tuple[ChildView, ...]:
    """The children as the record alone has them: a fact for each, or else their phases at the last look."""
    halted = node.status != "running"
    if facts := node.record.get("children"):
        return tuple(_child_of_fact(fact, halted) for fact in facts)
    state = node.handler_state
    if state is None or state.indexes_to_run is None:
        return ()
    at, total = _items(node)
    children = []
    for index in range(total):
        place = at.get(index)
        if place is None:
            children.append(ChildView(index, None, CACHED))
            continue
        phase = TaskPhase(state.detailed.items[place]) if place < len(state.detailed) else TaskPhase.NOT_READY
        children.append(ChildView(index, place, _state(phase, halted)))
    return tuple(children)


def _state(phase: TaskPhase, halted: bool) -> str:
    if phase.terminal:
        return SUCCESS if phase is TaskPhase.SUCCESS else FAILED
    return INTERRUPTED if halted else RUNS if phase is TaskPhase.RUNNING else QUEUED


def _child_of_fact(fact: Mapping[str, Any], halted: bool) -> ChildView:
    child = fact.get("child")
    state = CACHED if child is None else _state(TaskPhase[fact["phase"]], halted)
    created, started, stopped = fact.get("times") or (None, None, None)
    tries = int(fact["attempts"])
    attempts = (AttemptView(max(tries, 1), created, started, stopped),) if created is not None else ()
    reason = "" if state == SUCCESS else str(fact.get("message", ""))
    return ChildView(int(fact["original"]), child, state, reason, attempts, tries)
