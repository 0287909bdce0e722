"""The step after the children: what succeeded is stored in the cache (`array/catalog.go`: WriteToDiscovery)."""

from __future__ import annotations

from .indexes import ChildIndex
from .item_cache import store_items
from .phases import Phase, TaskPhase
from .plugin_state import State
from .services import HandlerServices
from .task_context import TaskContext
from .transition import CacheStatus, ExternalResource

# Where each of the phases that write back leads.
_AFTER = {
    Phase.WRITE_TO_DISCOVERY: Phase.ASSEMBLE_FINAL_OUTPUT,
    Phase.WRITE_TO_DISCOVERY_THEN_FAIL: Phase.ASSEMBLE_FINAL_ERROR,
    Phase.ABORT_SUBTASKS: Phase.ASSEMBLE_FINAL_ERROR,
}


def write_back(
    state: State, context: TaskContext, services: HandlerServices
) -> tuple[State, tuple[ExternalResource, ...]]:
    """(state, the external resources that were stored). Raises HandlerError, PanicError, StorageError."""
    after, version = _AFTER[state.phase], state.version + 1
    if not context.template.metadata.discoverable:
        return state.to(after, version, "Task is not discoverable."), ()
    done = [ChildIndex(index) for index, phase in enumerate(state.detailed.items) if phase == TaskPhase.SUCCESS]
    if not store_items(context, services, state.original_size, [state.original(child) for child in done]):
        return state.to(state.phase, state.version), ()
    if not done:
        return state.to(after, version, "No outputs need to be cached."), ()
    return state.to(after, version, "Finished writing catalog cache."), tuple(
        ExternalResource(
            state.original(child),
            TaskPhase.SUCCESS,
            CacheStatus.POPULATED,
            retry_attempt=state.retry_attempts.items[child],
        )
        for child in done
    )
