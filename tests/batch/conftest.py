"""A service per test, in a home of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_shell import SETTINGS, Shell, new_shell

from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

Isolated = Callable[[Path], dict[str, Any]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def service(home: Path, tmp_path: Path, isolated: Isolated) -> Iterator[LocalBatch]:
    with LocalBatch(home, SETTINGS, **isolated(tmp_path)) as service:
        yield service


@pytest.fixture
def shell(service: LocalBatch) -> Shell:
    return new_shell(service)


@pytest.fixture
def fast_service(home: Path, tmp_path: Path, isolated: Isolated) -> Iterator[LocalBatch]:
    """Its deadlines pass a hundred times as fast."""
    with LocalBatch(home, SETTINGS, clock=Clock(speed=100), **isolated(tmp_path)) as service:
        yield service
