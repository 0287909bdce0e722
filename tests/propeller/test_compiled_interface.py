"""What of a task's interface reaches propeller (`compiler/transformers/k8s/utils.go`)."""

from __future__ import annotations

import pytest
from flyteidl.core import interface_pb2, types_pb2
from google.protobuf.struct_pb2 import Struct

from flytekitplugins.awsbatch.propeller.compiled_interface import strip_compiled_interface

TYPE = types_pb2.LiteralType
INTEGER = TYPE(simple=types_pb2.INTEGER)


def fields(**values: object) -> Struct:
    found = Struct()
    found.update(values)
    return found


def annotation(**values: object) -> types_pb2.TypeAnnotation:
    return types_pb2.TypeAnnotation(annotations=fields(**values))


NOTED = TYPE(simple=types_pb2.INTEGER, metadata=fields(title="A"), annotation=annotation(data="B"))
KEPT = annotation(**{"cache-key-metadata": {"serialization-format": "msgpack"}})


def structure(field: TYPE) -> types_pb2.TypeStructure:
    return types_pb2.TypeStructure(tag="t", dataclass_type={"x": field})


def columns(kind: TYPE) -> types_pb2.StructuredDatasetType:
    column = types_pb2.StructuredDatasetType.DatasetColumn(name="c", literal_type=kind)
    return types_pb2.StructuredDatasetType(columns=[column], format="parquet")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (NOTED, INTEGER),
        (TYPE(collection_type=NOTED), TYPE(collection_type=INTEGER)),
        (TYPE(map_value_type=TYPE(collection_type=NOTED)), TYPE(map_value_type=TYPE(collection_type=INTEGER))),
        (
            TYPE(union_type=types_pb2.UnionType(variants=[NOTED, INTEGER])),
            TYPE(union_type=types_pb2.UnionType(variants=[INTEGER, INTEGER])),
        ),
        (TYPE(structured_dataset_type=columns(NOTED)), TYPE(structured_dataset_type=columns(INTEGER))),
        (
            TYPE(simple=types_pb2.STRUCT, structure=structure(NOTED), annotation=KEPT, metadata=fields(title="A")),
            TYPE(simple=types_pb2.STRUCT, structure=structure(INTEGER), annotation=KEPT),
        ),
        (TYPE(enum_type=types_pb2.EnumType(values=["a"])), TYPE(enum_type=types_pb2.EnumType(values=["a"]))),
    ],
)
def test_schemas_and_words_are_left_out(written: TYPE, expected: TYPE) -> None:
    def interface(kind: TYPE, description: str) -> interface_pb2.TypedInterface:
        one = interface_pb2.VariableMap(variables={"x": interface_pb2.Variable(type=kind, description=description)})
        return interface_pb2.TypedInterface(inputs=one, outputs=one)

    found = interface(written, "a number")
    strip_compiled_interface(found)
    assert found == interface(expected, "")


def test_an_interface_without_inputs_stays_one() -> None:
    found = interface_pb2.TypedInterface()
    strip_compiled_interface(found)
    assert not found.HasField("inputs")
    assert not found.HasField("outputs")
