"""Reads what Flyte has written for the children of an array, local or remote, and writes the inputs of one item."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from flyteidl.core.literals_pb2 import Literal, LiteralCollection, LiteralMap
from flytekit.core.context_manager import FlyteContext
from flytekit.exceptions.user import FlyteDataNotFoundException
from google.protobuf.message import DecodeError

from ..wire import INDEX_LOOKUP_FILE, INPUTS_FILE
from .array_index import ChildError

Message = TypeVar("Message", LiteralMap, LiteralCollection, Literal)


def read_inputs_file(context: FlyteContext, path: str, bound: set[str]) -> LiteralMap:
    """All the inputs of the array. Mapped lists that were offloaded for their size are put back in place."""
    inputs = _read_input_file(context, path, LiteralMap())
    for name in inputs.literals:
        literal = inputs.literals[name]
        if name not in bound and literal.HasField("offloaded_metadata"):
            literal.CopyFrom(_read_input_file(context, literal.offloaded_metadata.uri, Literal()))
    return inputs


def read_index_lookup_file(context: FlyteContext, inputs: str) -> LiteralCollection | None:
    """indexlookup.pb from beside the inputs, or None where there is none.

    The file is read without looking first whether it exists: the extra request costs more than the error does.
    """
    try:
        return _read_input_file(context, f"{inputs.rpartition('/')[0]}/{INDEX_LOOKUP_FILE}", LiteralCollection())
    except (FileNotFoundError, FlyteDataNotFoundException):
        return None


def _read_input_file(context: FlyteContext, path: str, message: Message) -> Message:
    """Fills a message from a file. Raises ChildError for bytes that are not such a message."""
    local = path.removeprefix("file://")
    if "://" in local:
        local = context.file_access.get_random_local_path()
        context.file_access.get_data(path, local)
    try:
        message.ParseFromString(Path(local).read_bytes())
    except DecodeError as error:
        raise ChildError(f"{path} is not a {message.DESCRIPTOR.full_name}: {error}") from None
    return message


def write_item_inputs(context: FlyteContext, inputs: LiteralMap) -> str:
    """The path of a file with the item's inputs, for flytekit's dispatch to read."""
    path = Path(context.execution_state.working_dir) / "item" / INPUTS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(inputs.SerializeToString())
    return str(path)
