"""Inside a child of an array job: which child it is, which item of the user's list that is, and what its inputs are.

Pure functions over an environment and protobuf messages. They read no files and convert nothing to Python.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NewType

from flyteidl.core.literals_pb2 import LiteralCollection, LiteralMap

from ..wire import ARRAY_INDEX_OFFSET, ARRAY_INDEX_VAR_NAME

# A place in the array job, and a place in the user's list. They differ once some items were found in the cache.
ChildIndex = NewType("ChildIndex", int)
OriginalIndex = NewType("OriginalIndex", int)


class ChildError(Exception):
    """A child that cannot tell what to do; the message says why and where to look."""


def child_index_in_container(environment: Mapping[str, str]) -> ChildIndex:
    """The index that AWS Batch gave this job, plus the offset.

    BATCH_JOB_ARRAY_INDEX_VAR_NAME names the variable that holds the index: AWS's own, or a stand-in with 0 where the
    handler submitted no array because there is one item only (`UpdateBatchInputForArray`).
    """
    name = environment.get(ARRAY_INDEX_VAR_NAME)
    if not name:
        raise ChildError(
            f"{ARRAY_INDEX_VAR_NAME} is not set. This command is a child of an array job, started by Flyte's aws_array "
            "handler, which sets it; is container_array handled by another plugin on this cluster?"
        )
    index = _index_number(environment, name)
    offset = _index_number(environment, ARRAY_INDEX_OFFSET) if environment.get(ARRAY_INDEX_OFFSET) else 0
    return ChildIndex(index + offset)


def _index_number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    if not (text.isascii() and text.isdigit()):
        raise ChildError(f"{name} is {text!r}; expected a whole number, 0 or more")
    return int(text)


def original_index_in_container(child: ChildIndex, lookup: LiteralCollection | None) -> OriginalIndex:
    """Where a child's item stands in the user's list.

    :param lookup: the integers of indexlookup.pb, one per child, or None where there is no such file: the handler
    writes
        one when it looked into the cache, and then submits only the items it did not find.
    """
    if lookup is None:
        return OriginalIndex(child)
    if child >= len(lookup.literals):
        raise ChildError(f"child {child} is not in the index lookup, which has {len(lookup.literals)} entries")
    return OriginalIndex(lookup.literals[child].scalar.primitive.integer)


def item_inputs_in_container(inputs: LiteralMap, index: OriginalIndex, bound: Collection[str]) -> LiteralMap | None:
    """The inputs of one call: one item of each mapped input, and the bound inputs as they are.

    :returns: None when the mapped lists are all empty. The handler submits a job even then, but reads no outputs.
    :raises ChildError: when a mapped input has no such item.
    """
    mapped = sorted(name for name in inputs.literals if name not in bound)
    if all(inputs.literals[name].HasField("collection") for name in mapped) and not any(
        inputs.literals[name].collection.literals for name in mapped
    ):
        return None
    one = LiteralMap()
    for name in bound:
        if name in inputs.literals:
            one.literals[name].CopyFrom(inputs.literals[name])
    for name in mapped:
        literal = inputs.literals[name]
        if not literal.HasField("collection"):
            kind = literal.WhichOneof("value")
            raise ChildError(f"input {name} is mapped and should be a list, but holds {kind or 'nothing'}")
        items = literal.collection.literals
        if index >= len(items):
            raise ChildError(f"item {index} does not exist: input {name} has {len(items)}")
        one.literals[name].CopyFrom(items[index])
    return one
