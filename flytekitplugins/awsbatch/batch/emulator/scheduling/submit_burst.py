"""Submissions that follow each other closely, and how long starting jobs rests for them. Pure.

AWS looks at its queues every few seconds. Here a job starts at once, but not amid a burst: on one machine the jobs
would take the processor from whoever submits the others.
"""

from __future__ import annotations

# Seconds: submissions no further apart are a burst, and for how long at most one keeps jobs from being started.
CLOSE = 0.005
LONGEST = 0.05


class Burst:
    """All times are one clock's, in seconds."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._until = float("-inf")
        self._started = float("-inf")

    def came(self, now: float) -> bool:
        """A submission. The first of a burst holds nothing up. Whether `rests_until` had a time to tell already."""
        rested = self.rests_until(now) is not None
        if now - self._last < CLOSE:
            self._until = now + CLOSE
        self._last = now
        return rested

    def rests_until(self, now: float) -> float | None:
        """When jobs may be started again; None for now."""
        until = min(self._until, self._started + LONGEST)
        return until if until > now else None

    def started(self, now: float) -> None:
        """Jobs were started, or there were none to start."""
        self._started = now
