"""A node's attempts: what propeller's node executor does around the handler, one round per call.

A driver calls `step` (or `run`) until `result` is there. After each round `snapshot` can be saved, and another process
resumes the node from it. Sources: `nodes/executor.go` (execute, handleRetryableFailure, Abort),
`nodes/task/handler.go` (invokePlugin), `workflow/executor.go` (HandleAbortedWorkflow).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import RLock
from typing import Any

from ... import machine_time
from ...batch.api import BatchError
from ...wire import INPUTS_FILE
from ..aws_array import handler
from ..aws_array.handler_errors import HandlerError, PanicError
from ..aws_array.hangs import hang_without_news, misfit_of_job
from ..aws_array.job_store import Job
from ..aws_array.output_files import OutputFiles
from ..aws_array.phases import Phase, TaskPhase
from ..aws_array.plugin_state import State, TaskError
from ..aws_array.services import HandlerServices
from ..aws_array.task_context import TaskContext
from ..storage import StorageError, write_stored_message
from .attempt import attempt_context
from .child_facts import child_fact_counts, child_facts, count_cached_child_facts
from .hints import error_hint
from .node_request import NodeRequest
from .node_result import ChildFact, NodeResult, Progress
from .node_state import ABORTING, FAILING, RETRYING, SUCCEEDING, Ending, NodeState
from .output_check import checked_node_outputs, error_text, output_execution_error, validate_outputs
from .retry_budget import max_attempts
from .timeouts import (
    EXPIRED,
    end_node_at_hang_timeout,
    node_may_end_before_timeout,
    time_left_to_timeout,
    timed_out,
    timeout_of_failure_wait,
)
from .waiting import Wait

_PHASES = {SUCCEEDING: TaskPhase.SUCCESS, FAILING: TaskPhase.PERMANENT_FAILURE, ABORTING: TaskPhase.ABORTED}
# Seconds between two rounds, about as propeller has them: a hang shows only in a round that changes nothing.
_LOOK_AGAIN = 1.0
_ROUND_ERRORS = (HandlerError, BatchError, StorageError, PanicError)

# Is called after each round, to print progress and to save snapshots.
Observer = Callable[["NodeExecution", Progress], None]


class NodeExecution:
    """One node of an execution, from its inputs to its outputs or its error.

    :param saved: what an earlier process saved of the node; None: the node starts.
    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        request: NodeRequest,
        services: HandlerServices,
        *,
        saved: NodeState | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = machine_time.wall,
    ) -> None:
        self.request = request
        self._services = services
        self._observer = observer
        self._clock = clock
        self._lock = RLock()
        self._node = NodeState(attempt=request.attempt) if saved is None else saved
        self._result: NodeResult | None = None
        self._context = self._new_context()
        # Whether the last round met an error that may go away with time.
        self._failed = False
        self._error: str | None = None
        self._link = ""
        self._misfit = ""
        # Whether the job has ended, so that nothing about it will change.
        self._no_more_news = False
        if self._node.ended and self._node.ending is not None:
            self._end(self._node.ending)

    @property
    def result(self) -> NodeResult | None:
        """None while the node runs."""
        return self._result

    @property
    def output_prefix(self) -> str:
        """Where the current attempt's outputs and errors lie."""
        return self._context.output_prefix

    def original_index(self, child: int) -> int:
        """The place in the user's list of a child of the current attempt's array job."""
        indexes = self._node.plugin_state.indexes_to_run
        return int(indexes[child]) if indexes is not None and child < len(indexes) else child

    def children(self) -> tuple[ChildFact, ...]:
        """What is known of the current attempt's children."""
        with self._lock:
            job = self._services.jobs.get(self._context.name)
            return child_facts(self._node.plugin_state, job, self.request.template.type)

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
            watching = self._node.plugin_state.phase is Phase.CHECKING_SUBTASKS
            started = machine_time.monotonic()
            self.step()
            if self._result is not None:
                return self._result
            spent = machine_time.monotonic() - started
            node = self._node
            left = time_left_to_timeout(node, self._services.settings, self.request, self._clock())
            waiting = watching and node.plugin_state.phase is Phase.CHECKING_SUBTASKS and node.ending is None
            if node.hang is not None:
                wait(None, round_seconds=spent, error=False, timeout=left)
            elif self._failed or waiting:
                job_id = node.plugin_state.external_job_id
                if self._no_more_news:
                    left = _LOOK_AGAIN if left is None else min(left, _LOOK_AGAIN)
                wait(job_id, round_seconds=spent, error=self._failed, timeout=left)

    def abort(self, reason: str, wait: Wait | None = None) -> NodeResult:
        """Terminates the job and ends the node; waits for a round in progress, and may be called while `run` waits.

        :param wait: between two tries, while a fault of AWS keeps the job from being terminated: propeller has as many
            rounds for that as for all else (`handleFailingWorkflow` in `workflow/executor.go`). None: one try.

        Raises BatchError where the job cannot be terminated: the node is as it was.
        """
        with self._lock:
            if self._result is not None:
                return self._result
            left = self._services.settings.propeller.max_workflow_retries if wait is not None else 0
            while problem := self._terminate(abort=not self._node.reported.terminal):
                if wait is None or not left or not problem.transient:
                    raise problem
                left -= 1
                wait(None, round_seconds=0.0, error=True, timeout=None)
            self._end(Ending(ABORTING, TaskError("NodeAborted", reason, "USER")))
            assert self._result is not None
            return self._result

    def snapshot(self) -> dict[str, Any]:
        """A JSON value that `NodeState.from_dict` reads, in another process too. The request is not part of it."""
        with self._lock:
            return self._node.to_dict()

    # A round.

    def _round(self) -> None:
        self._failed, self._error = False, None
        ending = self._node.ending
        try:
            if ending is None:
                self._handle()
            else:
                self._finish(ending)
        except _ROUND_ERRORS as error:
            # AWS would refuse the same request again in a moment: only faults of AWS and of the storage are waited out.
            self._failed = isinstance(error, StorageError) or (isinstance(error, BatchError) and error.transient)
            self._error = error_text(error)
            # `invokePlugin` in `nodes/task/handler.go`, and `Finalize` in `nodes/dynamic/handler.go`.
            status = f"0: {self._error}\r\n"
            if ending is None:
                status = (
                    f"failed at Node[{self.request.node_id}]. RuntimeExecutionError: failed during plugin execution, "
                    f"caused by: failed to execute handle for plugin [aws_array]: {self._error}"
                )
            self._system_error(status)

    def _handle(self) -> None:
        now = self._clock()
        if self.request.unresolved:
            # `preExecute` in Flyte's `nodes/executor.go`
            error = TaskError("BindingResolutionFailure", self.request.unresolved, "SYSTEM")
            self._update(queued_at=now, started_at=now, ending=Ending(FAILING, error))
            return
        if self._node.queued_at is None:
            inputs = self._services.store.join(self._context.input_prefix, INPUTS_FILE)
            write_stored_message(self._services.store, inputs, self.request.inputs)
            self._update(queued_at=now, started_at=now)
        before = self._node.plugin_state
        problem = self._refresh() if before.phase is Phase.CHECKING_SUBTASKS else None
        step = handler.handler_step(before, self._context, self._services)
        state = self._awaiting_children(before, step.state, now)
        self._link = next((link.uri for link in step.transition.logs), self._link)
        self._update(
            plugin_state=state,
            reported=step.transition.phase,
            outputs_ready=self._node.outputs_ready or step.outputs_ready,
            deviations=tuple(dict.fromkeys((*self._node.deviations, *step.deviations))),
        )
        phase = step.transition.phase
        if phase is TaskPhase.SUCCESS:
            self._succeed()
        elif phase is TaskPhase.RETRYABLE_FAILURE:
            self._retry(step.transition.error or TaskError())
        elif phase is TaskPhase.PERMANENT_FAILURE:
            self._update(ending=Ending(FAILING, step.transition.error or TaskError()))
        else:
            self._check_timeouts(now, before, problem)

    def _awaiting_children(self, before: State, after: State, now: float) -> State:
        """The state after a round; still the phase before it while an array that must fail waits for its children."""
        if before.phase is not Phase.CHECKING_SUBTASKS or after.phase is not Phase.ABORT_SUBTASKS:
            return after
        self._update(failing_since=self._node.failing_since or now)
        end = timeout_of_failure_wait(self._node, self._services.settings)
        waits = end is not None and now < end and node_may_end_before_timeout(after, self._services.settings)
        return replace(after, phase=before.phase) if waits else after

    def _refresh(self) -> BatchError | None:
        """Asks AWS about the job; a call that fails is repeated in the next round, as Flyte's cache does."""
        try:
            self._services.jobs.refresh(self._context.name)
        except BatchError as error:
            self._failed, self._error = True, str(error)
            return error
        return None

    def _succeed(self) -> None:
        problem = validate_outputs(self.request, self._files(), outputs_ready=self._node.outputs_ready)
        if problem is None:
            self._update(ending=Ending(SUCCEEDING))
        elif problem.retryable:
            self._retry(problem.error)
        else:
            self._update(ending=Ending(FAILING, problem.error))

    def _retry(self, error: TaskError) -> None:
        settings = self._services.settings.propeller.node_config
        budget, exhausted = self._node.budget.budget_after(error, self._max_attempts(), settings)
        ending = Ending(RETRYING, error) if exhausted is None else Ending(FAILING, exhausted)
        self._update(budget=budget, ending=ending)

    def _check_timeouts(self, now: float, before: State, problem: BatchError | None) -> None:
        """Ends an attempt that took too long, or one that Flyte would never end."""
        job = self._services.jobs.get(self._context.name)
        self._no_more_news = job is not None and job.phase.terminal
        # Its children are not looked through while one runs, as most of the time.
        running = self._node.plugin_state.summary.get(TaskPhase.RUNNING)
        self._misfit = misfit_of_job(job) if job is not None and not running else ""
        quiet = hang_without_news(job, problem, self._misfit if self._services.fixed_size else "")
        self._node = end_node_at_hang_timeout(
            self._node, self._services.settings, self.request, before, job, quiet, now
        )
        error = timed_out(self._node, self.request, self._services.settings, now)
        if error is not None and error.code == EXPIRED:
            self._retry(error)
        elif error is not None:
            self._update(ending=Ending(FAILING, error))

    def _system_error(self, text: str) -> None:
        limit = self._services.settings.propeller.max_workflow_retries
        errors = self._node.system_errors + 1
        self._update(system_errors=errors)
        if errors <= limit:
            return
        self._terminate(abort=not self._node.reported.terminal)
        # `HandleAbortedWorkflow` in `workflow/executor.go`
        execution = self.request.execution
        message = (
            f"Workflow[{execution.project}:{execution.domain}:{self.request.workflow}] failed. "
            f"RuntimeExecutionError: max number of system retry attempts [{errors}/{limit}] exhausted. "
            f"Last known status message: {text}{error_hint(self.request.template, self.request.inputs, text)}"
        )
        self._end(Ending(FAILING, TaskError("Workflow abort failed", message, "SYSTEM")))

    # The end of an attempt, and of the node.

    def _finish(self, ending: Ending) -> None:
        """Terminates the job, which propeller does after every end; where that fails, so does the round.

        A job whose attempt is retried is aborted first, although it has ended (`handleRetryableFailure`).
        """
        retried = ending.move == RETRYING
        problem = self._terminate(abort=retried or not self._node.reported.terminal)
        if problem is not None:
            raise problem
        if not retried:
            self._end(ending)
            return
        self._node = NodeState(
            attempt=self._node.attempt + 1,
            budget=self._node.budget,
            system_errors=self._node.system_errors,
            queued_at=self._node.queued_at,
            started_at=self._clock(),
            deviations=self._node.deviations,
        )
        self._context = self._new_context()

    def _terminate(self, *, abort: bool) -> BatchError | None:
        """Ends the job as `nodeExecutor.Abort` and `Finalize` do; the last refusal of AWS, if there was one."""
        problem = None
        for reason in [handler.ABORTED, handler.FINALIZED] if abort else [handler.FINALIZED]:
            try:
                handler.terminate_by_handler(self._node.plugin_state, self._services, reason)
            except BatchError as error:
                problem = error
        return problem

    def _end(self, ending: Ending) -> None:
        node = self._node
        outputs = None
        if ending.move == SUCCEEDING:
            outputs = checked_node_outputs(self.request, self._files())
        error = None if ending.error is None else output_execution_error(ending.error)
        job = self._final_details()
        self._update(ending=ending, ended=True)
        self._result = NodeResult(
            phase=_PHASES[ending.move],
            outputs=outputs,
            error=error,
            attempt_count=node.attempt - self.request.attempt + 1,
            children=child_facts(node.plugin_state, job, self.request.template.type),
            job_name=self._context.name,
            job_id=node.plugin_state.external_job_id,
            output_prefix=self._context.output_prefix,
            hang=node.hang,
            deviations=node.deviations,
        )

    def _final_details(self) -> Job | None:
        """The job's details; a process that has not seen its end asks for them once more."""
        state, jobs = self._node.plugin_state, self._services.jobs
        if state.external_job_id is None:
            return None
        job = jobs.get_or_create(self._context.name, state.external_job_id, state.execution_size)
        if any(child.phase is TaskPhase.NOT_READY for child in job.children):
            with suppress(BatchError):
                jobs.refresh(self._context.name)
        return job

    # Helpers.

    def _update(self, **changes: Any) -> None:
        self._node = replace(self._node, **changes)

    def _max_attempts(self) -> int:
        settings = self._services.settings.propeller.node_config
        return max_attempts(self.request.template, self.request.retries, settings)

    def _new_context(self) -> TaskContext:
        return attempt_context(self.request, self._services.store.join, self._node.attempt)

    def _files(self) -> OutputFiles:
        return OutputFiles(self._services.store, self._context.output_prefix)

    def _progress(self) -> Progress:
        node = self._node
        phase = node.reported
        if self._result is not None:
            phase = self._result.phase
        retried = node.ending if node.ending is not None and node.ending.move == RETRYING else None
        return Progress(
            attempt=node.attempt,
            phase=node.plugin_state.phase,
            task_phase=phase,
            counts=child_fact_counts(node.plugin_state),
            job_name=self._context.name,
            job_id=node.plugin_state.external_job_id,
            error=self._error,
            misfit=self._misfit,
            hang=node.hang,
            link=self._link,
            failed_attempts=node.budget.attempts if retried is not None else 0,
            retry_reason=retried.error.message if retried is not None and retried.error is not None else "",
            max_attempts=self._max_attempts(),
            ended=self._result is not None,
            cached=count_cached_child_facts(node.plugin_state),
        )
