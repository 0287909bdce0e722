"""A data store and a catalog that live in dictionaries, for tests, conformance cases and benchmarks."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from flyteidl.core import literals_pb2

from flytekitplugins.awsbatch.propeller.catalog import CatalogKey
from flytekitplugins.awsbatch.propeller.storage import NotFoundError, join_storage_url


class MemoryStore:
    """Files in a dictionary."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def join(self, base: str, *keys: str) -> str:
        return join_storage_url(base, *keys)

    def exists(self, reference: str) -> bool:
        return reference in self.files

    def existing_files(self, references: Collection[str]) -> Collection[str]:
        return {reference for reference in references if self.exists(reference)}

    def at_once(self, base: str) -> int:
        return 1

    def read_file(self, reference: str) -> bytes:
        try:
            return self.files[reference]
        except KeyError:
            raise NotFoundError(reference) from None

    def write_file(self, reference: str, data: bytes) -> None:
        self.files[reference] = data

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)


class MemoryCatalog:
    """Entries that end with the process."""

    at_once = 1

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}

    def get(self, key: CatalogKey) -> literals_pb2.LiteralMap | None:
        name = key.text()
        return literals_pb2.LiteralMap.FromString(self._entries[name]) if name in self._entries else None

    def put(self, key: CatalogKey, outputs: literals_pb2.LiteralMap) -> None:
        self._entries[key.text()] = outputs.SerializeToString(deterministic=True)

    def clear(self) -> None:
        self._entries.clear()
