"""A log file as CloudWatch's events: one per line, with times, read forwards or backwards from a place in the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .log_times import LogTimes, Marks, end_before_time, time_at_end

# CloudWatch's own limits of an answer.
MOST_EVENTS = 10_000
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class LogLine:
    """:param start: where it begins in the file, in bytes; `end` where the next one does.
    :param time: milliseconds since the epoch.
    """

    start: int
    end: int
    time: int
    message: str


@dataclass(frozen=True)
class LogPage:
    """:param start: where what was read begins, `end` where it ends: the places to go on from, backwards and
    forwards.
    """

    lines: list[LogLine]
    start: int
    end: int


def log_events_forwards(path: Path, start: int, limit: int, times: LogTimes) -> LogPage:
    """Whole lines from a place on, which may lie behind the end; an unfinished last line counts, so that a prompt can
    be seen."""
    with path.open("rb") as file:
        file.seek(min(start, file.seek(0, 2)))
        block = file.read(MOST_BYTES)
        more = bool(file.read(1))
    if rest := block.split(b"\n", limit)[limit:]:
        block, more = block.removesuffix(rest[0]), True
    lines = _split(path, block, start, times, whole_end=more)
    return LogPage(lines, start, lines[-1].end if lines else start)


def log_events_backwards(path: Path, end: int | None, limit: int, times: LogTimes) -> LogPage:
    """The last whole lines before a place, or before the end of the file."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        end = size if end is None else min(end, size)
        start = max(0, end - MOST_BYTES)
        file.seek(start)
        block = file.read(end - start)
    if start > 0:
        # The block begins within a line; without an end in sight the line is cut.
        cut = block.find(b"\n") + 1
        block, start = block[cut:], start + cut
    lines = _split(path, block, start, times, whole_end=False)[-limit:]
    return LogPage(lines, lines[0].start if lines else end, end)


def log_place_of_time(path: Path, time: int, marks: Marks) -> int:
    """Where the first line of a time or of a later one begins, or the end of the file."""
    place = end_before_time(marks, time)
    with path.open("rb") as file:
        if place >= file.seek(0, 2):
            return place
        while place > 0:
            start = max(0, place - MOST_BYTES)
            file.seek(start)
            newline = file.read(place - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            place = start
    return 0


def _split(path: Path, block: bytes, start: int, times: LogTimes, whole_end: bool) -> list[LogLine]:
    pieces = block.split(b"\n")
    last = pieces.pop()
    # What follows the last newline is a line if nothing more will come, or if there is no newline at all.
    ends_in_newline = [(piece, 1) for piece in pieces]
    if last and (not whole_end or not pieces):
        ends_in_newline.append((last, 0))
    marks = times.marks_of_log(path)
    lines = []
    for piece, newline in ends_in_newline:
        end = start + len(piece) + newline
        lines.append(LogLine(start, end, time_at_end(marks, end), piece.decode("utf-8", "replace").rstrip("\r")))
        start = end
    return lines
