"""What of a user's imports is known before a job runs."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import xml.dom.pulldom

import helper
from flytekitplugins.awsbatch.local.deployment.user_imports import installed_user_imports, user_import_sources

if __name__ == "__main__":
    print(*(name for name in installed_user_imports("flow") if name.startswith(("xml", "wave"))))
    print(*(file for file, *_ in user_import_sources("flow")))
"""


def test_a_script_is_read_as_the_module_that_jobs_import(tmp_path: Path) -> None:
    """`python flow.py`: its tasks' module is `flow`, which this process has as `__main__` alone."""
    script, helper = tmp_path / "flow.py", tmp_path / "helper.py"
    script.write_text(PROGRAM)
    helper.write_text("import wave\n")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True)
    installed, sources = done.stdout.splitlines()
    assert installed.split() == ["xml.dom.pulldom", "wave"]
    assert sources.split() == [str(script), str(helper)]


DATACLASS = """
from dataclasses import dataclass

from flytekit import task
from flytekitplugins.awsbatch.local.deployment.user_imports import LATE, installed_user_imports

@dataclass
class Size:
    width: int

if {is_input}:
    @task
    def width(size: Size) -> int:
        return size.width

if __name__ == "__main__":
    print(*(name for name in installed_user_imports("flow") if name in LATE.values()))
"""


@pytest.mark.parametrize(("is_input", "expected"), [(True, ["mashumaro.jsonschema"]), (False, [])])
def test_what_flytekit_imports_for_dataclasses_is_imported_in_advance(
    is_input: bool, expected: list[str], tmp_path: Path
) -> None:
    """Else each job imports it while it declares its tasks, which takes longer than all else that it does."""
    script = tmp_path / "flow.py"
    script.write_text(DATACLASS.format(is_input=is_input))
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected
