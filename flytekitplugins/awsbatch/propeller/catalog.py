"""The catalog of cached results: what datacatalog is to Flyte, one item of an array at a time.

Keyed as Flyte keys (`nodes/catalog/datacatalog/transformer.go`): the task's project, domain and name, the cache
version with the hash of its interface, and the hash of the inputs. `FLYTE_LOCAL_CACHE_ENABLED` and `_OVERWRITE` are
read by the composer, which hands them over as booleans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2


class CatalogError(Exception):
    """The catalog cannot answer or cannot store."""


@dataclass(frozen=True)
class CatalogKey:
    """What an entry is looked up by (`catalog.Key`). `interface` is the one of a single item."""

    task: identifier_pb2.Identifier
    cache_version: str
    interface: interface_pb2.TypedInterface
    inputs: literals_pb2.LiteralMap
    ignored_inputs: Sequence[str] = field(default=())

    def dataset(self) -> tuple[str, str, str, str]:
        """(project, domain, name, version) of the dataset. CatalogError when the cache version is blank."""
        raise NotImplementedError

    def tag(self) -> str:
        """`flyte_cached-<hash of the inputs>`."""
        raise NotImplementedError


class Catalog(Protocol):
    """Raises CatalogError."""

    def get(self, key: CatalogKey) -> literals_pb2.LiteralMap | None:
        """The outputs stored under the key; None when there are none (a miss)."""
        ...

    def put(self, key: CatalogKey, outputs: literals_pb2.LiteralMap) -> None: ...

    def clear(self) -> None: ...


class MemoryCatalog:
    """Entries that end with the process."""

    def __init__(self, *, enabled: bool = True, overwrite: bool = False) -> None:
        raise NotImplementedError


class DiskCatalog:
    """Entries in a folder of the home, shared by runs and processes.

    :param enabled: False: every lookup misses and nothing is stored.
    :param overwrite: True: every lookup misses, and what is computed replaces what is stored.
    """

    def __init__(self, folder: Path, *, enabled: bool = True, overwrite: bool = False) -> None:
        raise NotImplementedError
