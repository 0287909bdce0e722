"""The handler: one round per call. `handler_step` does the work of its phase and says what propeller is told.

Source: `awsbatch/executor.go` (`Handle`, `Abort`, `Finalize`), `array/core/state.go` (`MapArrayStateToPluginPhase`).
"""

from __future__ import annotations

from functools import partial

from .assemble import assemble_errors, assemble_outputs
from .discovery import discover_subtasks
from .handler_errors import ARRAY_JOB_GENERIC_FAILURE
from .job_definition import ensure_definition
from .links import initial_resource_links, task_links
from .monitor import monitor_subtasks
from .phases import Phase, TaskPhase, task_phase
from .plugin_state import State, TaskError
from .services import HandlerServices
from .submit import submit_batch_job
from .task_context import TaskContext
from .transition import LogLink, MakeResources, Step, Transition
from .writeback import write_back

# The reasons that AWS Batch is given for terminating a job.
ABORTED, FINALIZED = "Aborted", "Finalized"
_WRITING_BACK = (Phase.WRITE_TO_DISCOVERY, Phase.WRITE_TO_DISCOVERY_THEN_FAIL)


def handler_step(state: State, context: TaskContext, services: HandlerServices) -> Step:
    """One round. Writes files and calls AWS as the phase demands; the state it was given stays as it was.

    :raises HandlerError: Flyte's own errors. BatchError: AWS refused. StorageError. PanicError: Go would crash.
        After any of these the old state counts, and the same round may be tried again.
    """
    before = state.phase
    resources: MakeResources = tuple
    logs: tuple[LogLink, ...] = ()
    outputs_ready = False
    made: tuple[str, ...] = ()
    if before is Phase.START:
        state, made = discover_subtasks(state, context, services)
    elif before is Phase.PRE_LAUNCH:
        state = ensure_definition(state, context, services)
    elif before in (Phase.LAUNCH, Phase.WAITING_FOR_RESOURCES):
        state = submit_batch_job(state, context, services)
    elif before is Phase.CHECKING_SUBTASKS:
        state, made = monitor_subtasks(state, context, services)
    elif before is Phase.ASSEMBLE_FINAL_OUTPUT:
        state, outputs_ready = assemble_outputs(state, context, services)
    elif before is Phase.ASSEMBLE_FINAL_ERROR:
        state, outputs_ready = assemble_errors(state, context, services)
    elif not before.terminal:
        state, stored = write_back(state, context, services)
        resources = partial(tuple, stored)
    if before is Phase.START:
        if state.phase is not Phase.START:
            resources = partial(tuple, initial_resource_links(state, context))
    elif before not in _WRITING_BACK:
        logs, resources = task_links(state, context, services)
    return Step(state, _handler_transition(state, logs, resources), outputs_ready, made)


def _handler_transition(state: State, logs: tuple[LogLink, ...] = (), resources: MakeResources = tuple) -> Transition:
    """What propeller is told while the handler is in this state."""
    phase = task_phase(state.phase)
    if phase is TaskPhase.INITIALIZING:
        return Transition(phase, 0, state.reason, None, logs, resources)
    if phase is TaskPhase.WAITING_FOR_RESOURCES:
        return Transition(phase, state.version, state.reason, None, logs, resources)
    if not phase.terminal:
        return Transition(phase, state.version, "", None, logs, resources)
    error = None
    if phase.failure:
        kind = "USER" if phase is TaskPhase.RETRYABLE_FAILURE else "SYSTEM"
        error = state.error or TaskError(ARRAY_JOB_GENERIC_FAILURE, state.reason, kind)
    return Transition(phase, 0, "", error, logs, resources)


def terminate_by_handler(state: State, services: HandlerServices, reason: str) -> None:
    """Terminates the job, if there is one, however it ended. Raises BatchError.

    :param reason: `ABORTED` or `FINALIZED`.
    """
    if state.external_job_id is not None:
        services.batch.terminate_job(jobId=state.external_job_id, reason=reason)
