"""How many calls a second a client makes: a budget for submits, one for looks, one for the rest, as propeller's plugin
has them (`awsbatch/client.go`), so that looking never keeps a submit waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from .. import machine_time

SUBMITS = frozenset({"SubmitJob"})
LOOKS = frozenset({"DescribeJobs", "ListJobs"})


@dataclass(frozen=True)
class RateLimit:
    """:param rate: calls a second. :param burst: how many may come at once after a pause."""

    rate: float = 15
    burst: int = 20


class Budget:
    """A token bucket. Any thread may draw from it."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = machine_time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._left = float(limit.burst)
        self._at = clock()

    def take(self) -> float:
        """Draws one call; returns the seconds to wait before it may be made. Later callers wait longer."""
        with self._lock:
            now = self._clock()
            self._left = min(self._left + (now - self._at) * self._limit.rate, self._limit.burst) - 1
            self._at = now
            return max(-self._left / self._limit.rate, 0.0)


class Budgets:
    """
    :param get: of looks at jobs (`getRateLimiter`). :param default: of submits and, apart, of the rest
        (`defaultRateLimiter`).
    """

    def __init__(self, get: RateLimit = RateLimit(), default: RateLimit = RateLimit()) -> None:  # noqa: B008 - frozen
        self._submits, self._looks, self._rest = Budget(default), Budget(get), Budget(default)

    def of(self, operation: str) -> Budget:
        """The budget that an operation of AWS Batch draws from."""
        return self._submits if operation in SUBMITS else self._looks if operation in LOOKS else self._rest
