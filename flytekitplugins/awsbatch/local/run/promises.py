"""The inputs of a call as propeller takes them from earlier nodes: attributes of promises (`config().sizes[0]`), and
what a workflow binds.

flytekit's own local run resolves them too, by other rules: a dataclass in its older format it cannot take apart at all.
Nothing here knows where a task runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from flyteidl.core import literals_pb2
from flytekit.core.promise import Promise
from flytekit.models.literals import BindingData, Literal, LiteralCollection, LiteralMap, Scalar, Union
from flytekit.models.types import LiteralType, SimpleType

from flytekitplugins.awsbatch.propeller.aws_array.command_template import MESSAGEPACK
from flytekitplugins.awsbatch.propeller.node.resolve_promise import (
    Read,
    UnresolvableInputError,
    literal_of_msgpack,
    resolve_promise,
)
from flytekitplugins.awsbatch.propeller.storage import DataStore, StorageError, read_stored_message


def resolve_call_promises(
    given: dict[str, Any], types: Mapping[str, LiteralType], read: Read
) -> tuple[dict[str, Any], UnresolvableInputError | None]:
    """
    :param given: a call's arguments: values, promises, and lists and dicts of both.
    :param types: the inputs' declared types.
    :returns: the same with promises that have no path any more, and the reason of the first that cannot be resolved.
    """
    found = {}
    for name, value in given.items():
        try:
            found[name] = _resolved(value, types.get(name), read)
        except UnresolvableInputError as error:
            error.name = name
            return found, error
    return found, None


def call_promise_reader(store: Callable[[], DataStore]) -> Read:
    """Reads offloaded literals."""

    def read(uri: str) -> literals_pb2.Literal:
        literal = literals_pb2.Literal()
        try:
            read_stored_message(store(), uri, literal)
        except StorageError as error:
            raise LookupError(str(error)) from error
        return literal

    return read


def _resolved(value: Any, declared: LiteralType | None, read: Read) -> Any:
    if isinstance(value, Promise) and value.is_ready:
        if value.attr_path:
            found = resolve_promise(value.val.to_flyte_idl(), value.attr_path, read)
            return Promise(value.var, Literal.from_flyte_idl(found))
        literal = resolve_promised_fields(value.val, declared) if declared is not None else value.val
        return value if literal is value.val else Promise(value.var, literal)
    if isinstance(value, list):
        items = _inner_type(declared, lambda one: one.collection_type)
        return [_resolved(one, items, read) for one in value]
    if isinstance(value, dict):
        entries = _inner_type(declared, lambda one: one.map_value_type)
        return {key: _resolved(one, entries, read) for key, one in value.items()}
    return value


def _inner_type(declared: LiteralType | None, inner: Callable[[LiteralType], LiteralType | None]) -> LiteralType | None:
    """The type of a list's items or a dict's values, also where the whole is optional."""
    if declared is None:
        return None
    variants = declared.union_type.variants if declared.union_type is not None else [declared]
    return next((found for one in variants if (found := inner(one)) is not None), None)


def resolve_promised_fields(literal: Literal, declared: LiteralType) -> Literal:
    """A value whose path flytekit has resolved, for an input of a subworkflow say, as propeller resolves it; itself
    where no field is in it.

    flytekit leaves msgpack, whatever the field is. It is known by the declared type: a whole value of type `int` or
    `list` is never msgpack, only a field that was taken out of a model is.

    :raises UnresolvableInputError: a number that no int64 holds.
    """
    if declared.simple == SimpleType.STRUCT:
        return literal
    if literal.collection is not None:
        items = _each_resolved(literal.collection.literals, declared.collection_type)
        return literal if items is None else Literal(collection=LiteralCollection(items))
    if literal.map is not None:
        values = _each_resolved(literal.map.literals.values(), declared.map_value_type)
        if values is None:
            return literal
        return Literal(map=LiteralMap(dict(zip(literal.map.literals, values, strict=True))))
    return literal if literal.scalar is None else _scalar_resolved(literal)


def _scalar_resolved(literal: Literal) -> Literal:
    union, binary = literal.scalar.union, literal.scalar.binary
    if union is not None:
        value = resolve_promised_fields(union.value, union.stored_type)
        return literal if value is union.value else Literal(scalar=Scalar(union=Union(value, union.stored_type)))
    if binary is None or binary.tag != MESSAGEPACK:
        return literal
    return Literal.from_flyte_idl(literal_of_msgpack(binary.value))


def _each_resolved(before: Collection[Literal], declared: LiteralType | None) -> list[Literal] | None:
    """None where nothing is a field. Thousands of models are not looked at one by one."""
    if declared is None or declared.simple == SimpleType.STRUCT:
        return None
    after = [resolve_promised_fields(one, declared) for one in before]
    return None if all(new is old for new, old in zip(after, before, strict=True)) else after


def drop_hashes_of_constants(value: Any, literal: Literal) -> None:
    """A binding of a value that is written into a workflow has no hash of a `HashMethod`; that of a promise's has.

    :param value: an argument, and the literal that flytekit has made of it.
    """
    if isinstance(value, Promise):
        return
    while literal.scalar is not None and literal.scalar.union is not None:
        literal = literal.scalar.union.value
    if isinstance(value, list) and literal.collection is not None:
        for item, inner in zip(value, literal.collection.literals, strict=False):
            drop_hashes_of_constants(item, inner)
    elif isinstance(value, dict) and literal.map is not None:
        for key, item in value.items():
            drop_hashes_of_constants(item, literal.map.literals[key])
    literal.hash = None


def nodes_of_promises(data: BindingData | None) -> set[str]:
    """The ids of the nodes whose outputs a binding uses."""
    if data is None:
        return set()
    if data.promise is not None:
        return {data.promise.node_id}
    inner = [*(data.collection.bindings if data.collection else ()), *(data.map.bindings.values() if data.map else ())]
    return set().union(*(nodes_of_promises(one) for one in inner))
