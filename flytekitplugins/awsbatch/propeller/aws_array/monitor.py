"""The step that is repeated: what the job store knows of each child, as the array's phase (`awsbatch/monitor.go`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from .context import TaskContext
from .errors import NIL_DEREFERENCE, PanicError
from .indexes import ChildIndex
from .jobs import Job
from .outputs import OutputFiles
from .phases import Phase, TaskPhase, summary_to_phase
from .retries import attempts
from .services import HandlerServices
from .state import State


def check_subtasks(state: State, context: TaskContext, services: HandlerServices) -> State:
    """PhaseCheckingSubTaskExecutions -> itself, PhaseWriteToDiscovery or PhaseAbortSubTasks.

    Writes error.pb for a failed child that wrote none. Raises StorageError, PanicError.
    """
    job = services.jobs.get(context.name)
    if job is None:
        assert state.external_job_id is not None
        services.jobs.get_or_create(context.name, state.external_job_id, state.execution_size)
        return state
    batch = services.settings.batch
    allowed = attempts(context.template, batch.min_retries, batch.max_retries)
    room = state.retry_attempts.limit
    phases: list[TaskPhase] = []
    for number, child in enumerate(job.children):
        index = ChildIndex(number)
        phases.append(_child_phase(index, child, allowed, state, context, services))
        # Here, after this child's error.pb was written, Flyte stops at a count that the array has no room for.
        if child.attempts > room:
            state.retry_attempts.of((child.attempts,))
    detailed = state.detailed.of(phases)
    summary = Counter(phases)
    after = replace(
        state,
        detailed=detailed,
        summary=dict(summary),
        retry_attempts=state.retry_attempts.of(child.attempts for child in job.children),
    )
    # Children that were found in the cache have succeeded already.
    needed = state.min_successes - state.original_size + state.execution_size
    phase = summary_to_phase(needed, summary)
    if phase is Phase.CHECKING_SUBTASKS:
        version = state.version if detailed == state.detailed else state.version + 1
        return after.to(phase, version, "Task is still running")
    return after.to(phase, state.version + 1)


def _child_phase(
    index: ChildIndex,
    child: Job,
    allowed: int | None,
    state: State,
    context: TaskContext,
    services: HandlerServices,
) -> TaskPhase:
    if child.phase is TaskPhase.SUCCESS:
        return _success(_files(index, state, context, services))
    if not child.phase.failure:
        return child.phase
    if child.message:
        files = _files(index, state, context, services)
        if not files.is_error():
            files.write_error(child.message)
    if allowed is None:
        raise PanicError(NIL_DEREFERENCE, "a task that fails needs retries in its metadata")
    return TaskPhase.PERMANENT_FAILURE if child.attempts == allowed else child.phase


def _success(files: OutputFiles) -> TaskPhase:
    """A job that ended well is a failure when it left nothing but an error (`CheckTaskOutput`)."""
    return TaskPhase.RETRYABLE_FAILURE if not files.exists() and files.is_error() else TaskPhase.SUCCESS


def _files(index: ChildIndex, state: State, context: TaskContext, services: HandlerServices) -> OutputFiles:
    return OutputFiles.of_subtask(services.store, context.output_prefix, state.original(index))
