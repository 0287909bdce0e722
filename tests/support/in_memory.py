"""A data store and a catalog that live in dictionaries, and background work that takes its time, for tests, conformance
cases and benchmarks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from flyteidl.core import literals_pb2

from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.aws_array.workqueue import WorkInfo, WorkQueue, WorkStatus
from flytekitplugins.awsbatch.propeller.catalog import CatalogKey, StoredCatalog
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


class MemoryCatalog(StoredCatalog):
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


class LaggingQueue(WorkQueue):
    """The first look at an item says that it is not done, as a slow worker's would."""

    def __init__(self, *, max_items: int, max_retries: int) -> None:
        super().__init__(max_items=max_items, max_retries=max_retries)
        self._unseen: set[str] = set()

    def get(self, item: str) -> WorkInfo | None:
        info = super().get(item)
        if info is None or item not in self._unseen:
            return info
        self._unseen.discard(item)
        return WorkInfo(WorkStatus.NOT_DONE)

    def _remember(self, item: str, info: WorkInfo) -> None:
        super()._remember(item, info)
        self._unseen.add(item)


@dataclass
class LaggingServices(HandlerServices):
    """Their background work is not done at the first look."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.catalog_reader = _lagging(self.catalog_reader)
        self.catalog_writer = _lagging(self.catalog_writer)
        self.assembler = _lagging(self.assembler)


def _lagging(queue: WorkQueue) -> LaggingQueue:
    return LaggingQueue(max_items=queue._max_items, max_retries=queue._max_retries)
