"""What a person sees while jobs run."""

from __future__ import annotations

import io
import sys

import pytest

from flytekitplugins.awsbatch.local.console.progress import Counts, PlainReporter, progress_reporter


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_counts_are_told_in_the_order_of_a_jobs_life() -> None:
    assert str(Counts(queued=3, running=2, succeeded=4, cached=1, failed=1)) == (
        "3 queued, 2 running, 4 succeeded, 1 cached, 1 failed"
    )
    assert str(Counts()) == "nothing to run"
    assert (Counts(queued=3, running=2, failed=1).total, Counts(queued=3, cached=1, failed=1).done) == (6, 2)


def test_plain_lines_come_when_something_changed_and_not_too_often() -> None:
    stream, clock = io.StringIO(), Hand()
    plain = PlainReporter(stream, clock)
    plain.update("n0 map", Counts(queued=4))
    plain.update("n0 map", Counts(queued=3, running=1))  # too soon
    clock.now += 6
    plain.update("n0 map", Counts(queued=1, running=2, succeeded=1))
    clock.now += 6
    plain.update("n0 map", Counts(queued=1, running=2, succeeded=1))  # nothing new
    plain.finished("n0 map", Counts(succeeded=4))
    assert lines(stream) == ["n0 map: 4 queued", "n0 map: 1 queued, 2 running, 1 succeeded", "n0 map: 4 succeeded"]


def test_the_last_plain_line_is_not_said_twice() -> None:
    stream, clock = io.StringIO(), Hand()
    plain = PlainReporter(stream, clock)
    plain.update("n1 hello", Counts(succeeded=1))
    plain.finished("n1 hello", Counts(succeeded=1))
    assert lines(stream) == ["n1 hello: 1 succeeded"]


def test_a_standard_error_that_is_no_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())

    assert isinstance(progress_reporter(), PlainReporter)


def test_lines_go_to_the_standard_error_of_the_last_call(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, other = io.StringIO(), io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    reporters = [progress_reporter(), PlainReporter(other)]
    monkeypatch.setattr(sys, "stderr", second)
    for reporter in reporters:
        reporter.say("before the call")
        reporter.call_begins()
        reporter.say("in the call")
    monkeypatch.setattr(sys, "stderr", None)
    for reporter in reporters:
        reporter.call_begins()
        reporter.say("without one")

    assert lines(first) == ["before the call"]
    assert lines(second) == ["in the call", "without one"]
    assert lines(other) == ["before the call", "in the call", "without one"]


def test_what_standard_error_cannot_do_keeps_no_job_from_running(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class HandsToLogger:
        def write(self, text: str) -> int:
            written.append(text)
            raise RuntimeError("the logger is gone")

    monkeypatch.setattr(sys, "stderr", HandsToLogger())
    progress_reporter().say("a line")

    assert written == ["a line\n"]
