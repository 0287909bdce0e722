"""Background work that is started once and checked in each round (Flyte's `workqueue.IndexedWorkQueue`).

Flyte's workers run beside propeller; here the work is done when it is queued, so that its result is there at the first
look. What stays is the index: a piece of work that was done is not done again, and one that failed stays failed, as
long as the process lives and the index has room.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ...batch.api import UnreachableError
from .concurrently import concurrently_in_order


class WorkStatus(enum.Enum):
    NOT_DONE = "not done"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RetryWorkError(Exception):
    """Raised by a worker whose failure is worth another try; any other exception fails the item at once."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))


@dataclass(frozen=True)
class WorkInfo:
    """What is known of an item: its worker's result once it succeeded, its error once it failed."""

    status: WorkStatus
    value: Any = None
    error: Exception | None = None


class WorkQueue:
    """
    :param max_items: how many items the index remembers; the one not looked at for longest goes first.
    :param max_retries: how often a worker is tried.
    """

    def __init__(self, *, max_items: int, max_retries: int) -> None:
        self._max_items = max_items
        self._max_retries = max_retries
        self._index: OrderedDict[str, WorkInfo] = OrderedDict()

    def queue(self, item: str, worker: Callable[[], Any]) -> None:
        """Has `worker` done unless the index already knows the item."""
        for _ in self.queue_each([(item, worker)], 1):
            pass

    def queue_each(self, items: Iterable[tuple[str, Callable[[], Any]]], at_once: int) -> Iterator[str]:
        """Queues items with their workers, `at_once` of which work at the same time; gives each item in its turn."""

        def done(one: tuple[str, Callable[[], Any]]) -> tuple[str, WorkInfo | None]:
            item, worker = one
            return item, None if item in self._index else self._work(worker)

        for item, info in concurrently_in_order(done, items, at_once):
            if item in self._index:
                self._index.move_to_end(item)
            elif info is not None:
                self._remember(item, info)
            yield item

    def get(self, item: str) -> WorkInfo | None:
        """None: the index does not know the item."""
        info = self._index.get(item)
        if info is not None:
            self._index.move_to_end(item)
        return info

    def _work(self, worker: Callable[[], Any]) -> WorkInfo:
        for attempt in range(1, self._max_retries + 1):
            try:
                return WorkInfo(WorkStatus.SUCCEEDED, worker())
            except UnreachableError:
                raise
            except Exception as error:
                if attempt == self._max_retries or not isinstance(error, RetryWorkError):
                    return WorkInfo(WorkStatus.FAILED, error=error)
        return WorkInfo(WorkStatus.NOT_DONE)

    def _remember(self, item: str, info: WorkInfo) -> None:
        self._index[item] = info
        while len(self._index) > self._max_items:
            self._index.popitem(last=False)
