"""The places in literals that name a file, wherever they are nested: in lists, maps, unions, and in dataclasses and
pydantic models as flytekit serialises them, with the NamedTuples and TypedDicts in them.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgpack  # type: ignore[import-untyped]
import typing_extensions
from flyteidl.core import literals_pb2
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.schema import FlyteSchema
from flytekit.types.structured import StructuredDataset
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

# The field that holds the URL where one of these lies inside a dataclass or a pydantic model.
_FIELDS = {FlyteFile: "path", FlyteDirectory: "path", StructuredDataset: "uri", FlyteSchema: "remote_path"}
_MESSAGEPACK = "msgpack"


class FileReferences:
    """Replaces the URL of each reference by another one.

    :param url_of: the new URL for an old one. :param offloaded: the same for a literal in a file of its own.
    """

    def __init__(self, url_of: Callable[[str], str], offloaded: Callable[[str, Any], str]) -> None:
        self._url = url_of
        self._offloaded = offloaded

    def replace(self, literal: literals_pb2.Literal, kind: Any) -> None:
        """:param kind: the Python type of the literal's value; None where it is not known."""
        for item in literal.collection.literals if literal.HasField("collection") else ():
            self.replace(item, _inner(kind))
        for name in literal.map.literals if literal.HasField("map") else ():
            self.replace(literal.map.literals[name], _inner(kind))
        if literal.HasField("scalar"):
            self._scalar(literal.scalar, kind)
        if literal.HasField("offloaded_metadata"):
            literal.offloaded_metadata.uri = self._offloaded(literal.offloaded_metadata.uri, kind)

    def _scalar(self, scalar: literals_pb2.Scalar, kind: Any) -> None:
        which = scalar.WhichOneof("value")
        if which in ("blob", "structured_dataset", "schema"):
            value = getattr(scalar, which)
            value.uri = self._url(value.uri)
        elif which == "union":
            self.replace(scalar.union.value, kind)
        elif which == "binary" and scalar.binary.tag == _MESSAGEPACK and kind is not None:
            before = msgpack.loads(scalar.binary.value, strict_map_key=False)
            after = self._value(before, kind)
            if after != before:
                scalar.binary.value = msgpack.dumps(after)
        elif which == "generic" and kind is not None:
            before = MessageToDict(scalar.generic)
            after = self._value(before, kind)
            if after != before:
                scalar.generic.CopyFrom(ParseDict(after, Struct()))

    def _value(self, value: Any, kind: Any) -> Any:
        """A value inside a dataclass or a pydantic model, as flytekit has serialised it."""
        kind = _plain(kind)
        if _is_union(kind):
            # The variant of the value is not recorded: the first one that has a file in this place is meant.
            changed = (self._value(value, one) for one in typing.get_args(kind))
            return next((one for one in changed if one != value), value)
        if isinstance(value, list):
            of_item = typing.get_args(kind)
            fixed = _plain(typing.get_origin(kind)) is tuple and Ellipsis not in of_item and len(of_item) == len(value)
            named = list((_fields(kind) or {}).values())
            of_items = of_item if fixed else named if len(named) == len(value) else [_inner(kind)] * len(value)
            return [self._value(item, one) for item, one in zip(value, of_items, strict=True)]
        if not isinstance(value, dict):
            return value
        # Python 3.10 takes `dict[str, int]` itself for a type.
        bare = typing.get_origin(kind) or kind
        for flyte_type, field in _FIELDS.items():
            if isinstance(bare, type) and issubclass(bare, flyte_type):
                given = value.get(field)
                return {**value, field: self._url(given)} if isinstance(given, str) else value
        fields = _fields(kind)
        if fields is None:
            return {name: self._value(item, _inner(kind)) for name, item in value.items()}
        return {name: self._value(item, fields.get(name)) for name, item in value.items()}


def _plain(kind: Any) -> Any:
    """A type without `Annotated`, and the one behind a `NewType` or a `type` statement."""
    if typing.get_origin(kind) is typing.Annotated:
        return _plain(typing.get_args(kind)[0])
    behind = getattr(kind, "__supertype__", None) or getattr(kind, "__value__", None)
    return kind if behind is None else _plain(behind)


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _inner(kind: Any) -> Any:
    """The type of the items of a list or of the values of a dictionary; of a union with one such variant too."""
    kind = _plain(kind)
    if _is_union(kind):
        return next((found for one in typing.get_args(kind) if (found := _inner(one)) is not None), None)
    arguments = [one for one in typing.get_args(kind) if one is not Ellipsis]
    return arguments[-1] if arguments else None


def _fields(kind: Any) -> Mapping[str, Any] | None:
    """The types of the fields of a class that declares them: a dataclass, a pydantic model, a TypedDict, a NamedTuple;
    None for another type."""
    bare = typing.get_origin(kind) or kind
    if not isinstance(bare, type):
        return None
    if hasattr(bare, "model_fields"):
        return {name: field.annotation for name, field in bare.model_fields.items()}
    try:
        hints = typing_extensions.get_type_hints(bare)
    except Exception:
        # A type that is written as a text and cannot be found: the others count.
        hints = {
            name: one for base in reversed(bare.__mro__) for name, one in vars(base).get("__annotations__", {}).items()
        }
    given = _type_arguments(kind)
    return {name: _filled_in(one, given) for name, one in hints.items()} or None


def _type_arguments(kind: Any) -> dict[Any, Any]:
    """What stands for the type variables of a generic class and of its bases."""
    bare = typing.get_origin(kind) or kind
    found = dict(zip(getattr(bare, "__parameters__", ()), typing.get_args(kind), strict=False))
    for base in getattr(bare, "__orig_bases__", ()):
        found |= {name: _filled_in(one, found) for name, one in _type_arguments(base).items() if name is not one}
    return found


def _filled_in(kind: Any, given: Mapping[Any, Any]) -> Any:
    """A type with what is given for its type variables."""
    variables = getattr(kind, "__parameters__", ())
    if isinstance(kind, typing.TypeVar):
        return given.get(kind, kind)
    if typing.get_origin(kind) is None or not variables:
        return kind
    return kind[tuple(given.get(one, one) for one in variables)]
