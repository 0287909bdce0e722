"""The last step: the children's outputs as one outputs.pb, or their errors as one error.pb (`array/outputs.go`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flyteidl.core import literals_pb2

from ...wire import SINGLE_TASK_TYPE
from ..golang.text import go_text_of_message
from ..storage import LimitedStore, StorageError
from .concurrently import concurrently_in_order
from .error_summary import error_summary
from .indexes import ChildIndex, OriginalIndex
from .output_files import OutputFiles
from .phases import Phase, TaskPhase
from .plugin_state import State, TaskError
from .services import HandlerServices
from .task_context import TaskContext
from .workqueue import RetryWorkError, WorkStatus


def assemble_outputs(state: State, context: TaskContext, services: HandlerServices) -> tuple[State, bool]:
    """PhaseAssembleFinalOutput -> PhaseSuccess, or PhaseRetryableFailure when a child's outputs cannot be read; and
    whether the handler gave propeller the files at the output prefix."""

    def work() -> None:
        phases = _final_phases(state)
        outputs = assemble_collected_outputs(context, services, phases)
        try:
            _files(context, services).write_outputs(outputs)
        except StorageError as error:
            raise RetryWorkError(error) from error

    return _assemble(state, context, services, work, Phase.SUCCESS)


def assemble_errors(state: State, context: TaskContext, services: HandlerServices) -> tuple[State, bool]:
    """PhaseAssembleFinalError -> PhaseRetryableFailure; and as `assemble_outputs`."""

    def work() -> None:
        try:
            message = _collect_errors(context, services, _final_phases(state))
            _files(context, services).write_error(message)
        except StorageError as error:
            raise RetryWorkError(error) from error

    return _assemble(state, context, services, work, Phase.RETRYABLE_FAILURE)


def _assemble(
    state: State, context: TaskContext, services: HandlerServices, work: Callable[[], None], terminal: Phase
) -> tuple[State, bool]:
    queue, version = services.assembler, state.version + 1
    info = queue.get(context.name)
    if info is None:
        if not context.template.interface.outputs.variables:
            return state.to(terminal, version, "Task has no outputs"), False
        queue.queue(context.name, work)
        info = queue.get(context.name)
        assert info is not None
    if info.status is WorkStatus.NOT_DONE:
        return state.to(state.phase, state.version), False
    if info.status is WorkStatus.FAILED:
        reason = "Failed to assemble outputs/errors."
        failed = state.to(Phase.RETRYABLE_FAILURE, 0, reason, error=TaskError(message=str(info.error)))
        return failed, False
    files = _files(context, services)
    if files.exists():
        # Propeller refuses outputs that are longer than it downloads, again in each round.
        if isinstance(services.store, LimitedStore):
            services.store.read_file(files.outputs_path)
        return state.to(terminal, version, "Assembled outputs"), True
    if not files.is_error():
        return state.to(terminal, version, "No output or error assembled."), True
    found = files.read_error()
    error = TaskError(found.code, found.message, found.ErrorKind.Name(found.kind))
    return state.to(terminal, version, "Assembled error", error=error), True


def _final_phases(state: State) -> list[TaskPhase]:
    """The phase of each item of the user's list; what was cached has succeeded."""
    phases = [TaskPhase.SUCCESS] * state.original_size
    if state.indexes_to_run is not None:
        for index in state.indexes_to_run:
            phases[index] = TaskPhase.UNDEFINED
    for child, phase in enumerate(state.detailed.items):
        phases[state.original(ChildIndex(child))] = TaskPhase(phase)
    return phases


def assemble_collected_outputs(
    context: TaskContext, services: HandlerServices, phases: Sequence[TaskPhase]
) -> literals_pb2.LiteralMap:
    """A list of each output, with a null where an item has none; a single task's outputs as they are.

    Raises StorageError.
    """
    single = context.template.type == SINGLE_TASK_TYPE
    names = list(context.template.interface.outputs.variables)
    final = literals_pb2.LiteralMap()
    for name in names:
        final.literals[name].collection.SetInParent()
    null = literals_pb2.Literal(scalar=literals_pb2.Scalar(none_type=literals_pb2.Void()))

    def read(number: int) -> literals_pb2.LiteralMap | None:
        if phases[number] is not TaskPhase.SUCCESS:
            return None
        return OutputFiles.of_subtask(services.store, context.output_prefix, OriginalIndex(number)).read_outputs()

    for outputs in concurrently_in_order(read, range(len(phases)), services.store.at_once(context.output_prefix)):
        if single:
            if outputs is not None:
                final = outputs
        elif outputs is not None:
            for name, literal in outputs.literals.items():
                final.literals[name].collection.literals.append(literal)
        else:
            for name in names:
                final.literals[name].collection.literals.append(null)
    return final


def _collect_errors(context: TaskContext, services: HandlerServices, phases: Sequence[TaskPhase]) -> str:
    """The errors of the items that failed, as one message of limited length. Raises StorageError."""

    def read(number: int) -> str:
        files = OutputFiles.of_subtask(services.store, context.output_prefix, OriginalIndex(number))
        return go_text_of_message(files.read_error()) if files.is_error() else "Job Failed."

    failed = [number for number, phase in enumerate(phases) if phase.failure]
    messages = concurrently_in_order(read, failed, services.store.at_once(context.output_prefix))
    return error_summary(zip(failed, messages, strict=True), services.settings.batch.max_err_length)


def _files(context: TaskContext, services: HandlerServices) -> OutputFiles:
    return OutputFiles(services.store, context.output_prefix)
