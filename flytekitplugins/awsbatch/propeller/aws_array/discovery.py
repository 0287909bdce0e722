"""The first step: how many items, how many must succeed, and which of them are cached (`array/catalog.go`:
DetermineDiscoverability)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from flyteidl.core import literals_pb2

from ...wire import ARRAY_TASK_TYPE, INDEX_LOOKUP_FILE, SINGLE_TASK_TYPE
from ..storage import write_stored_message
from . import deviations
from .handler_errors import BAD_TASK_SPECIFICATION, HandlerError, PanicError
from .indexes import OriginalIndex
from .item_cache import look_up_items
from .item_inputs import item_list_sizes, read_array_inputs
from .phases import Phase
from .plugin_state import State
from .services import HandlerServices
from .task_context import TaskContext
from .task_custom import ArrayJob, array_job_of_custom, custom_minimum_successes
from .workqueue import WorkStatus

NO_SIZE = "Unable to determine array size from inputs"
# What Go's allocator can address, in interfaces of 16 bytes.
_LONGEST_SLICE = 2**44


def discover_subtasks(state: State, context: TaskContext, services: HandlerServices) -> tuple[State, tuple[str, ...]]:
    """PhaseStart -> PhasePreLaunch, or past it when everything is cached, or a permanent failure; and the deviations
    made. Raises HandlerError, PanicError, StorageError."""
    sizes = _discover_array_size(context, services)
    if sizes is None:
        return state.to(Phase.PERMANENT_FAILURE, 0, "all maptask input lists must be the same length"), ()
    safe = not services.settings.strict
    if safe and sizes[0] > 1 and context.template.type != ARRAY_TASK_TYPE:
        reason = (
            f"a task of type {context.template.type} is submitted as one job, but its task_type_version "
            f"{context.template.task_type_version} and its list input make it an array of {sizes[0]}: "
            f"use task_type_version 0, or a map task"
        )
        return state.to(Phase.PERMANENT_FAILURE, 0, reason), (deviations.NOT_AN_ARRAY,)
    after = _sized(state, context, services, *sizes)
    refused = safe and after.phase is Phase.PERMANENT_FAILURE and after.original_size > 0
    # Without a size there is no external resource to report, and none whose absence would crash the handler.
    return (replace(after, original_size=0), (deviations.SIZE_LIMIT,)) if refused else (after, ())


def _sized(state: State, context: TaskContext, services: HandlerServices, size: int, minimum: int) -> State:
    state = replace(state, original_size=size, min_successes=minimum)
    limit = services.settings.batch.max_array_job_size
    if size > limit:
        reason = f"array size > max allowed. requested [{size}]. allowed [{limit}]"
        return state.to(Phase.PERMANENT_FAILURE, 0, reason)
    if not context.template.metadata.discoverable:
        return _run(state, range(size), "Task is not discoverable.")
    reader, writer = services.settings.catalog_cache.reader.max_items, services.settings.catalog_cache.writer.max_items
    if size > min(reader, writer):
        reason = (
            f"array size > max allowed for cache lookup. requested [{size}]. "
            f"writer allowed [{writer}] reader allowed [{reader}]"
        )
        return state.to(Phase.PERMANENT_FAILURE, 0, reason)
    return _after_lookup(state, context, services)


def _discover_array_size(context: TaskContext, services: HandlerServices) -> tuple[int, int] | None:
    """(items, how many must succeed); None: the lists among the inputs have different lengths.

    :raises HandlerError: custom or the inputs do not say. PanicError: a size that no slice can have.
    """
    single = context.template.type == SINGLE_TASK_TYPE
    job = ArrayJob(size=1, min_successes=1) if single else array_job_of_custom(context.template)
    if context.template.task_type_version == 0:
        if not 0 <= job.size < _LONGEST_SLICE:
            raise PanicError("runtime error: makeslice: cap out of range", f"the array's size is {job.size}")
        return job.size, job.min_successes
    sizes = item_list_sizes(read_array_inputs(context, services))
    if not sizes:
        raise HandlerError(BAD_TASK_SPECIFICATION, NO_SIZE)
    size = sizes.pop()
    return None if sizes else (size, custom_minimum_successes(job.min_success_ratio, size))


def _run(state: State, indexes: Iterable[int], reason: str) -> State:
    to_run = tuple(OriginalIndex(index) for index in indexes)
    return state.to(Phase.PRE_LAUNCH, 0, reason, indexes_to_run=to_run, execution_size=len(to_run))


def _after_lookup(state: State, context: TaskContext, services: HandlerServices) -> State:
    size = state.original_size
    lookup = look_up_items(context, services, size)
    if lookup.status is WorkStatus.NOT_DONE:
        return state.to(Phase.START, state.version)
    if lookup.error is not None:
        return _run(state, range(size), f"Skipping cache check due to err [{lookup.error}]")
    missing = [index for index in range(size) if index not in lookup.cached]
    if not missing:
        reason = "All subtasks are cached. assembling final outputs."
        return state.to(Phase.ASSEMBLE_FINAL_OUTPUT, 0, reason, indexes_to_run=(), execution_size=0)
    table = literals_pb2.LiteralCollection(
        literals=[
            literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=index)))
            for index in missing
        ]
    )
    write_stored_message(services.store, services.store.join(context.input_prefix, INDEX_LOOKUP_FILE), table)
    return _run(state, missing, "Finished cache lookup.")
