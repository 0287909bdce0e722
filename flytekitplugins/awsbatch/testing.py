"""What the pytest fixture `awsbatch` hands to a test (its entry point is the module `flytekitplugins_awsbatch_pytest`).

Monkeypatches of a test do not reach children, which are processes of their own. A task whose `execute` is replaced, as
`flytekit.testing.task_mock` does, is called in the test's process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .local.deployment.emulation import Emulation, emulation

__all__ = ["Emulation", "emulation", "fixture"]


def fixture(home: Path) -> Iterator[Emulation]:
    """The fixture's life: an emulated AWS Batch in `home` for one test."""
    with emulation(home, quiet=True) as awsbatch:
        yield awsbatch
