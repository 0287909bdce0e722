"""Fields of dataclasses and models resolved as propeller resolves them.

`data/field_vectors.jsonl` was made by Flyte 1.16.8's own `resolveAttrPathInPromise`: the msgpack bytes of
`{"f": value}`, and the literal or the error that the path ["f"] leads to.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core import literals_pb2, types_pb2
from flytekit.models.literals import Literal
from flytekit.models.types import LiteralType
from google.protobuf.json_format import ParseDict

from flytekitplugins.awsbatch.local.run.promises import resolve_promised_fields
from flytekitplugins.awsbatch.propeller.node.resolve_promise import UnresolvableInputError

INTEGER = types_pb2.LiteralType(simple=types_pb2.INTEGER)
LIST = types_pb2.LiteralType(collection_type=INTEGER)
DICT = types_pb2.LiteralType(map_value_type=INTEGER)
OPTIONAL = types_pb2.LiteralType(union_type=types_pb2.UnionType(variants=[INTEGER]))
MODEL = types_pb2.LiteralType(simple=types_pb2.STRUCT)
VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "field_vectors.jsonl").read_text("utf-8").splitlines()
]


def binary(data: bytes, tag: str = "msgpack") -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=data, tag=tag)))


def number(value: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=value)))


def collection(*items: literals_pb2.Literal) -> literals_pb2.Literal:
    return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))


def resolved(literal: literals_pb2.Literal, declared: types_pb2.LiteralType) -> literals_pb2.Literal:
    found = resolve_promised_fields(Literal.from_flyte_idl(literal), LiteralType.from_flyte_idl(declared))
    return found.to_flyte_idl()


@pytest.mark.parametrize("declared", [LIST, OPTIONAL], ids=["declared as a list", "declared as optional"])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_field_becomes_what_propeller_makes_of_it(vector: Any, declared: types_pb2.LiteralType) -> None:
    # What flytekit's local execution hands on is the field's bytes, without the map around it.
    field = binary(bytes.fromhex(vector["msgpack"])[3:])
    if vector["error"] is not None:
        with pytest.raises(UnresolvableInputError, match=vector["error"]):
            resolved(field, declared)
        return
    expected = ParseDict(vector["literal"], literals_pb2.Literal())
    # Compared as bytes: a NaN equals nothing.
    assert resolved(field, declared).SerializeToString() == expected.SerializeToString()


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        (binary(b"\x81\xa1n\x01"), MODEL),
        (binary(b"\x92\x01\x02"), MODEL),
        (collection(number(1)), LIST),
        (binary(b"\x01", tag="pickle"), INTEGER),
    ],
    ids=["a model", "a model that is a list at its root", "numbers", "another kind of bytes"],
)
def test_whole_values_stay_as_they_are(value: literals_pb2.Literal, declared: types_pb2.LiteralType) -> None:
    assert resolved(value, declared) == value


def test_items_of_a_list_that_was_a_field_stay_msgpack() -> None:
    items = collection(binary(b"\x01"), binary(b"\x02"))
    assert resolved(binary(b"\x92\x01\x02"), LIST) == items


def test_fields_in_a_list_or_a_dict_are_resolved_one_by_one() -> None:
    assert resolved(collection(binary(b"\x01"), number(2)), LIST) == collection(number(1), number(2))
    fields = literals_pb2.Literal(map=literals_pb2.LiteralMap(literals={"a": binary(b"\x07")}))
    assert resolved(fields, DICT).map.literals["a"] == number(7)
