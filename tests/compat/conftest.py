"""One emulated deployment a module, so that its warm interpreter and its queue are there for all tests of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flytekitplugins.awsbatch.testing import Emulation, emulation

pytest.register_assert_rewrite("compat_run")


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, isolation_keys: dict[str, Any]) -> Iterator[Emulation]:
    settings = {"emulator": isolation_keys} if isolation_keys else None
    with emulation(tmp_path_factory.mktemp("batch"), quiet=True, settings=settings) as running:
        yield running
