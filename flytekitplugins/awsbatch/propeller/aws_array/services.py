"""What the handler's process holds between rounds and tasks: the client, the store, caches and background work.

None of it is part of the saved state: a new process starts with all of it empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...batch.api import BatchCalls
from ..catalog import StoredCatalog
from ..propeller_settings import HandlerSettings
from ..storage import DataStore, LimitedStore
from .definition_cache import DefinitionCache
from .job_store import Changed, JobStore, job_store_without_change_feed
from .workqueue import WorkQueue


@dataclass
class HandlerServices:
    """One per process (or per run); `dataclasses.replace` gives what a restarted process would have.

    :param changed: see `JobStore`.
    :param fixed_size: whether nobody makes AWS Batch's compute environments larger while a job waits.
    """

    batch: BatchCalls
    store: DataStore
    catalog: StoredCatalog
    settings: HandlerSettings = field(default_factory=HandlerSettings)
    changed: Changed = job_store_without_change_feed
    fixed_size: bool = False
    jobs: JobStore = field(init=False)
    definitions: DefinitionCache = field(init=False)
    catalog_reader: WorkQueue = field(init=False)
    catalog_writer: WorkQueue = field(init=False)
    assembler: WorkQueue = field(init=False)

    def __post_init__(self) -> None:
        cached = self.settings.catalog_cache
        self.jobs = JobStore(self.batch, self.settings, self.changed)
        self.definitions = DefinitionCache(self.settings.batch.def_cache_size)
        megabytes = self.settings.storage.limits.max_download_mbs
        if megabytes and not isinstance(self.store, LimitedStore):
            self.store = LimitedStore(self.store, megabytes)
        self.catalog_reader = WorkQueue(max_items=cached.reader.max_items, max_retries=3)
        self.catalog_writer = WorkQueue(max_items=cached.writer.max_items, max_retries=3)
        self.assembler = WorkQueue(max_items=100_000, max_retries=5)
