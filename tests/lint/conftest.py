from __future__ import annotations

import pytest
from flytekit.core.context_manager import FlyteEntities


@pytest.fixture(autouse=True)
def _program_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests declare, workflows that cannot be compiled among it, is no part of a test's program."""
    monkeypatch.setattr(FlyteEntities, "entities", [])
