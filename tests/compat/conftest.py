"""One emulated deployment a module, so that its warm interpreter and its queue are there for all tests of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flytekitplugins.awsbatch.testing import Emulation, emulation

pytest.register_assert_rewrite("compat_run")


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with emulation(tmp_path_factory.mktemp("batch"), quiet=True) as running:
        yield running
