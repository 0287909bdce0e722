"""The cache lookups and puts of an array's items (`catalog/async_client_impl.go`, `array/catalog.go`).

Lookups and puts build their keys apart: a lookup hashes all inputs, a put leaves out the ones that the task ignores.
And `makeSingularTaskInterface` changes the task's own template in each round, which propeller keeps: a lookup has taken
one list off the outputs, a put all of them, so that items that are lists themselves are not found again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2

from ..catalog import CatalogError, CatalogKey, catalog_input_hash
from ..golang.hashes import base32, fnv1a
from ..storage import StorageError
from .handler_errors import NIL_DEREFERENCE, SYSTEM_ERROR, WORK_QUEUE_FAILED, HandlerError, PanicError
from .indexes import OriginalIndex
from .item_inputs import Inputs, inputs_of_item
from .output_files import OutputFiles
from .services import HandlerServices
from .task_context import TaskContext
from .workqueue import RetryWorkError, WorkStatus


@dataclass(frozen=True)
class CacheLookup:
    """What is known of the lookups: which items are cached, once all are done; the last error of any."""

    status: WorkStatus
    cached: frozenset[int] = frozenset()
    error: Exception | None = None


def look_up_items(context: TaskContext, services: HandlerServices, size: int) -> CacheLookup:
    """Asks the catalog for each item, and writes the outputs of those it has where a child would have."""
    interface = cached_item_interface(context)
    template = context.template

    def lookups() -> Iterator[tuple[str, Callable[[], bool]]]:
        for number, inputs in enumerate(inputs_of_item(context, services, size)):
            index = OriginalIndex(number)
            if not template.HasField("id"):
                raise PanicError(NIL_DEREFERENCE, "a discoverable task needs an id")
            files = OutputFiles.of_subtask(services.store, context.output_prefix, index)
            target = base32(fnv1a(files.prefix.encode("utf-8")).to_bytes(4, "big"))
            item = f"{_identifier(template.id)}:{template.metadata.discovery_version}-{index}-{target}"
            yield item, partial(_get, services, context, interface, inputs, files)

    cached = set()
    error: Exception | None = None
    done = True
    for number, item in enumerate(services.catalog_reader.queue_each(lookups(), _at_once(context, services))):
        info = services.catalog_reader.get(item)
        assert info is not None
        if info.status is WorkStatus.NOT_DONE:
            done = False
        elif info.status is WorkStatus.FAILED:
            error = info.error
        elif info.value:
            cached.add(number)
    return CacheLookup(WorkStatus.SUCCEEDED if done else WorkStatus.NOT_DONE, frozenset(cached), error)


def _at_once(context: TaskContext, services: HandlerServices) -> int:
    return max(services.catalog.at_once, services.store.at_once(context.output_prefix))


def _get(
    services: HandlerServices,
    context: TaskContext,
    interface: interface_pb2.TypedInterface,
    inputs: Inputs,
    files: OutputFiles,
) -> bool:
    values = inputs() if interface.HasField("inputs") else literals_pb2.LiteralMap()
    key = CatalogKey(context.template.id, context.template.metadata.discovery_version, interface, values)
    outputs = services.catalog.get(key)
    if outputs is None:
        return False
    files.write_outputs(outputs)
    return True


def store_items(context: TaskContext, services: HandlerServices, size: int, indexes: Iterable[OriginalIndex]) -> bool:
    """Stores the outputs of these items; False while that is not done. What the catalog refuses is not stored. An
    item comes after all others where an equal one is before it: a catalog that keeps what it has keeps the first one's.

    :raises HandlerError: the inputs of an item cannot be read; the next round fails again.
    """
    interface = cached_item_interface(context)
    while _take_list_off_outputs(interface):
        pass
    template = context.template
    ignored = tuple(template.metadata.cache_ignore_input_vars)
    wanted = set(indexes)
    known: set[str] = set()
    equal: list[tuple[str, Callable[[], None]]] = []

    def puts() -> Iterator[tuple[str, Callable[[], None]]]:
        for number, inputs in enumerate(inputs_of_item(context, services, size)):
            if number not in wanted:
                continue
            if context.task_id is None:
                raise PanicError(NIL_DEREFERENCE, "a discoverable task needs an id")
            name = _identifier(context.task_id)
            try:
                values = inputs() if interface.HasField("inputs") else literals_pb2.LiteralMap()
            except HandlerError as error:
                raise HandlerError(
                    WORK_QUEUE_FAILED,
                    "Error enqueuing work items, caused by: "
                    f"[{SYSTEM_ERROR}] Failed to hash inputs for item: {name}, caused by: {error}",
                ) from None
            version = template.metadata.discovery_version
            digest = catalog_input_hash(values, ignored)
            item = f"{name}:{version}-{number}-{digest}"
            files = OutputFiles.of_subtask(services.store, context.output_prefix, OriginalIndex(number))
            key = CatalogKey(context.task_id, version, interface, values, ignored)
            one = item, partial(_put, services, key, files)
            if digest in known:
                equal.append(one)
            else:
                known.add(digest)
                yield one

    done = True
    writer, at_once = services.catalog_writer, _at_once(context, services)
    for item in chain(writer.queue_each(puts(), at_once), writer.queue_each(equal, at_once)):
        info = writer.get(item)
        if info is None or info.status is WorkStatus.NOT_DONE:
            done = False
    return done


def _put(services: HandlerServices, key: CatalogKey, files: OutputFiles) -> None:
    try:
        outputs = literals_pb2.LiteralMap()
        if key.interface.outputs.variables:
            read = files.read_outputs()
            if read is None:
                raise CatalogError(f"{files.outputs_path} has no outputs")
            outputs = read
        services.catalog.put(key, outputs)
    except (CatalogError, StorageError) as error:
        raise RetryWorkError(error) from error


def cached_item_interface(context: TaskContext) -> interface_pb2.TypedInterface:
    """The task's interface with each output that is a list replaced by one of its items."""
    if not context.template.HasField("interface"):
        raise PanicError(NIL_DEREFERENCE, "a discoverable task needs an interface")
    interface = interface_pb2.TypedInterface()
    interface.CopyFrom(context.template.interface)
    _take_list_off_outputs(interface)
    return interface


def _take_list_off_outputs(interface: interface_pb2.TypedInterface) -> bool:
    """Replaces each output that is a list by one of its items; whether there was one."""
    found = False
    for variable in interface.outputs.variables.values():
        if variable.type.WhichOneof("type") == "collection_type":
            item = interface_pb2.Variable(type=variable.type.collection_type)
            variable.CopyFrom(item)
            found = True
    return found


def _identifier(task: identifier_pb2.Identifier) -> str:
    return f"{task.resource_type} {task.project} {task.domain} {task.name} {task.version} {task.org}"
