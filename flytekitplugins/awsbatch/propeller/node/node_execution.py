"""A node's attempts: what propeller's node executor does around the handler, one round a call.

A driver calls `step` (or `run`) until `result` is there. After each round `snapshot` can be saved; `restore` takes the
node up again in another process. Sources: `nodes/executor.go` (execute, handleRetryableFailure, Abort),
`nodes/task/handler.go` (invokePlugin), `workflow/executor.go` (HandleAbortedWorkflow).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from threading import RLock
from typing import Any, Protocol

from ...batch.api import BatchError
from ...wire import INPUTS_FILE
from ..aws_array import handler
from ..aws_array.handler_errors import HandlerError, PanicError
from ..aws_array.job_store import Job
from ..aws_array.output_files import OutputFiles
from ..aws_array.phases import Phase, TaskPhase
from ..aws_array.plugin_state import State, TaskError
from ..aws_array.services import HandlerServices
from ..aws_array.task_context import TaskContext
from ..storage import StorageError, write_message
from .attempt import attempt_context
from .child_facts import child_facts, counts
from .hints import hint
from .node_request import NodeRequest
from .node_result import NodeResult, Progress
from .node_state import ABORTING, FAILING, RETRYING, SUCCEEDING, Ending, Memory
from .output_check import error_text, execution_error, node_outputs, validate_outputs
from .retry_budget import max_attempts
from .timeouts import EXPIRED, time_left, timed_out, watch_hangs
from .waiting import Wait

_PHASES = {SUCCEEDING: TaskPhase.SUCCESS, FAILING: TaskPhase.PERMANENT_FAILURE, ABORTING: TaskPhase.ABORTED}
# Seconds, as often as propeller looks at a node, more or less: a hang shows only in a round that changes nothing.
_LOOK_AGAIN = 1.0
_ROUND_ERRORS = (HandlerError, BatchError, StorageError, PanicError)


class Observer(Protocol):
    """Hears of each round, for progress lines and for saving snapshots."""

    def __call__(self, execution: NodeExecution, progress: Progress) -> None: ...


class NodeExecution:
    """One node of an execution, from its inputs to its outputs or its error.

    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        request: NodeRequest,
        services: HandlerServices,
        *,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.request = request
        self._services = services
        self._observer = observer
        self._clock = clock
        self._lock = RLock()
        self._memory = Memory(attempt=request.attempt)
        self._result: NodeResult | None = None
        self._context = self._new_context()
        # Whether the last round met an error that only time may cure.
        self._failed = False
        self._error: str | None = None
        # Whether the job has ended, so that nothing about it will change.
        self._no_more_news = False

    @property
    def result(self) -> NodeResult | None:
        """None while the node runs."""
        return self._result

    def step(self) -> Progress:
        """One round: refreshes the job's details, steps the handler, and moves the node on when the handler ended.

        Never raises for what a round may meet: an error of the handler counts as a system failure, and after more than
        `max-workflow-retries` of them the node fails as propeller's workflow would.
        """
        with self._lock:
            if self._result is None:
                self._round()
            progress = self._progress()
        if self._observer is not None:
            self._observer(self, progress)
        return progress

    def run(self, wait: Wait) -> NodeResult:
        """Rounds until the end, `wait` between them."""
        while True:
            watching = self._memory.state.phase is Phase.CHECKING_SUBTASKS
            started = time.monotonic()
            self.step()
            if self._result is not None:
                return self._result
            spent = time.monotonic() - started
            memory = self._memory
            left = time_left(memory, self._services.settings, self.request, self._clock())
            waiting = watching and memory.state.phase is Phase.CHECKING_SUBTASKS and memory.ending is None
            if memory.hang is not None:
                wait(None, round_seconds=spent, error=False, timeout=left)
            elif self._failed or waiting:
                job_id = memory.state.external_job_id
                if self._no_more_news:
                    left = _LOOK_AGAIN if left is None else min(left, _LOOK_AGAIN)
                wait(job_id, round_seconds=spent, error=self._failed, timeout=left)

    def abort(self, reason: str) -> NodeResult:
        """Terminates the job and ends the node; waits for a round in progress, and may be called while `run` waits.

        A job that cannot be terminated is left as it is: the error says so.
        """
        with self._lock:
            if self._result is not None:
                return self._result
            problem = self._terminate()
            note = f"{reason} (the job could not be terminated: {problem})" if problem else reason
            self._end(Ending(ABORTING, TaskError("NodeAborted", note, "USER")))
            assert self._result is not None
            return self._result

    def snapshot(self) -> dict[str, Any]:
        """A JSON value from which `restore` goes on, in another process too. The request is not part of it."""
        with self._lock:
            return self._memory.to_json()

    @classmethod
    def restore(
        cls,
        request: NodeRequest,
        services: HandlerServices,
        snapshot: Mapping[str, Any],
        *,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> NodeExecution:
        execution = cls(request, services, observer=observer, clock=clock)
        execution._memory = Memory.from_json(snapshot)
        execution._context = execution._new_context()
        if execution._memory.ended:
            assert execution._memory.ending is not None
            execution._end(execution._memory.ending)
        return execution

    # A round.

    def _round(self) -> None:
        self._failed, self._error = False, None
        try:
            if self._memory.ending is None:
                self._handle()
            else:
                self._finish(self._memory.ending)
        except _ROUND_ERRORS as error:
            # What AWS refuses now it refuses in a moment as well: only its faults and the storage's are waited out.
            self._failed = isinstance(error, StorageError) or (isinstance(error, BatchError) and error.transient)
            self._error = error_text(error)
            self._system_error(self._error)

    def _handle(self) -> None:
        now = self._clock()
        if self._memory.queued_at is None:
            inputs = self._services.store.join(self._context.input_prefix, INPUTS_FILE)
            write_message(self._services.store, inputs, self.request.inputs)
            self._remember(queued_at=now, started_at=now)
        before = self._memory.state
        problem = self._refresh() if before.phase is Phase.CHECKING_SUBTASKS else None
        step = handler.step(before, self._context, self._services)
        self._remember(
            state=step.state,
            told=step.transition.phase,
            handed_over=self._memory.handed_over or step.outputs_ready,
            departures=tuple(dict.fromkeys((*self._memory.departures, *step.departures))),
        )
        phase = step.transition.phase
        if phase is TaskPhase.SUCCESS:
            self._succeed()
        elif phase is TaskPhase.RETRYABLE_FAILURE:
            self._retry(step.transition.error or TaskError())
        elif phase is TaskPhase.PERMANENT_FAILURE:
            self._remember(ending=Ending(FAILING, step.transition.error or TaskError()))
        else:
            self._lose_patience(now, before, problem)

    def _refresh(self) -> BatchError | None:
        """News of the job; a call that fails is taken up again in the next round, as Flyte's cache does."""
        try:
            self._services.jobs.refresh(self._context.name)
        except BatchError as error:
            self._failed, self._error = True, str(error)
            return error
        return None

    def _succeed(self) -> None:
        problem = validate_outputs(self.request, self._files(), handed_over=self._memory.handed_over)
        if problem is None:
            self._remember(ending=Ending(SUCCEEDING))
        elif problem.retryable:
            self._retry(problem.error)
        else:
            self._remember(ending=Ending(FAILING, problem.error))

    def _retry(self, error: TaskError) -> None:
        settings = self._services.settings.propeller.node_config
        maximum = max_attempts(self.request.template, self.request.retries, settings)
        budget, exhausted = self._memory.budget.after(error, maximum, settings)
        ending = Ending(RETRYING, error) if exhausted is None else Ending(FAILING, exhausted)
        self._remember(budget=budget, ending=ending)

    def _lose_patience(self, now: float, before: State, problem: BatchError | None) -> None:
        """Ends an attempt that took too long, or one that Flyte would never end."""
        job = self._services.jobs.get(self._context.name)
        self._no_more_news = job is not None and job.phase.terminal
        self._memory = watch_hangs(self._memory, self._services.settings, self.request, before, job, problem, now)
        error = timed_out(self._memory, self.request, now)
        if error is not None and error.code == EXPIRED:
            self._retry(error)
        elif error is not None:
            self._remember(ending=Ending(FAILING, error))

    def _system_error(self, text: str) -> None:
        limit = self._services.settings.propeller.max_workflow_retries
        errors = self._memory.system_errors + 1
        self._remember(system_errors=errors, last_error=text)
        if errors <= limit:
            return
        self._terminate()
        message = (
            f"RuntimeExecutionError: max number of system retry attempts [{errors}/{limit}] exhausted. "
            f"Last known status message: {text}{hint(self.request.template, self.request.inputs, text)}"
        )
        self._end(Ending(FAILING, TaskError("Workflow abort failed", message, "SYSTEM")))

    # The end of an attempt, and of the node.

    def _finish(self, ending: Ending) -> None:
        """Terminates the job, which the handler does after every end; where that fails, so does the round."""
        if not self._memory.told.terminal:
            handler.abort(self._memory.state, self._context, self._services)
        handler.finalize(self._memory.state, self._context, self._services)
        if ending.move != RETRYING:
            self._end(ending)
            return
        self._memory = Memory(
            attempt=self._memory.attempt + 1,
            budget=self._memory.budget,
            system_errors=self._memory.system_errors,
            last_error=self._memory.last_error,
            queued_at=self._memory.queued_at,
            started_at=self._clock(),
            departures=self._memory.departures,
        )
        self._context = self._new_context()

    def _terminate(self) -> str:
        """Aborts and finalises as well as can be; what went wrong, or ""."""
        problem = ""
        actions = [handler.finalize] if self._memory.told.terminal else [handler.abort, handler.finalize]
        for action in actions:
            try:
                action(self._memory.state, self._context, self._services)
            except BatchError as error:
                problem = str(error)
        return problem

    def _end(self, ending: Ending) -> None:
        memory = self._memory
        outputs = None
        if ending.move == SUCCEEDING:
            outputs = node_outputs(self.request, self._files())
        error = None if ending.error is None else execution_error(ending.error)
        job = self._last_look()
        self._remember(ending=ending, ended=True)
        self._result = NodeResult(
            phase=_PHASES[ending.move],
            outputs=outputs,
            error=error,
            attempts=memory.attempt - self.request.attempt + 1,
            children=child_facts(memory.state, job, self.request.template.type),
            job_name=self._context.name,
            job_id=memory.state.external_job_id,
            output_prefix=self._context.output_prefix,
            hang=memory.hang,
            departures=memory.departures,
        )

    def _last_look(self) -> Job | None:
        """What is known of the job, asked for once more by a process that has not seen its end."""
        state, jobs = self._memory.state, self._services.jobs
        if state.external_job_id is None:
            return None
        job = jobs.get_or_create(self._context.name, state.external_job_id, state.execution_size)
        if any(child.phase is TaskPhase.NOT_READY for child in job.children):
            with suppress(BatchError):
                jobs.refresh(self._context.name)
        return job

    # Helpers.

    def _remember(self, **changes: Any) -> None:
        self._memory = replace(self._memory, **changes)

    def _new_context(self) -> TaskContext:
        return attempt_context(self.request, self._services.store.join, self._memory.attempt)

    def _files(self) -> OutputFiles:
        return OutputFiles(self._services.store, self._context.output_prefix)

    def _progress(self) -> Progress:
        memory = self._memory
        phase = memory.told
        if self._result is not None:
            phase = self._result.phase
        return Progress(
            attempt=memory.attempt,
            phase=memory.state.phase,
            task_phase=phase,
            counts=counts(memory.state),
            job_name=self._context.name,
            job_id=memory.state.external_job_id,
            reason=memory.state.reason,
            error=self._error,
            hang=memory.hang,
        )
