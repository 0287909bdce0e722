"""When the lines of a log file were written, as far as the service has seen the file grow.

CloudWatch stamps each line when it arrives. Here the process writes the file itself, so a line's time is reckoned
between the two marks around its end, in proportion to its place. A mark says how large the file was at a time: the
first is the attempt's start, another one comes with each look at the file. Since marks are only added at the end, a
line keeps its time, until there are too many of them; and lines that are new since the last look are later than all
before them.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from pathlib import Path

from .... import machine_time

# Bytes, and milliseconds since the epoch; neither ever goes back.
Marks = list[tuple[int, int]]

# What is remembered: of how many streams, those looked at last, and how many marks of each.
MOST_STREAMS = 1 << 13
MOST_MARKS = 200


class LogTimes:
    """The marks of all logs. You may call it from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marks: OrderedDict[str, Marks] = OrderedDict()

    def note_start(self, path: Path, at: int) -> None:
        """No line of the attempt is older than its start."""
        with self._lock:
            marks = self._known(path, at)
            if marks[-1][0] == 0:
                marks[:] = [(0, max(at, marks[-1][1]))]

    def marks_of_log(self, path: Path) -> Marks:
        """Looks at the file. Whatever was read of it before lies within these marks."""
        now, stat = int(machine_time.wall() * 1000), path.stat()
        with self._lock:
            marks = self._known(path, log_made_at(path))
            size, last = marks[-1]
            if stat.st_size > size:
                size, last = stat.st_size, max(stat.st_mtime_ns // 1_000_000, last + (len(marks) > 1))
                marks.append((size, last))
            elif len(marks) > 1 and marks[-2][0] == size:
                marks.pop()
            # What comes next was written after this look, not just after the last line.
            marks.append((size, max(now, last)))
            if len(marks) > MOST_MARKS:
                del marks[1 : MOST_MARKS // 2 : 2]
            return marks.copy()

    def _known(self, path: Path, first: int) -> Marks:
        """:param first: the time of the first mark, of a log that is not known."""
        marks = self._marks.setdefault(path.name, [(0, first)])
        self._marks.move_to_end(path.name)
        if len(self._marks) > MOST_STREAMS:
            self._marks.popitem(last=False)
        return marks


def log_made_at(path: Path) -> int:
    """When the stream of a log file was made, in milliseconds since the epoch."""
    return int(path.stem[:12], 16)


def time_at_end(marks: Marks, end: int) -> int:
    """The time of the line that ends there."""
    after = bisect_left(marks, (end,))
    if after == len(marks):
        return marks[-1][1]
    if after == 0:
        return marks[0][1]
    (size, time), (next_size, next_time) = marks[after - 1 : after + 1]
    return time - (size - end) * (next_time - time) // (next_size - size)


def end_before_time(marks: Marks, time: int) -> int:
    """The place up to which lines that end there are older than a time, and no others."""
    after = bisect_left(marks, time, key=lambda mark: mark[1])
    if after == 0:
        return 0
    if after == len(marks):
        return marks[-1][0]
    (size, before), (next_size, next_time) = marks[after - 1 : after + 1]
    return size + (time - 1 - before) * (next_size - size) // (next_time - before)
