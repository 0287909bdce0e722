"""Writes changes of jobs down, many together: soon after the first of them, in the order in which they happened."""

from __future__ import annotations

import logging
import sqlite3
import threading

from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.scheduling.job_table import Board
from flytekitplugins.awsbatch.batch.emulator.store.job_rows import Changes, Jobs

log = logging.getLogger(__name__)

# Seconds after the first change, or how many together, at the latest.
WRITE_EVERY = 0.05
WRITE_AT = 2000
RETRY = 1.0


class Writing:
    """:ivar due: when the next writing is due by the clock's monotonic time, None when there is nothing to write."""

    def __init__(self, board: Board, stored: Jobs, clock: Clock) -> None:
        self._board = board
        self._stored = stored
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._unwritten = Changes([], [], [])
        self.due: float | None = None

    def now(self) -> None:
        """Writes all changes down. Not to be called under the board's lock. Raises what SQLite says, and loses
        nothing."""
        # What was taken first must be written first, and who comes later must find it written.
        with self._one_at_a_time:
            with self._board.lock:
                later = self._board.take_changes()
                changes = Changes(*(before + after for before, after in zip(self._unwritten, later, strict=True)))
                self._unwritten = Changes([], [], [])
                self.due = None
            if not any(changes):
                return
            try:
                self._stored.write(changes)
            except sqlite3.Error:
                with self._board.lock:
                    self._unwritten = changes
                    self.due = self._clock.monotonic() + RETRY
                raise

    def if_due(self) -> None:
        with self._board.lock:
            dirty = self._board.dirty + sum(map(len, self._unwritten))
            now = self._clock.monotonic()
            if dirty and self.due is None:
                self.due = now + WRITE_EVERY
            if not dirty or (dirty < WRITE_AT and self.due is not None and now < self.due):
                return
        try:
            self.now()
            self._stored.tidy()
        except sqlite3.Error as error:
            log.error("the state of jobs could not be written (%s); it stays in memory and is tried again", error)
