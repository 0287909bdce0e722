"""The times of a log's lines: they stay as they are while the file grows, and nothing new comes before them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flytekitplugins.awsbatch.batch.emulator.execution import log_times
from flytekitplugins.awsbatch.batch.emulator.execution.log_times import LogTimes, end_before_time, time_at_end

MADE = 1_700_000_000_000


def write(path: Path, size: int, written: int) -> None:
    path.write_bytes(b"x" * size)
    os.utime(path, ns=(0, written * 1_000_000))


def log_in(folder: Path, number: int = 0) -> Path:
    path = folder / f"{MADE:012x}{number:020x}.log"
    write(path, 0, MADE)
    return path


def test_a_line_keeps_its_time_and_new_ones_are_later(tmp_path: Path) -> None:
    path, times = log_in(tmp_path), LogTimes()
    seen: dict[int, int] = {}
    # The file's clock stands still, and goes back.
    for size, written in [(10, MADE + 50), (20, MADE + 50), (500, MADE + 9000), (510, MADE)]:
        write(path, size, written)
        marks = times.marks_of_log(path)
        now = {end: time_at_end(marks, end) for end in range(1, size + 1)}

        assert {end: now[end] for end in seen} == seen
        assert all(now[end] > max(seen.values(), default=0) for end in now.keys() - seen.keys())
        seen = now


def test_a_line_that_comes_after_a_look_is_later_than_the_look(tmp_path: Path) -> None:
    path, times = log_in(tmp_path), LogTimes()
    write(path, 10, MADE + 50)
    times.marks_of_log(path)
    (_, looked) = times.marks_of_log(path)[-1]
    write(path, 20, looked + 1000)

    marks = times.marks_of_log(path)

    assert time_at_end(marks, 10) == MADE + 50
    assert looked < time_at_end(marks, 11) < time_at_end(marks, 20) == looked + 1000


def test_a_line_that_comes_after_the_look_that_saw_the_log_grow_is_later_than_that(tmp_path: Path) -> None:
    path, times = log_in(tmp_path), LogTimes()
    write(path, 10, MADE + 50)
    (_, looked) = times.marks_of_log(path)[-1]
    write(path, 20, looked + 1000)

    marks = times.marks_of_log(path)

    assert time_at_end(marks, 10) == MADE + 50 < looked < time_at_end(marks, 11)


@pytest.mark.parametrize("looked_at", [False, True])
def test_no_line_is_older_than_the_start(tmp_path: Path, looked_at: bool) -> None:
    """File clocks are coarse, and a container starts long after its stream was made."""
    path, times = log_in(tmp_path), LogTimes()
    started = times.marks_of_log(path)[-1][1] + 100 if looked_at else MADE + 100
    times.note_start(path, started)
    write(path, 10, MADE + 98)

    assert time_at_end(times.marks_of_log(path), 1) == started


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1).map(sorted), st.integers(0, 35))
def test_the_place_of_a_time_parts_older_lines_from_later_ones(steps: list[tuple[int, int]], time: int) -> None:
    sizes, times = sorted(size for size, _ in steps), sorted(time for _, time in steps)
    marks = [(0, times[0]), *zip(sizes, times, strict=True)]
    ends = range(1, marks[-1][0] + 1)

    place = end_before_time(marks, time)

    assert [end for end in ends if time_at_end(marks, end) < time] == [end for end in ends if end <= place]


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_times, "MOST_MARKS", 8)
    monkeypatch.setattr(log_times, "MOST_STREAMS", 2)
    path, times = log_in(tmp_path), LogTimes()
    for size in range(1, 50):
        write(path, size, MADE + size * 1000)
        marks = times.marks_of_log(path)
        assert len(marks) <= 8
        assert marks == sorted(marks)
        assert (marks[0], marks[-1][0]) == ((0, MADE), size)
        assert time_at_end(marks, size) in (MADE + size * 1000, marks[-2][1])
    started = [log_in(tmp_path, number) for number in range(1, 4)]
    for each in started:
        times.note_start(each, MADE + 5)

    firsts = [times.marks_of_log(each)[0][1] for each in reversed(started)]

    assert firsts == [MADE + 5, MADE + 5, MADE]
