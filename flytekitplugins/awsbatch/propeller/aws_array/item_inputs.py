"""A task's inputs, whole and item by item (`array/catalog.go`: Construct{Static,RemoteFile}InputReaders)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flyteidl.core import literals_pb2

from ...wire import INPUTS_FILE
from ..storage import StorageError, read_stored_message
from .handler_errors import METADATA_ACCESS_FAILED, READ_FAILED, HandlerError
from .services import HandlerServices
from .task_context import TaskContext

# Reads the inputs of one item. Raises HandlerError.
Inputs = Callable[[], literals_pb2.LiteralMap]


def read_array_inputs(context: TaskContext, services: HandlerServices) -> literals_pb2.LiteralMap:
    """The task's inputs. HandlerError: the file cannot be read."""
    inputs = literals_pb2.LiteralMap()
    try:
        read_stored_message(services.store, services.store.join(context.input_prefix, INPUTS_FILE), inputs)
    except StorageError:
        raise HandlerError(
            METADATA_ACCESS_FAILED, "Could not read inputs and therefore failed to determine array job size"
        ) from None
    return inputs


def item_list_sizes(inputs: literals_pb2.LiteralMap) -> set[int]:
    """The lengths of the inputs that are lists."""
    return {
        len(literal.collection.literals)
        for literal in inputs.literals.values()
        if literal.WhichOneof("value") == "collection"
    }


def inputs_of_item(context: TaskContext, services: HandlerServices, size: int) -> Iterator[Inputs]:
    """A reader of each item's inputs: its own file at version 0, its element of each list after that."""
    if context.template.task_type_version == 0:
        for index in range(size):
            yield _remote_inputs(services, services.store.join(context.input_prefix, str(index)))
        return
    inputs = read_array_inputs(context, services)
    for index in range(size):
        yield _element(inputs, index)


def _remote_inputs(services: HandlerServices, prefix: str) -> Inputs:
    def read() -> literals_pb2.LiteralMap:
        inputs = literals_pb2.LiteralMap()
        try:
            read_stored_message(services.store, services.store.join(prefix, INPUTS_FILE), inputs)
        except StorageError as error:
            raise HandlerError(READ_FAILED, f"failed to read data from dataDir: {error}") from None
        return inputs

    return read


def _element(inputs: literals_pb2.LiteralMap, index: int) -> Inputs:
    def read() -> literals_pb2.LiteralMap:
        item = literals_pb2.LiteralMap()
        for name, literal in inputs.literals.items():
            is_list = literal.WhichOneof("value") == "collection"
            item.literals[name].CopyFrom(literal.collection.literals[index] if is_list else literal)
        return item

    return read
