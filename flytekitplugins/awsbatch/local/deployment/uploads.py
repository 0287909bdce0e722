"""Uploads what a call's inputs refer to on this machine, as `pyflyte run --remote` does: files, directories,
dataframes, schemas and pickles, wherever they are nested.

Written over fsspec with a destination prefix. The same content under the same name is uploaded once, to the same URL,
so that a cached result is found again as long as a file has not changed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
from flyteidl.core import literals_pb2
from flytekit.core.utils import timeit
from flytekit.exceptions.user import FlyteAssertion
from flytekit.models.literals import LiteralMap
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.schema import FlyteSchema
from flytekit.types.structured import StructuredDataset
from fsspec.core import url_to_fs
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

# The field that holds the URL where one of these lies inside a dataclass or a pydantic model.
_FIELDS = {FlyteFile: "path", FlyteDirectory: "path", StructuredDataset: "uri", FlyteSchema: "remote_path"}
_MESSAGEPACK = "msgpack"
_CHUNK = 2**20
# How often a file is read that changes meanwhile.
_TRIES = 3


class Uploads:
    """Everything that this process uploads to one place.

    :param destination: a URL; uploads go to `<destination>/<digest>/<name>`.
    """

    def __init__(self, destination: str) -> None:
        self._destination = destination.rstrip("/")
        self._urls: dict[tuple[Any, ...], str] = {}

    def upload(self, inputs: LiteralMap, kinds: Mapping[str, Any]) -> LiteralMap:
        """The inputs, with a URL in place of each path on this machine.

        :param kinds: the Python type of each input.
        :raises FlyteAssertion: a path does not exist.
        """
        message = inputs.to_flyte_idl()
        for name in message.literals:
            self._literal(message.literals[name], kinds.get(name))
        return LiteralMap.from_flyte_idl(message)

    def _literal(self, literal: literals_pb2.Literal, kind: Any) -> None:
        for item in literal.collection.literals if literal.HasField("collection") else ():
            self._literal(item, _inner(kind))
        for name in literal.map.literals if literal.HasField("map") else ():
            self._literal(literal.map.literals[name], _inner(kind))
        if literal.HasField("scalar"):
            self._scalar(literal.scalar, kind)

    def _scalar(self, scalar: literals_pb2.Scalar, kind: Any) -> None:
        which = scalar.WhichOneof("value")
        if which in ("blob", "structured_dataset", "schema"):
            value = getattr(scalar, which)
            value.uri = self._url(value.uri)
        elif which == "union":
            self._literal(scalar.union.value, kind)
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
            of_items = of_item if fixed else [_inner(kind)] * len(value)
            return [self._value(item, one) for item, one in zip(value, of_items, strict=True)]
        if not isinstance(value, dict):
            return value
        for flyte_type, field in _FIELDS.items():
            if isinstance(kind, type) and issubclass(kind, flyte_type):
                given = value.get(field)
                return {**value, field: self._url(given)} if isinstance(given, str) else value
        fields = _fields(kind)
        if fields is None:
            return {name: self._value(item, _inner(kind)) for name, item in value.items()}
        return {name: self._value(item, fields.get(name)) for name, item in value.items()}

    def _url(self, uri: str) -> str:
        if not uri or ("://" in uri and not uri.startswith("file://")):
            return uri
        path = Path(uri.removeprefix("file://")).absolute()
        if not path.exists():
            raise FlyteAssertion(f"File {path} does not exist")
        if not path.is_file() and not path.is_dir():
            raise FlyteAssertion(f"{path} is no file and no directory: a job cannot have a copy of it")
        for _ in range(_TRIES):
            files = _files(path)
            stats = (str(path), *(_stat(one) for one in files))
            if stats not in self._urls:
                url = self._put(path, files)
                if (str(path), *(_stat(one) for one in _files(path))) != stats:
                    # Changed between the digest and the copy: what lies there is not what its name says.
                    self._remove(url)
                    continue
                self._urls[stats] = url
            return self._urls[stats]
        raise FlyteAssertion(f"{path} changes while it is being uploaded")

    def _remove(self, url: str) -> None:
        folder = url.rpartition("/")[0]
        url_to_fs(folder)[0].rm(folder, recursive=True)

    def _put(self, path: Path, files: list[Path]) -> str:
        folder = f"{self._destination}/{_digest(path, files)}"
        url = f"{folder}/{path.name}"
        filesystem, _ = url_to_fs(url)
        # A directory's files do not come all at once.
        complete = f"{folder}/.{path.name}.complete" if path.is_dir() else url
        if not filesystem.exists(complete):
            with timeit(f"Upload {path} to {url}"):
                for file in files:
                    filesystem.put_file(str(file), f"{url}/{file.relative_to(path)}" if path.is_dir() else url)
                if path.is_dir():
                    filesystem.makedirs(url, exist_ok=True)
                    filesystem.touch(complete)
        else:
            # Storage that keeps count of use, so that it can be tidied up.
            with contextlib.suppress(NotImplementedError):
                filesystem.touch(folder, truncate=False)
        return url


def _files(path: Path) -> list[Path]:
    """The file itself, or the files below a directory, in the order of their names. Links are followed, but not to a
    directory that is being walked already."""
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    around: dict[str, set[tuple[int, int]]] = {}
    for folder, inner, names in os.walk(path, followlinks=True):
        above = around.pop(folder, set()) | {_directory(folder)}
        inner[:] = [name for name in inner if _directory(f"{folder}/{name}") not in above]
        around.update((f"{folder}/{name}", above) for name in inner)
        found += [one for one in (Path(folder, name) for name in names) if one.is_file()]
    return sorted(found)


def _directory(path: str) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116 - of many
    return status.st_dev, status.st_ino


def _stat(path: Path) -> tuple[str, int, int, int]:
    """(path, modification time, size, inode): the same four, the same contents."""
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size, status.st_ino


def _digest(path: Path, files: list[Path]) -> str:
    """Of the contents; of a directory also of the names in it."""
    found = hashlib.sha256()
    for file in files:
        if path.is_dir():
            found.update(f"{file.relative_to(path)}\0".encode("utf-8", "surrogateescape"))
        with file.open("rb") as reader:
            of_file = hashlib.sha256()
            while chunk := reader.read(_CHUNK):
                of_file.update(chunk)
        found.update(of_file.digest())
    return found.hexdigest()[:32]


def _plain(kind: Any) -> Any:
    """A type without `Annotated`."""
    return _plain(typing.get_args(kind)[0]) if typing.get_origin(kind) is typing.Annotated else kind


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
    """The types of a dataclass's or a pydantic model's fields; None for another type."""
    kind = typing.get_origin(kind) or kind
    if not isinstance(kind, type):
        return None
    if hasattr(kind, "model_fields"):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if dataclasses.is_dataclass(kind):
        try:
            return typing.get_type_hints(kind, include_extras=True)
        except Exception:
            return {field.name: field.type for field in dataclasses.fields(kind)}
    return None
