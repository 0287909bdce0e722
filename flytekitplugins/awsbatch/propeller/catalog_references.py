"""The URLs of files that a cached result refers to, wherever they are nested. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
from flyteidl.core import literals_pb2
from google.protobuf.json_format import MessageToDict

# The keys under which flytekit's files, directories, dataframes and schemas keep their URL inside a dataclass.
_FIELDS = frozenset({"path", "uri", "remote_path"})


def catalog_references(outputs: literals_pb2.LiteralMap) -> Iterator[str]:
    """The URLs of files in a storage that some literals refer to."""
    for literal in outputs.literals.values():
        yield from (url for url in _references(literal) if "://" in url and not url.startswith(("http", "file:")))


def _references(literal: literals_pb2.Literal) -> Iterator[str]:
    kind = literal.WhichOneof("value")
    if kind == "collection":
        for item in literal.collection.literals:
            yield from _references(item)
    elif kind == "map":
        for item in literal.map.literals.values():
            yield from _references(item)
    elif kind == "offloaded_metadata":
        yield literal.offloaded_metadata.uri
    elif kind == "scalar":
        yield from _of_scalar(literal.scalar)


def _of_scalar(scalar: literals_pb2.Scalar) -> Iterator[str]:
    which = scalar.WhichOneof("value")
    if which in ("blob", "structured_dataset", "schema"):
        yield getattr(scalar, which).uri
    elif which == "union":
        yield from _references(scalar.union.value)
    elif which == "generic":
        yield from _of_value(MessageToDict(scalar.generic))
    elif which == "binary" and scalar.binary.tag == "msgpack":
        yield from _of_value(msgpack.loads(scalar.binary.value, strict_map_key=False))


def _of_value(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _of_value(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str) and name in _FIELDS:
                yield item
            else:
                yield from _of_value(item)
