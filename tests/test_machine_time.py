"""The clocks of the machine are Python's own, as long as nothing replaces those."""

from __future__ import annotations

import importlib.util
import time

import pytest

from flytekitplugins.awsbatch import machine_time


def test_the_clocks_are_pythons_own() -> None:
    assert machine_time.wall() == pytest.approx(time.time(), abs=5)
    assert machine_time.monotonic() == pytest.approx(time.monotonic(), abs=5)


def test_a_program_that_travels_in_time_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """time-machine replaces `clock_gettime`, too: runs of a home that stays would be removed for their age."""
    now = time.time()
    monkeypatch.setattr(time, "clock_gettime", lambda clock: now + 1e9)
    monkeypatch.setattr(time, "time", lambda: now + 1e9)

    assert machine_time.wall() == pytest.approx(now, abs=60)


def test_on_macos_deadlines_stand_still_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "CLOCK_UPTIME_RAW", 8, raising=False)
    spec = importlib.util.find_spec(machine_time.__name__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    asked: list[int] = []
    monkeypatch.setattr(time, "clock_gettime", lambda clock: asked.append(clock) or 0.0)
    module.monotonic()
    assert asked == [8]
