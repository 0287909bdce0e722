"""The shape in which propeller hands on a field of a dataclass or pydantic model (`attr_path_resolver.go`). Pure.

For `config().ints` propeller reads the model's msgpack bytes and gives the task a literal of the field's own kind.
flytekit's local execution gives it msgpack bytes again, whatever the field is. Such a literal is known by the input's
declared type: a whole value of type `int` or `list` is never msgpack bytes, only a field that was taken out of one is.
"""

from __future__ import annotations

import msgpack  # type: ignore[import-untyped]
from flyteidl.core import literals_pb2, types_pb2

from ..aws_array.command_template import MESSAGEPACK

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


def resolve_input_literal(literal: literals_pb2.Literal, declared: types_pb2.LiteralType) -> literals_pb2.Literal:
    """One input that flytekit has resolved, or one element of a list or dict of such, which are resolved one by one.

    :raises UnresolvableInputError: a number that no int64 holds.
    """
    wanted, kind = declared.WhichOneof("type"), literal.WhichOneof("value")
    if kind == "collection" and wanted == "collection_type":
        items = [resolve_input_literal(item, declared.collection_type) for item in literal.collection.literals]
        return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))
    if kind == "map" and wanted == "map_value_type":
        entries = {
            key: resolve_input_literal(item, declared.map_value_type) for key, item in literal.map.literals.items()
        }
        return literals_pb2.Literal(map=literals_pb2.LiteralMap(literals=entries))
    if literal.scalar.HasField("union"):
        union = literal.scalar.union
        found = literals_pb2.Union(value=resolve_input_literal(union.value, union.type), type=union.type)
        return literals_pb2.Literal(scalar=literals_pb2.Scalar(union=found))
    if literal.scalar.binary.tag != MESSAGEPACK or declared.simple == types_pb2.STRUCT:
        return literal
    return literal_of_msgpack(literal.scalar.binary.value)


def literal_of_msgpack(data: bytes) -> literals_pb2.Literal:
    """A list as a collection of msgpack literals, a scalar as a primitive, anything else as the msgpack bytes it is
    (`resolveAttrPathInBinary`)."""
    value = msgpack.unpackb(data, strict_map_key=False)
    if isinstance(value, list):
        items = [_binary(item) for item in _elements(data)]
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


def _elements(data: bytes) -> list[bytes]:
    """The bytes of each element of a list."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(data)
    ends = [0] * unpacker.read_array_header()
    start = unpacker.tell()
    for index in range(len(ends)):
        unpacker.skip()
        ends[index] = unpacker.tell()
    return [data[first:last] for first, last in zip([start, *ends], ends, strict=False)]


def _binary(data: bytes) -> literals_pb2.Literal:
    binary = literals_pb2.Binary(value=data, tag=MESSAGEPACK)
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=binary))
