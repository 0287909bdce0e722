"""Writes changes of jobs to the store, many together: soon after the first of them, in the order in which they
happened.
"""

from __future__ import annotations

import logging
import sqlite3
import threading

from ..clock import Clock
from ..store.job_rows import Changes, JobRows
from .job_table import JobTable

log = logging.getLogger(__name__)

# Seconds after the first change, or how many together, at the latest.
WRITE_EVERY = 0.05
WRITE_AT = 2000
RETRY_AFTER = 1.0


class WriteBehind:
    """:ivar due: when the next write is due by the clock's monotonic time, None when there is nothing to write."""

    def __init__(self, table: JobTable, rows: JobRows, clock: Clock) -> None:
        self._table = table
        self._rows = rows
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._unwritten = Changes([], [], [])
        self._told = False
        self.due: float | None = None

    def write_behind_now(self) -> None:
        """Writes all changes. Not to be called under the table's lock. Raises what SQLite says, and loses nothing."""
        # Changes that were taken first must be written first, and a later caller must find them written.
        with self._one_at_a_time:
            with self._table.lock:
                later = self._table.take_unwritten_changes()
                changes = Changes(*(before + after for before, after in zip(self._unwritten, later, strict=True)))
                self._unwritten = Changes([], [], [])
                self.due = None
            if not any(changes):
                return
            try:
                self._rows.write_changes(changes)
                self._told = False
            except sqlite3.Error:
                with self._table.lock:
                    self._unwritten = changes
                    self.due = self._clock.monotonic() + RETRY_AFTER
                raise

    def write_behind_if_due(self) -> None:
        with self._table.lock:
            changes = self._table.unwritten + sum(map(len, self._unwritten))
            now = self._clock.monotonic()
            if changes and self.due is None:
                self.due = now + WRITE_EVERY
            if not changes or (changes < WRITE_AT and self.due is not None and now < self.due):
                return
        try:
            self.write_behind_now()
            self._rows.checkpoint()
        except sqlite3.Error as error:
            # A disk that is full stays so for long.
            if not self._told:
                log.error("the state of jobs could not be written (%s); it stays in memory and is tried again", error)
            self._told = True
