"""The catalog of cached results: what datacatalog is to Flyte, one item of an array at a time.

Keyed as Flyte keys (`nodes/catalog/datacatalog/transformer.go`, `catalog/hashing.go`): the task's project, domain and
name, the cache version with the hash of its interface, and the hash of the inputs. `FLYTE_LOCAL_CACHE_ENABLED` and
`_OVERWRITE` are read by the composer, which hands them over as booleans.
"""

from __future__ import annotations

import base64
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from .golang.objecthash import object_hash

if TYPE_CHECKING:
    import diskcache  # type: ignore[import-untyped]

_SIGNATURE_LENGTH = 8


class CatalogError(Exception):
    """The catalog cannot answer or cannot store."""


@dataclass(frozen=True)
class CatalogKey:
    """What an entry is looked up by (`catalog.Key`). `interface` is the one of a single item."""

    task: identifier_pb2.Identifier
    cache_version: str
    interface: interface_pb2.TypedInterface
    inputs: literals_pb2.LiteralMap
    ignored_inputs: tuple[str, ...] = ()

    def dataset(self) -> tuple[str, str, str, str]:
        """(project, domain, name, version) of the dataset. CatalogError when the cache version is blank."""
        version = self.cache_version.strip(" ")
        if not version:
            raise CatalogError("task cannot have an empty discoveryVersion: give cache_version a text")
        signature = "-".join(
            _digest(variables)[:_SIGNATURE_LENGTH] for variables in (self.interface.inputs, self.interface.outputs)
        )
        return self.task.project, self.task.domain, f"flyte_task-{self.task.name}", f"{version}-{signature}"

    def tag(self) -> str:
        """`flyte_cached-<hash of the inputs>`."""
        return f"flyte_cached-{catalog_input_hash(self.inputs, self.ignored_inputs)}"

    def text(self) -> str:
        """All of the key in one line."""
        return "\n".join([*self.dataset(), self.tag()])


def catalog_input_hash(inputs: literals_pb2.LiteralMap, ignored: Iterable[str] = ()) -> str:
    """The hash that stands for a map of inputs; a literal with a hash of its own counts by that alone."""
    left_out = set(ignored)
    reduced = literals_pb2.LiteralMap()
    for name, literal in inputs.literals.items():
        if name not in left_out:
            reduced.literals[name].CopyFrom(_reduced(literal))
    return _digest(reduced)


def _reduced(literal: literals_pb2.Literal) -> literals_pb2.Literal:
    if literal.hash:
        return literals_pb2.Literal(hash=literal.hash)
    kind = literal.WhichOneof("value")
    if kind == "collection":
        items = [_reduced(item) for item in literal.collection.literals]
        return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))
    if kind == "map":
        entries = {name: _reduced(item) for name, item in literal.map.literals.items()}
        return literals_pb2.Literal(map=literals_pb2.LiteralMap(literals=entries))
    return literal


def _digest(message: Message) -> str:
    return base64.urlsafe_b64encode(object_hash(MessageToDict(message))).decode().rstrip("=")


class Catalog(Protocol):
    """Raises CatalogError. May be used from several threads at once.

    :ivar at_once: how many entries are worth asking for at the same time.
    """

    @property
    def at_once(self) -> int: ...

    def get(self, key: CatalogKey) -> literals_pb2.LiteralMap | None:
        """The outputs stored under the key; None when there are none (a miss)."""
        ...

    def put(self, key: CatalogKey, outputs: literals_pb2.LiteralMap) -> None: ...


# The errors of a disk, of a SQLite file, and of bytes in it that are not a value of this package.
_DAMAGED = (OSError, sqlite3.Error, ValueError, TypeError, EOFError)


class DiskCatalog:
    """Entries in a folder of the home, shared by runs and processes.

    :param enabled: False: every lookup misses and nothing is stored.
    :param overwrite: True: every lookup misses, and what is computed replaces what is stored.
    """

    at_once = 1

    def __init__(self, folder: Path, *, enabled: bool = True, overwrite: bool = False) -> None:
        self.enabled = enabled
        self.overwrite = overwrite
        self._folder = folder
        self._opened: diskcache.Cache | None = None

    def get(self, key: CatalogKey) -> literals_pb2.LiteralMap | None:
        name = key.text()
        if not self.enabled or self.overwrite:
            return None
        try:
            stored = self._cache.get(name)
            return None if stored is None else literals_pb2.LiteralMap.FromString(stored)
        except (*_DAMAGED, DecodeError) as error:
            raise CatalogError(f"the cache in {self._folder} cannot be read: {error}") from error

    def put(self, key: CatalogKey, outputs: literals_pb2.LiteralMap) -> None:
        name = key.text()
        if not self.enabled:
            return
        try:
            self._cache.set(name, outputs.SerializeToString(deterministic=True))
        except _DAMAGED as error:
            raise CatalogError(f"the cache in {self._folder} cannot be written: {error}") from error

    def clear(self) -> None:
        """Removes all entries, also of a damaged cache. Makes no folder where there is none yet."""
        if self._folder.exists():
            try:
                self._cache.clear()
            except sqlite3.OperationalError:  # a disk that is full, say
                raise
            except sqlite3.DatabaseError:
                shutil.rmtree(self._folder)

    @property
    def _cache(self) -> diskcache.Cache:
        if self._opened is None:
            import diskcache

            # A result must not be pushed out by others: only `clear` removes entries.
            self._opened = diskcache.Cache(str(self._folder), eviction_policy="none")
        return self._opened
