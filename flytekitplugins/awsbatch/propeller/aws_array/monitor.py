"""The repeated step: derives the array's phase from what the job store knows of each child (`awsbatch/monitor.go`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..storage import StorageError
from . import deviations
from .compact_array import CompactArray
from .concurrently import concurrently_in_order
from .handler_errors import NIL_DEREFERENCE, SYSTEM_ERROR, HandlerError, PanicError
from .indexes import ChildIndex
from .job_store import Job
from .output_files import OutputFiles
from .phases import Phase, TaskPhase, summary_to_phase
from .plugin_state import State
from .retry_strategy import retry_strategy_attempts
from .services import HandlerServices
from .task_context import TaskContext

UNKNOWN_TO_AWS = "AWS Batch no longer knows this job"


@dataclass
class _Round:
    """One look at all children."""

    state: State
    context: TaskContext
    services: HandlerServices
    job: Job
    allowed: int | None
    deviations: set[str] = field(default_factory=set)
    # The files that were looked for in advance, and whether each was there.
    known: dict[str, bool] = field(default_factory=dict)
    unwritten: list[tuple[Job, OutputFiles, str]] = field(default_factory=list)

    @property
    def strict(self) -> bool:
        return self.services.settings.strict

    @cached_property
    def output_prefix(self) -> str:
        """StorageError: it, or the prefix of raw outputs that Flyte's readers need as well, is no URL."""
        for prefix in (self.context.output_prefix, self.context.raw_output_prefix):
            self.services.store.join(prefix, "0")
        return self.context.output_prefix

    def files(self, index: ChildIndex) -> OutputFiles:
        return OutputFiles.of_subtask(self.services.store, self.output_prefix, self.state.original(index))

    def exists(self, reference: str) -> bool:
        known = self.known.get(reference)
        return self.services.store.exists(reference) if known is None else known

    def look_ahead(self) -> None:
        """Looks for the files of all children that have just ended, where a look takes a request of its own."""
        ended: list[str] = []
        errors: dict[str, str] = {}
        try:
            for number, child in enumerate(self.job.children):
                if child.phase is TaskPhase.SUCCESS and not child.has_outputs:
                    files = self.files(ChildIndex(number))
                    ended.append(files.outputs_path)
                    errors[files.outputs_path] = files.error_path
                elif child.phase.failure and child.message and not child.has_error:
                    ended.append(self.files(ChildIndex(number)).error_path)
        except StorageError:
            # The error is raised again when this child is handled.
            return
        self._look_for(ended)
        self._look_for([error for outputs, error in errors.items() if not self.known[outputs]])

    def _look_for(self, references: list[str]) -> None:
        found = set(self.services.store.existing_files(references)) if references else set()
        self.known.update((reference, reference in found) for reference in references)

    def write_errors(self) -> None:
        """Writes what `unwritten` holds: an error.pb for each failed child that wrote none."""

        def write_error(one: tuple[Job, OutputFiles, str]) -> None:
            child, files, message = one
            if not self.exists(files.error_path):
                files.write_error(message)
            child.has_error = True

        unwritten, self.unwritten = self.unwritten, []
        for _ in concurrently_in_order(write_error, unwritten, self.services.store.at_once(self.context.output_prefix)):
            pass


def monitor_subtasks(state: State, context: TaskContext, services: HandlerServices) -> tuple[State, tuple[str, ...]]:
    """PhaseCheckingSubTaskExecutions -> itself, PhaseWriteToDiscovery or PhaseAbortSubTasks; and the deviations made.

    Writes error.pb for a failed child that wrote none. Raises StorageError, PanicError.
    """
    job = services.jobs.get(context.name)
    if job is None:
        assert state.external_job_id is not None
        services.jobs.get_or_create(context.name, state.external_job_id, state.execution_size)
        return state, ()
    allowed = retry_strategy_attempts(context.template, services.settings.batch)
    look = _Round(state, context, services, job, allowed)
    if services.store.at_once(context.output_prefix) > 1:
        look.look_ahead()
    counters = _counters(look)
    phases: list[TaskPhase] = []
    try:
        for number, child in enumerate(job.children):
            phases.append(_child_phase(ChildIndex(number), child, look))
            # Here, after this child's error.pb was written, Flyte stops at a count that the array has no room for.
            if child.attempt_count > counters.limit:
                counters.of((child.attempt_count,))
    finally:
        look.write_errors()
    detailed = state.detailed.of(phases)
    summary = Counter(phases)
    after = replace(
        state,
        detailed=detailed,
        summary=dict(summary),
        retry_attempts=counters.of(child.attempt_count for child in job.children),
    )
    # Children that were found in the cache have succeeded already.
    needed = state.min_successes - state.original_size + state.execution_size
    phase = summary_to_phase(needed, summary)
    made = tuple(sorted(look.deviations))
    if phase is Phase.CHECKING_SUBTASKS:
        version = state.version if detailed == state.detailed else state.version + 1
        return after.to(phase, version, "Task is still running"), made
    return after.to(phase, state.version + 1), made


def _counters(look: _Round) -> CompactArray:
    counters = look.state.retry_attempts
    most = max((child.attempt_count for child in look.job.children), default=0)
    if look.strict or most <= counters.limit:
        return counters
    look.deviations.add(deviations.ATTEMPT_COUNTER)
    return CompactArray(most.bit_length(), counters.items)


def _child_phase(index: ChildIndex, child: Job, look: _Round) -> TaskPhase:
    if child.phase is TaskPhase.SUCCESS:
        # Flyte looks again in each round; here once, since the files of a job that has ended do not go away.
        return TaskPhase.SUCCESS if child.has_outputs else _success(index, child, look)
    if child.phase.failure:
        return _failure(index, child, look)
    if not look.strict and look.job.phase.terminal and not child.known:
        look.deviations.add(deviations.VANISHED_CHILD)
        look.unwritten.append((child, look.files(index), UNKNOWN_TO_AWS))
        return TaskPhase.PERMANENT_FAILURE
    if not look.strict and look.job.phase.terminal:
        look.deviations.add(deviations.PARENT_ENDED_FIRST)
    return child.phase


def _failure(index: ChildIndex, child: Job, look: _Round) -> TaskPhase:
    if child.message and not child.has_error:
        look.unwritten.append((child, look.files(index), child.message))
    if look.allowed is not None and child.attempt_count == look.allowed:
        return TaskPhase.PERMANENT_FAILURE
    if not look.strict:
        look.deviations.add(deviations.NO_RETRIES if look.allowed is None else deviations.SHORT_FAILURE)
        return TaskPhase.PERMANENT_FAILURE
    if look.allowed is None:
        raise PanicError(NIL_DEREFERENCE, "a task that fails needs retries in its metadata")
    return child.phase


def _success(index: ChildIndex, child: Job, look: _Round) -> TaskPhase:
    """A job that ended well is a failure when it left nothing but an error (`CheckTaskOutput`)."""
    try:
        files = look.files(index)
    except StorageError as error:
        raise HandlerError(
            SYSTEM_ERROR,
            f"Failed to build output reader for sub task [{index}] with original index "
            f"[{look.state.original(index)}]., caused by: {error.problem}",
        ) from None
    child.has_outputs = look.exists(files.outputs_path)
    if child.has_outputs or not look.exists(files.error_path):
        return TaskPhase.SUCCESS
    if look.strict:
        return TaskPhase.RETRYABLE_FAILURE
    look.deviations.add(deviations.SUCCESS_WITH_ERROR)
    return TaskPhase.PERMANENT_FAILURE
