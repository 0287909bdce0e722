"""A task's interface as the compiled workflow has it: what people read of it is left out
(`compiler/transformers/k8s/utils.go`: StripInterfaceTypeMetadata). Cached results are found by it."""

from __future__ import annotations

from flyteidl.core import interface_pb2, types_pb2

# The annotation by which flytekit tells how a model is serialised; it stays.
CACHE_KEY_METADATA = "cache-key-metadata"


def strip_compiled_interface(interface: interface_pb2.TypedInterface) -> None:
    """Removes descriptions, the schemas of dataclasses and models, and annotations, in place."""
    for variables in (interface.inputs.variables, interface.outputs.variables):
        for variable in variables.values():
            variable.ClearField("description")
            _strip_type(variable.type)


def _strip_type(kind: types_pb2.LiteralType) -> None:
    kind.ClearField("metadata")
    if CACHE_KEY_METADATA not in kind.annotation.annotations.fields:
        kind.ClearField("annotation")
    inner = [
        *kind.structure.dataclass_type.values(),
        *kind.union_type.variants,
        *(column.literal_type for column in kind.structured_dataset_type.columns),
    ]
    if kind.HasField("map_value_type"):
        inner.append(kind.map_value_type)
    if kind.HasField("collection_type"):
        inner.append(kind.collection_type)
    for one in inner:
        _strip_type(one)
