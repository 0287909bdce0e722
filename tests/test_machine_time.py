"""The clocks of the machine are Python's own, as long as nothing replaces those."""

from __future__ import annotations

import importlib.util
import time

import pytest

from flytekitplugins.awsbatch import machine_time


def test_the_clocks_are_pythons_own() -> None:
    assert machine_time.wall() == pytest.approx(time.time(), abs=5)
    assert machine_time.monotonic() == pytest.approx(time.monotonic(), abs=5)
    assert machine_time.steady_clock()() == pytest.approx(time.time(), abs=5)


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
