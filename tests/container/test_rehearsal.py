"""What an interpreter does before it forks children that import the user's modules."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from sdk_builders import collection, inputs, integer

STALE = """
import importlib.metadata
importlib.metadata.entry_points = lambda **_: importlib.metadata.EntryPoints()
import fsspec
assert "awsbatch" not in fsspec.available_protocols()
"""


def python(code: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=110, check=False
    )
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


RUN = """
import os
import sys
from flytekit.core.context_manager import FlyteContextManager, FlyteEntities
from flytekitplugins.awsbatch.container.command_line import Child
from flytekitplugins.awsbatch.container.fast import rehearsal
from flytekitplugins.awsbatch.container.fast.array_context import find_array_context

folder = sys.argv[1]
places = f"{folder}/inputs.pb", f"{folder}/out", f"file://{folder}/raw", None, None
child = Child(*places, "flytekitplugins.awsbatch.maptask.MapTaskResolver", ("vars", ","))
array = find_array_context(child)
entities, size, called = list(FlyteEntities.entities), FlyteContextManager.size(), []
files = os.listdir(os.environ["TMPDIR"])
rehearsal.rehearsed._task_function = lambda x: called.append(x) or x
rehearsal.rehearse(array)
print(os.listdir(os.environ["TMPDIR"]) == files, called == [1] * rehearsal.TIMES)
print(FlyteEntities.entities == entities, FlyteContextManager.size() == size)
"""


def test_the_rehearsed_run_leaves_no_files_and_touches_nothing_of_the_array(tmp_path: Path) -> None:
    (tmp_path / "inputs.pb").write_bytes(inputs(x=collection([integer(3)])).SerializeToString())
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    said = python(RUN, str(tmp_path), env={"TMPDIR": str(temporary)})

    assert said == "True True\nTrue True\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("module", ["task", "maptask", "entrypoint", "container.fast.rehearsal"])
def test_raw_files_are_found_where_the_installations_metadata_is_older_than_its_code(module: str) -> None:
    said = python(
        f"{STALE}\nimport flytekitplugins.awsbatch.{module}\nprint(fsspec.get_filesystem_class('awsbatch').__name__)"
    )

    assert said == "RawFileSystem\n"
