"""A log file as CloudWatch's events: one per line, with times, read forwards or backwards from a place in the file.

CloudWatch stamps each line when it arrives. Here the process writes the file itself, so a line's time is reckoned
between the making of the stream and the file's last write, in proportion to its place: it never goes back, and it
lies within the attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .log_files import log_made_at

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


def log_events_forwards(path: Path, start: int, limit: int) -> LogPage:
    """Whole lines from a place on; an unfinished last line counts, so that a prompt can be seen."""
    with path.open("rb") as file:
        file.seek(start)
        block = file.read(MOST_BYTES)
        more = bool(file.read(1))
    lines = _split(path, block, start, whole_end=more)[:limit]
    return LogPage(lines, start, lines[-1].end if lines else start)


def log_events_backwards(path: Path, end: int | None, limit: int) -> LogPage:
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
    lines = _split(path, block, start, whole_end=False)[-limit:]
    return LogPage(lines, lines[0].start if lines else end, end)


def _split(path: Path, block: bytes, start: int, whole_end: bool) -> list[LogLine]:
    pieces = block.split(b"\n")
    last = pieces.pop()
    # What follows the last newline is a line if nothing more will come, or if there is no newline at all.
    ends_in_newline = [(piece, 1) for piece in pieces]
    if last and (not whole_end or not pieces):
        ends_in_newline.append((last, 0))
    stat = path.stat()
    first, size = log_made_at(path), max(1, stat.st_size)
    span = max(0, int(stat.st_mtime * 1000) - first)
    lines = []
    for piece, newline in ends_in_newline:
        end = start + len(piece) + newline
        time = first + span * min(end, size) // size
        lines.append(LogLine(start, end, time, piece.decode("utf-8", "replace").rstrip("\r")))
        start = end
    return lines
