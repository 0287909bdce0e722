"""An attribute of another node's output, as propeller resolves it (`resolveAttrPathInPromise` in Flyte's
`nodes/attr_path_resolver.go`): through literal maps and collections, then into the one dataclass or model. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgpack  # type: ignore[import-untyped]
from flyteidl.core import literals_pb2
from google.protobuf import struct_pb2

from ..aws_array.command_template import MESSAGEPACK
from ..golang.msgpack import print_msgpack, type_of_msgpack
from ..golang.numbers import print_float
from ..golang.text import go_text_of_message

Attribute = str | int
Read = Callable[[str], literals_pb2.Literal]
"""Reads an offloaded literal. Raises LookupError where there is none."""

_LARGEST_INT64 = 2**63 - 1


class UnresolvableInputError(ValueError):
    """Propeller would fail the node before the task starts.

    :ivar code: propeller's, of the error that it found.
    :ivar message: its words, without the nodes around them.
    :ivar name: the input's, once it is known.
    """

    def __init__(self, message: str, code: str = "PromiseAttributeResolveError") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.name = ""


def resolve_promise(literal: literals_pb2.Literal, path: Sequence[Attribute], read: Read) -> literals_pb2.Literal:
    """
    :param path: not empty.
    :raises UnresolvableInputError: with propeller's code and words.
    """
    used = 0
    for attribute in path:
        if literal.HasField("offloaded_metadata"):
            literal = _read(literal.offloaded_metadata.uri, read)
        kind = literal.WhichOneof("value")
        if kind not in ("map", "collection"):
            break
        literal = _entry(literal, attribute) if kind == "map" else _item(literal, attribute)
        used += 1
    rest = path[used:]
    value = literal.scalar.WhichOneof("value")
    if value == "binary":
        if literal.scalar.binary.tag != MESSAGEPACK:
            raise UnresolvableInputError(
                f"Unsupported format '{literal.scalar.binary.tag}' found for literal value.\n"
                "Please ensure the serialization format is supported."
            )
        return literal_of_msgpack(_field_bytes(literal.scalar.binary.value, rest))
    if value == "generic":
        return _struct_literal(_struct_field(literal.scalar.generic, rest))
    return literal


def _read(uri: str, read: Read) -> literals_pb2.Literal:
    try:
        literal = read(uri)
    except LookupError:
        raise UnresolvableInputError("failed to read offloaded metadata for promise") from None
    if literal.HasField("offloaded_metadata"):
        raise UnresolvableInputError("unexpected offloaded metadata type")
    return literal


# An attribute without a text, or without a number, gives Go "" and 0: protobuf's defaults.


def _entry(literal: literals_pb2.Literal, attribute: Attribute) -> literals_pb2.Literal:
    entries = literal.map.literals
    key = attribute if isinstance(attribute, str) else ""
    if key not in entries:
        raise UnresolvableInputError(f"key [{key}] does not exist in literal map[{_texts(entries)}]")
    return entries[key]


def _texts(entries: Mapping[str, literals_pb2.Literal]) -> str:
    return " ".join(f"{key}:{go_text_of_message(entries[key])}" for key in sorted(entries))


def _item(literal: literals_pb2.Literal, attribute: Attribute) -> literals_pb2.Literal:
    items = literal.collection.literals
    index = attribute if isinstance(attribute, int) else 0
    # Propeller crashes at a negative one (`resolveAttrPathInPromise`), as of `squares[-1]`.
    if not 0 <= index < len(items):
        texts = " ".join(go_text_of_message(one) for one in items)
        raise UnresolvableInputError(f"index [{index}] is out of range of [{texts}]")
    return items[index]


def _field_bytes(data: bytes, path: Sequence[Attribute]) -> bytes:
    """The bytes of a field of a value in msgpack (`resolveAttrPathInBinary`)."""
    for attribute in path:
        value = msgpack.unpackb(data, strict_map_key=False)
        if isinstance(value, dict):
            _expect(attribute, str)
            if attribute not in value:
                raise UnresolvableInputError(f"key [{attribute}] does not exist in literal {print_msgpack(data)}")
            position = list(value).index(attribute)
        elif isinstance(value, list):
            _expect(attribute, int)
            position = int(attribute)
            if not 0 <= position < len(value):
                raise UnresolvableInputError(f"index [{attribute}] is out of range of {print_msgpack(data)}")
        else:
            raise UnresolvableInputError(f"unexpected type [{type_of_msgpack(data)}] for value {print_msgpack(data)}")
        data = _items_of_msgpack(data, with_keys=isinstance(value, dict))[position]
    return data


def _expect(attribute: Attribute, kind: type) -> None:
    if not isinstance(attribute, kind):
        name = "StringValue" if isinstance(attribute, str) else "IntValue"
        raise UnresolvableInputError(
            f"unexpected attribute type [*core.PromiseAttribute_{name}] for value &{{{attribute}}}"
        )


def _items_of_msgpack(data: bytes, *, with_keys: bool) -> list[bytes]:
    """The bytes of each item of a list, or of each value of a map."""
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(data)
    found = []
    for _ in range(unpacker.read_map_header() if with_keys else unpacker.read_array_header()):
        if with_keys:
            unpacker.skip()
        start = unpacker.tell()
        unpacker.skip()
        found.append(data[start : unpacker.tell()])
    return found


def _struct_field(struct: struct_pb2.Struct, path: Sequence[Attribute]) -> struct_pb2.Value:
    """A field of a dataclass in flytekit's older format (`resolveAttrPathInPbStruct`). A path that goes on into a
    number or a text ends there."""
    value = struct_pb2.Value(struct_value=struct)
    for attribute in path:
        kind = value.WhichOneof("kind")
        if kind == "struct_value":
            key = attribute if isinstance(attribute, str) else ""
            if key not in value.struct_value.fields:
                raise UnresolvableInputError(f"key [{key}] does not exist in literal {_text(value)}")
            value = value.struct_value.fields[key]
        elif kind == "list_value":
            index = attribute if isinstance(attribute, int) else 0
            if not 0 <= index < len(value.list_value.values):
                raise UnresolvableInputError(f"index [{index}] is out of range of {_text(value)}")
            value = value.list_value.values[index]
    return value


def _text(value: struct_pb2.Value) -> str:
    """`%v` of what `AsInterface` makes of it."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        return f"map[{' '.join(f'{key}:{_text(fields[key])}' for key in sorted(fields))}]"
    if kind == "list_value":
        return f"[{' '.join(map(_text, value.list_value.values))}]"
    if kind == "number_value":
        return print_float(value.number_value)
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    return value.string_value if kind == "string_value" else "<nil>"


def _struct_literal(value: struct_pb2.Value) -> literals_pb2.Literal:
    """Lists as collections, all numbers as floats, and null as a literal without a value
    (`convertInterfaceToLiteral`)."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return literals_pb2.Literal(scalar=literals_pb2.Scalar(generic=value.struct_value))
    if kind == "list_value":
        items = [_struct_literal(one) for one in value.list_value.values]
        return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))
    if kind == "number_value":
        primitive = literals_pb2.Primitive(float_value=value.number_value)
    elif kind == "string_value":
        primitive = literals_pb2.Primitive(string_value=value.string_value)
    elif kind == "bool_value":
        primitive = literals_pb2.Primitive(boolean=value.bool_value)
    else:
        return literals_pb2.Literal()
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=primitive))


def literal_of_msgpack(data: bytes) -> literals_pb2.Literal:
    """A list as a collection of msgpack literals, a scalar as a primitive, anything else as the msgpack bytes it is
    (`resolveAttrPathInBinary`)."""
    value = msgpack.unpackb(data, strict_map_key=False)
    if isinstance(value, list):
        items = [_binary(item) for item in _items_of_msgpack(data, with_keys=False)]
        return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))
    if isinstance(value, bool):
        primitive = literals_pb2.Primitive(boolean=value)
    elif isinstance(value, int):
        if value > _LARGEST_INT64:
            raise UnresolvableInputError("uint64 value is too large to be converted to int64", "InvalidPrimitiveType")
        primitive = literals_pb2.Primitive(integer=value)
    elif isinstance(value, float):
        primitive = literals_pb2.Primitive(float_value=value)
    elif isinstance(value, str):
        primitive = literals_pb2.Primitive(string_value=value)
    else:
        return _binary(data)
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=primitive))


def _binary(data: bytes) -> literals_pb2.Literal:
    binary = literals_pb2.Binary(value=data, tag=MESSAGEPACK)
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=binary))
