"""Time as the service sees it, so that a test need not wait for it."""

from __future__ import annotations

from ... import machine_time


class Clock:
    """The machine's clock; `speed` lets deadlines (not timestamps) pass faster."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(machine_time.wall() * 1000)

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines."""
        return machine_time.monotonic() * self._speed

    def real_seconds(self, seconds: float) -> float:
        """How long to wait for so many of this clock's seconds."""
        return seconds / self._speed
