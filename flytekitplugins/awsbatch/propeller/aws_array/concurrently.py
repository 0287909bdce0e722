"""Work on many items at once where each waits for a storage, as the workers of propeller's queues do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def concurrently_in_order(work: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[R]:
    """What `work` makes of each item, in their order; no more than two times `at_once` are begun before they are asked
    for. An exception is raised when its item's turn comes.
    """
    if at_once <= 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(at_once)
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= 2 * at_once:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # Nobody needs the rest any more, and it may take long: it is not waited for.
        pool.shutdown(wait=False, cancel_futures=True)
