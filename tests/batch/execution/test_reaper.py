"""When the reaper looks at an attempt's memory, and what an interpreter does to its own before it forks."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from flytekitplugins.awsbatch.batch.emulator.execution import reaper
from flytekitplugins.awsbatch.batch.emulator.execution.interpreter.settled_memory import (
    memory_to_settle,
    settle_in_huge_pages,
)
from flytekitplugins.awsbatch.batch.emulator.execution.reaper import CHECK_COST, CHECK_EVERY, ReapedAttempt, Reaper

MAPS = """\
00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/program with a space
00651000-00652000 rw-p 00051000 08:02 173521      /usr/bin/program with a space
00e03000-00e24000 rw-p 00000000 00:00 0           [heap]
7f0000000000-7f0000400000 rw-p 00000000 00:00 0
7f0000400000-7f0000500000 ---p 00000000 00:00 0
7f0000600000-7f0000700000 rw-s 00000000 00:05 12  /dev/zero (deleted)
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0   [stack]
"""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(reaper.time, "monotonic", made)
    monkeypatch.setattr(reaper, "adopt_orphan_processes", lambda: None)
    return made


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    pids: list[int] = []

    def exceeds_limit(attempt: ReapedAttempt) -> bool:
        pids.append(attempt.pid)
        return False

    monkeypatch.setattr(reaper, "exceeds_memory_limit", exceeds_limit)
    yield pids


def test_each_attempt_is_looked_at_in_steps_from_its_own_start(clock: Clock, looked: list[int]) -> None:
    of = Reaper()
    assert of.timeout() is None
    of.add((1, "a"), 10, limit=0)
    assert of.timeout() is None
    of.add((1, "b"), 11, limit=1)
    clock.now += CHECK_EVERY * 0.75
    of.add((1, "c"), 12, limit=1)
    assert of.timeout() == pytest.approx(CHECK_EVERY * 0.25)
    of.enforce_memory_limits()
    assert looked == []
    clock.now += CHECK_EVERY * 0.5
    of.enforce_memory_limits()
    assert looked == [11]
    clock.now += CHECK_EVERY * 0.5
    of.enforce_memory_limits()
    assert looked == [11, 12]
    assert of.timeout() == pytest.approx(max(CHECK_EVERY, CHECK_COST * 3) - CHECK_EVERY * 0.5)


def test_nothing_is_waited_for_once_no_attempt_has_a_limit(clock: Clock, looked: list[int]) -> None:
    of = Reaper()
    of.add((1, "a"), 10, limit=1)
    of.finish(10, 0)
    clock.now += 1
    of.enforce_memory_limits()
    assert looked == []
    assert of.timeout() is None


def test_only_private_memory_of_no_file_is_an_interpreters_own() -> None:
    assert memory_to_settle(MAPS) == [(0xE03000, 0xE24000), (0x7F0000000000, 0x7F0000400000)]


def test_memory_keeps_what_it_holds() -> None:
    held = [bytearray(os.urandom(1 << 20)) for _ in range(16)]
    before = [bytes(each) for each in held]
    settle_in_huge_pages()
    assert [bytes(each) for each in held] == before
