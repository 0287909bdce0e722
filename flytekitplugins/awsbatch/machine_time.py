"""The machine's clocks, whatever a program has put in the place of `time.time` and `time.monotonic`: a test that stops
or shifts the time for its own code would otherwise stop deadlines, and what starts and ends jobs. A leaf."""

from __future__ import annotations

import ctypes
import time

# Python's, which stands still while the machine sleeps. On macOS CLOCK_MONOTONIC goes on then, and deadlines would have
# passed when a laptop wakes.
MONOTONIC = getattr(time, "CLOCK_UPTIME_RAW", time.CLOCK_MONOTONIC)
# The C library's, since time-machine replaces Python's function, too. A CDLL would let other threads run meanwhile.
_clock_gettime = ctypes.PyDLL(None).clock_gettime
# Its `struct timespec`: seconds and nanoseconds.
_TimeSpec = ctypes.c_long * 2


def wall() -> float:
    """Seconds since the epoch."""
    now = _TimeSpec()
    _clock_gettime(time.CLOCK_REALTIME, now)
    return now[0] + now[1] / 1e9


def monotonic() -> float:
    """Seconds that never go back, for deadlines."""
    return time.clock_gettime(MONOTONIC)
