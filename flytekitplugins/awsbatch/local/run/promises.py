"""The inputs of a call as propeller takes them from earlier nodes: attributes of promises (`config().sizes[0]`).

flytekit's own local run resolves them too, by other rules: a dataclass in its older format it cannot take apart at all.
Nothing here knows where a task runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flyteidl.core import literals_pb2
from flytekit.core.promise import Promise
from flytekit.models.literals import BindingData, Literal

from flytekitplugins.awsbatch.propeller.node.resolve_inputs import UnresolvableInputError
from flytekitplugins.awsbatch.propeller.node.resolve_promise import Read, resolve_promise
from flytekitplugins.awsbatch.propeller.storage import DataStore, StorageError, read_stored_message


def resolve_call_promises(given: dict[str, Any], read: Read) -> tuple[dict[str, Any], UnresolvableInputError | None]:
    """
    :param given: a call's arguments: values, promises, and lists and dicts of both.
    :returns: the same with promises that have no path any more, and the reason of the first that cannot be resolved.
    """
    found = {}
    for name, value in given.items():
        try:
            found[name] = _resolved(value, read)
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


def _resolved(value: Any, read: Read) -> Any:
    if isinstance(value, Promise) and value.attr_path and value.is_ready:
        literal = resolve_promise(value.val.to_flyte_idl(), value.attr_path, read)
        return Promise(value.var, Literal.from_flyte_idl(literal))
    if isinstance(value, list):
        return [_resolved(one, read) for one in value]
    if isinstance(value, dict):
        return {key: _resolved(one, read) for key, one in value.items()}
    return value


def nodes_of_promises(data: BindingData | None) -> set[str]:
    """The ids of the nodes whose outputs a binding uses."""
    if data is None:
        return set()
    if data.promise is not None:
        return {data.promise.node_id}
    inner = [*(data.collection.bindings if data.collection else ()), *(data.map.bindings.values() if data.map else ())]
    return set().union(*(nodes_of_promises(one) for one in inner))
