"""What a person sees while jobs run: one line per job, with its children counted by state.

On a terminal the lines are live (rich); elsewhere plain lines are printed when something changed, at most one a
job in `PLAIN_INTERVAL` seconds, and one at the end. All of it goes to standard error: results are on standard output.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from ... import machine_time

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_INTERVAL = 5.0

# The states in the order of a job's life, each with the colour of its count on a terminal.
STATES = {"queued": "yellow", "running": "cyan", "succeeded": "green", "cached": "green", "failed": "red"}


@dataclass(frozen=True)
class Counts:
    """How many children of an array (or the one job of a single task) are in which state."""

    queued: int = 0
    running: int = 0
    succeeded: int = 0
    cached: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.queued + self.running + self.done

    @property
    def done(self) -> int:
        return self.succeeded + self.cached + self.failed

    def items(self) -> list[tuple[str, int]]:
        """(state, count) of the states that have any, in the order of a job's life."""
        return [(state, count) for state in STATES if (count := getattr(self, state))]

    def __str__(self) -> str:
        return ", ".join(f"{count} {state}" for state, count in self.items()) or "nothing to run"


class Reporter:
    """Prints an execution's name and its jobs' progress. Safe to call from several threads."""

    def call_begins(self) -> None:
        """A task is called. Lines go to what is the process's standard error now: a test's or a block's own."""

    def update(self, job: str, counts: Counts) -> None:
        """The counts of a job, when they may have changed."""

    def finished(self, job: str, counts: Counts) -> None:
        """The job's last counts."""

    def say(self, text: str, *, to_copy: bool = False) -> None:
        """A line apart from the progress, such as a warning.

        :param to_copy: whether it holds a command, which a line break would spoil.
        """

    def restore_terminal(self) -> None:
        """Leaves the terminal as it was."""


@dataclass
class _Line:
    counts: Counts
    printed_at: float
    printed: Counts | None = None


@dataclass
class PlainReporter(Reporter):
    """Rate-limited lines, for files, pipes and CI logs.

    :param stream: None: there is none for now.
    :param is_stderr: whether the stream is the process's standard error.
    """

    stream: IO[str] | None
    clock: Callable[[], float] = machine_time.monotonic
    is_stderr: bool = False
    _lines: dict[str, _Line] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def call_begins(self) -> None:
        if self.is_stderr:
            self.stream = _open_stderr() or self.stream

    def update(self, job: str, counts: Counts) -> None:
        with self._lock:
            now = self.clock()
            line = self._lines.setdefault(job, _Line(counts, now))
            line.counts = counts
            if line.printed is None or (counts != line.printed and now - line.printed_at >= PLAIN_INTERVAL):
                self._print(job, line, now)

    def finished(self, job: str, counts: Counts) -> None:
        with self._lock:
            line = self._lines.pop(job, None)
            if line is None or line.printed != counts:
                self._print(job, _Line(counts, 0.0), self.clock())

    def say(self, text: str, *, to_copy: bool = False) -> None:
        # Nobody reads it where it cannot be written, and what runs is worth more than a line about it.
        with self._lock, contextlib.suppress(Exception):
            stream = self.stream
            if stream is None:
                return
            try:
                stream.write(text + "\n")
            except UnicodeEncodeError as error:
                stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding) + "\n")
            stream.flush()

    def _print(self, job: str, line: _Line, now: float) -> None:
        line.printed, line.printed_at = line.counts, now
        self.say(f"{job}: {line.counts}")


class RichReporter(Reporter):
    """Live lines on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._progress: Progress | None = None
        self._rows: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def update(self, job: str, counts: Counts) -> None:
        with self._lock:
            self._show(job, counts)

    def finished(self, job: str, counts: Counts) -> None:
        with self._lock:
            row = self._show(job, counts)
            progress = self._progress
            assert progress is not None
            progress.stop_task(row)
            del self._rows[job]
            if not self._rows:
                progress.stop()
                self._progress = None

    def say(self, text: str, *, to_copy: bool = False) -> None:
        console = self._progress.console if self._progress is not None else self._console
        console.print(text, markup=False, soft_wrap=to_copy)

    def restore_terminal(self) -> None:
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
                self._progress = None
            self._rows.clear()

    def _show(self, job: str, counts: Counts) -> TaskID:
        if self._progress is None:
            self._progress = self._columns()
            self._progress.start()
        if job not in self._rows:
            self._rows[job] = self._progress.add_task(job, total=counts.total, counts="")
        row = self._rows[job]
        shown = ", ".join(f"[{STATES[state]}]{count} {state}[/]" for state, count in counts.items())
        self._progress.update(row, completed=counts.done, total=max(counts.total, 1), counts=shown)
        return row

    def _columns(self) -> Progress:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            console=self._console,
            refresh_per_second=8,
        )


def progress_reporter() -> Reporter:
    """The reporter that fits standard error: live on a terminal, plain lines elsewhere."""
    stream = _open_stderr()
    # One that hands lines to a logger may have nothing but `write`.
    return RichReporter() if getattr(stream, "isatty", bool)() else PlainReporter(stream, is_stderr=True)


def _open_stderr() -> IO[str] | None:
    """The process's standard error, if it has one that is not closed."""
    return None if getattr(sys.stderr, "closed", False) else sys.stderr
