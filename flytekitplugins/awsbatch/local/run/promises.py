"""The inputs of a call as propeller takes them from earlier nodes: attributes of promises (`config().sizes[0]`).

flytekit's own local run resolves them too, by other rules: a dataclass in its older format it cannot take apart at all.
Nothing here knows where a task runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flyteidl.core import literals_pb2
from flytekit.core.promise import Promise
from flytekit.models.literals import BindingData, Literal
from flytekit.models.types import LiteralType, SimpleType

from flytekitplugins.awsbatch.propeller.aws_array.command_template import MESSAGEPACK
from flytekitplugins.awsbatch.propeller.node.resolve_inputs import UnresolvableInputError, resolve_input_literal
from flytekitplugins.awsbatch.propeller.node.resolve_promise import Read, resolve_promise
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
            literal = resolve_promise(value.val.to_flyte_idl(), value.attr_path, read)
        elif declared is not None and _has_field(value.val, declared):
            literal = resolve_input_literal(value.val.to_flyte_idl(), declared.to_flyte_idl())
        else:
            return value
        return Promise(value.var, Literal.from_flyte_idl(literal))
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


def _has_field(literal: Literal, declared: LiteralType) -> bool:
    """Whether there is msgpack that flytekit has left of a field, for an input of a subworkflow say, and not a model:
    lists of models are not looked through."""
    if declared.simple == SimpleType.STRUCT:
        return False
    if literal.collection is not None:
        items: Iterable[Literal] = literal.collection.literals
        inner = declared.collection_type
    elif literal.map is not None:
        items, inner = literal.map.literals.values(), declared.map_value_type
    else:
        scalar = literal.scalar
        if scalar is not None and scalar.union is not None:
            return _has_field(scalar.union.value, scalar.union.stored_type)
        return scalar is not None and scalar.binary is not None and scalar.binary.tag == MESSAGEPACK
    return inner is not None and inner.simple != SimpleType.STRUCT and any(_has_field(one, inner) for one in items)


def nodes_of_promises(data: BindingData | None) -> set[str]:
    """The ids of the nodes whose outputs a binding uses."""
    if data is None:
        return set()
    if data.promise is not None:
        return {data.promise.node_id}
    inner = [*(data.collection.bindings if data.collection else ()), *(data.map.bindings.values() if data.map else ())]
    return set().union(*(nodes_of_promises(one) for one in inner))
