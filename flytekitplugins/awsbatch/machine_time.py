"""The machine's clocks, whatever a program has put in the place of `time.time` and `time.monotonic`: a test that stops
or shifts the time for its own code would otherwise stop deadlines, and what starts and ends jobs. A leaf."""

from __future__ import annotations

import time
from collections.abc import Callable

# Python's, which stands still while the machine sleeps. On macOS CLOCK_MONOTONIC goes on then, and deadlines would have
# passed when a laptop wakes.
MONOTONIC = getattr(time, "CLOCK_UPTIME_RAW", time.CLOCK_MONOTONIC)


def wall() -> float:
    """Seconds since the epoch."""
    return time.clock_gettime(time.CLOCK_REALTIME)


def monotonic() -> float:
    """Seconds that never go back, for deadlines."""
    return time.clock_gettime(MONOTONIC)


def steady_clock() -> Callable[[], float]:
    """Seconds since the epoch as of now, and from then on as they pass: also where this clock is replaced as well."""
    behind = wall() - monotonic()
    return lambda: behind + monotonic()
