"""What a driver does between two rounds: it waits for news. A step itself never sleeps.

Real propeller looks again every few seconds. Here a local service can wake the reader (`batch.api.JobEvents`), and a
real account is polled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from ...batch.api import JobEvents

# The share of the time that rounds may take while jobs change all the time.
_SHARE_OF_LOOKING = 0.05
_LONGEST_PAUSE = 2.0
_FIRST_BACKOFF = 0.05
_LONGEST_BACKOFF = 5.0
# A task may have a timeout that is longer than Python's clocks can wait.
_LONGEST_WAIT = 3600.0


class Wait(Protocol):
    """Returns when another round may find something new."""

    def __call__(self, job_id: str | None, *, round_seconds: float, error: bool, timeout: float | None) -> None:
        """
        :param job_id: the job to hear of; None: only time can bring something new.
        :param round_seconds: what the last round cost, so that large arrays are not looked at after every change.
        :param error: the last round failed (a throttled call, say): back off.
        :param timeout: return after this many seconds at the latest; None: when the waiter thinks best.
        """
        ...


class EventWait:
    """Wakes when the local service says that the job or one of its children changed.

    :param timeout: look again after this many seconds without news.
    :param sleep: waits for so many seconds at most.
    """

    def __init__(
        self, events: JobEvents, *, timeout: float = 30.0, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._events = events
        self._timeout = timeout
        self._sleep = sleep
        self._backoff = 0.0
        self._seen: dict[str, int] = {}

    def __call__(self, job_id: str | None, *, round_seconds: float, error: bool, timeout: float | None) -> None:
        self._backoff = min(2 * self._backoff or _FIRST_BACKOFF, _LONGEST_BACKOFF) if error else 0.0
        longest = min(self._timeout if timeout is None else timeout, _LONGEST_WAIT)
        if error or job_id is None:
            self._sleep(min(self._backoff, longest) if error else longest)
            return
        # Changes that come meanwhile are seen in one look; the end at once.
        pause = min(round_seconds / _SHARE_OF_LOOKING - round_seconds, _LONGEST_PAUSE, longest)
        self._seen[job_id] = self._events.wait(job_id, self._seen.get(job_id, -1), longest, pause)
