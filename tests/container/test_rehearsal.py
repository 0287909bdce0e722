"""What an interpreter does before it forks children that import the user's modules."""

from __future__ import annotations

import subprocess
import sys

import pytest

STALE = """
import importlib.metadata
importlib.metadata.entry_points = lambda **_: importlib.metadata.EntryPoints()
import fsspec
assert "awsbatch" not in fsspec.available_protocols()
"""


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_rehearsal_leaves_nothing_among_flytekits_entities_and_imports_nothing_of_the_users() -> None:
    said = python(
        "import sys\n"
        "from flytekit.core.context_manager import FlyteContextManager, FlyteEntities\n"
        "import flytekitplugins.awsbatch.maptask, flytekitplugins.awsbatch.task\n"
        "before, size = list(FlyteEntities.entities), FlyteContextManager.size()\n"
        "import flytekitplugins.awsbatch.container.fast.rehearsal\n"
        "print(FlyteEntities.entities == before, FlyteContextManager.size() == size)\n"
    )

    assert said == "True True\n"


@pytest.mark.parametrize("module", ["task", "maptask", "entrypoint", "container.fast.rehearsal"])
def test_raw_files_are_found_where_the_installations_metadata_is_older_than_its_code(module: str) -> None:
    said = python(
        f"{STALE}\nimport flytekitplugins.awsbatch.{module}\nprint(fsspec.get_filesystem_class('awsbatch').__name__)"
    )

    assert said == "RawFileSystem\n"
