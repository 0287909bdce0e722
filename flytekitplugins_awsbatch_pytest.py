"""pytest's way in: every session of every project that has this distribution installed imports this module, so it
imports nothing until the fixture is used (flytekit alone costs a second)."""

import pytest


@pytest.fixture
def awsbatch(tmp_path_factory):  # type: ignore[no-untyped-def]
    """An emulated AWS Batch of this test's own, in a temporary home: `flytekitplugins.awsbatch.testing.Emulation`."""
    from flytekitplugins.awsbatch.testing import fixture

    yield from fixture(tmp_path_factory.mktemp("awsbatch"))
