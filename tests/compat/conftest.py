"""One emulated deployment a module, so that its warm interpreter and its queue are there for all tests of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flytekitplugins.awsbatch.testing import Emulation, emulation

pytest.register_assert_rewrite("compat_run")


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, isolation_settings: dict[str, Any]) -> Iterator[Emulation]:
    with emulation(tmp_path_factory.mktemp("batch"), quiet=True, settings=isolation_settings or None) as running:
        yield running
