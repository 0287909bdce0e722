"""The catalog of cached results: what datacatalog is to Flyte, one item of an array at a time.

Keyed as Flyte keys (`nodes/catalog/datacatalog/transformer.go`, `catalog/hashing.go`): the task's project, domain and
name, the cache version with the hash of its interface, and the hash of the inputs. `FLYTE_LOCAL_CACHE_ENABLED` and
`_OVERWRITE` are read by the composer, which hands them over as booleans.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from .catalog_references import catalog_references
from .golang.objecthash import object_hash
from .storage import DataStore, LocalStore, NotFoundError, StorageError, read_stored_message, write_stored_message

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


# The errors of a storage, and of bytes in an entry that are not what they should be.
_DAMAGED = (StorageError, ValueError, TypeError, RecursionError)


class StoredCatalog:
    """Entries in a storage, where several people's runs find them. An entry is a file:
    `<prefix>/<project>/<domain>/<task>/<version>/<tag>.pb`. It counts as long as the files that it refers to are there.

    Raises CatalogError. May be used from several threads at once.

    :ivar at_once: how many entries are worth asking for at the same time.

    :param enabled: False: every lookup misses and nothing is stored.
    :param overwrite: True: every lookup misses, and what is computed replaces what is stored.
    :param exists: whether there is a file or a directory at a URL. Raises StorageError.
    :param tell: is told of an entry that cannot be read or written; Flyte's handler takes it for one that is not there.
    """

    def __init__(
        self,
        store: DataStore,
        prefix: str,
        *,
        enabled: bool = True,
        overwrite: bool = False,
        exists: Callable[[str], bool] = lambda url: True,
        tell: Callable[[CatalogError], None] = lambda error: None,
    ) -> None:
        self.enabled = enabled
        self.overwrite = overwrite
        self.at_once = store.at_once(prefix)
        self._store = store
        self._prefix = prefix.rstrip("/")
        self._exists = exists
        self._tell = tell

    def get(self, key: CatalogKey) -> literals_pb2.LiteralMap | None:
        """The outputs stored under the key; None when there are none (a miss)."""
        with self._telling():
            return self._read(self._place(key))

    def put(self, key: CatalogKey, outputs: literals_pb2.LiteralMap) -> None:
        """Keeps an entry that is there already, as datacatalog does (`createArtifact` in `datacatalog.go`), and takes
        none without outputs (`ValidateEmptyArtifactData` in its `artifact_validator.go`)."""
        if not outputs.literals:
            raise CatalogError("missing artifactData")
        with self._telling():
            place = self._place(key)
            with contextlib.suppress(CatalogError):
                if not self.enabled or self._read(place) is not None:
                    return
            try:
                write_stored_message(self._store, place, outputs)
            except StorageError as error:
                raise CatalogError(f"the cache in {self._prefix} cannot be written: {error}") from error

    def _read(self, place: str) -> literals_pb2.LiteralMap | None:
        if not self.enabled or self.overwrite:
            return None
        outputs = literals_pb2.LiteralMap()
        try:
            read_stored_message(self._store, place, outputs)
            references = dict.fromkeys(catalog_references(outputs))
        except NotFoundError:
            return None
        except _DAMAGED as error:
            raise CatalogError(f"the cache in {self._prefix} cannot be read: {error}") from error
        try:
            gone = any(not self._exists(url) for url in references)
        except StorageError as error:
            raise CatalogError(f"the files of a cached result cannot be looked for: {error}") from error
        # A machine that lost its power may have kept an entry's name, and nothing of what was in it.
        return outputs if outputs.literals and not gone else None

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except CatalogError as error:
            self._tell(error)
            raise

    def _place(self, key: CatalogKey) -> str:
        return "/".join([self._prefix, *(quote(part, safe="") for part in (*key.dataset(), key.tag()))]) + ".pb"


class DiskCatalog(StoredCatalog):
    """Entries in a folder of the home, shared by runs and processes."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(LocalStore(), str(folder), **options)

    def clear(self) -> None:
        """Removes all entries; the folder stays, which other processes may write to meanwhile. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            for entry in list(os.scandir(self._prefix)):
                remove = shutil.rmtree if entry.is_dir(follow_symlinks=False) else os.unlink
                with contextlib.suppress(FileNotFoundError):
                    remove(entry)

    def _place(self, key: CatalogKey) -> str:
        # Short whatever the task is called, and another one where only the case of a name differs.
        return f"{self._prefix}/{sha256(key.text().encode()).hexdigest()}.pb"
