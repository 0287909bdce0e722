"""Builders for the SDK's tests: serialisation settings, serialised templates, literals."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from flyteidl.core import literals_pb2 as literals
from flyteidl.core import tasks_pb2
from flytekit.configuration import FastSerializationSettings, Image, ImageConfig, SerializationSettings
from flytekit.tools.translator import get_serializable

IMAGE = "example.com/team/app:v1"


def settings(fast: bool = False, **changes: Any) -> SerializationSettings:
    image = Image(name="default", fqn="example.com/team/app", tag="v1")
    return SerializationSettings(
        image_config=ImageConfig(default_image=image, images=[image]),
        project="p",
        domain="d",
        version="v",
        env={},
        fast_serialization_settings=FastSerializationSettings(
            enabled=True, destination_dir="/root", distribution_location="s3://bucket/code.tar.gz"
        )
        if fast
        else None,
        **changes,
    )


def template(entity: Any, fast: bool = False) -> tasks_pb2.TaskTemplate:
    """An entity as `pyflyte register` would send it."""
    return get_serializable(OrderedDict(), settings(fast), entity).template.to_flyte_idl()


def integer(value: int) -> literals.Literal:
    return literals.Literal(scalar=literals.Scalar(primitive=literals.Primitive(integer=value)))


def text(value: str) -> literals.Literal:
    return literals.Literal(scalar=literals.Scalar(primitive=literals.Primitive(string_value=value)))


def collection(items: Iterable[literals.Literal]) -> literals.Literal:
    return literals.Literal(collection=literals.LiteralCollection(literals=items))


def inputs(**values: literals.Literal) -> literals.LiteralMap:
    return literals.LiteralMap(literals=values)
