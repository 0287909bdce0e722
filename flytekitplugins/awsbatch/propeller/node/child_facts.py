"""What happened to each child, from the handler's state and the job store. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ...wire import ARRAY_TASK_TYPE
from ..aws_array.indexes import ChildIndex, OriginalIndex
from ..aws_array.job_store import Job
from ..aws_array.phases import TaskPhase
from ..aws_array.plugin_state import State
from .node_result import ChildFact


def child_facts(state: State, job: Job | None, task_type: str) -> tuple[ChildFact, ...]:
    """One fact per item of the user's list, in its order."""
    if state.indexes_to_run is None:
        return ()
    children = {index: ChildIndex(child) for child, index in enumerate(state.indexes_to_run)}
    array = task_type == ARRAY_TASK_TYPE and state.execution_size > 1
    return tuple(
        _fact(OriginalIndex(index), children.get(OriginalIndex(index)), state, job, array)
        for index in range(state.original_size)
    )


def count_cached_child_facts(state: State) -> int:
    """How many items came from the cache, as far as it has been asked."""
    return 0 if state.indexes_to_run is None else state.original_size - len(state.indexes_to_run)


def child_fact_counts(state: State) -> Mapping[TaskPhase, int]:
    """Items by phase; those that were cached have succeeded, those that no job was submitted for are not ready."""
    total: Counter[TaskPhase] = Counter()
    if state.indexes_to_run is not None:
        total[TaskPhase.SUCCESS] += count_cached_child_facts(state)
        summary = state.summary or {TaskPhase.NOT_READY: len(state.indexes_to_run)}
        total.update(summary)
    return {phase: count for phase, count in total.items() if count}


def _fact(original: OriginalIndex, child: ChildIndex | None, state: State, job: Job | None, array: bool) -> ChildFact:
    if child is None:
        return ChildFact(original, None, "", TaskPhase.SUCCESS, 0, (), "")
    phase = TaskPhase(state.detailed.items[child]) if child < len(state.detailed) else TaskPhase.NOT_READY
    job_id = "" if state.external_job_id is None else state.external_job_id
    if job_id and array:
        job_id = f"{job_id}:{child}"
    if job is None or child >= len(job.children):
        return ChildFact(original, child, job_id, phase, 0, (), "")
    seen = job.children[child]
    streams = tuple(stream for stream in seen.log_streams if stream)
    return ChildFact(original, child, job_id, phase, seen.tries, streams, seen.message.strip(), seen.times)
