"""Coverage counts what tasks do in the processes of their attempts, set as the page on testing says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from doc_pages import blocks

TASKS = """
    from flytekit import task
    from flytekitplugins.awsbatch import AWSBatchConfig

    @task(task_config=AWSBatchConfig())
    def digits(x: int) -> int:
        if x < 10:
            return 1
        if x < 100:
            return 2
        return 3
"""
TEST = """
    import pytest
    from flytekitplugins.awsbatch import map_task
    from my_project.tasks import digits

    @pytest.mark.awsbatch(settings={{"emulator": {{"isolation": "{isolation}"}}}})
    def test_digits(awsbatch):
        assert map_task(digits)(x=[7, 77, 7, 77]) == [1, 2, 1, 2]
"""
PAGE = "docs/how-to/testing.md"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="coverage needs tomllib for pyproject.toml")
@pytest.mark.parametrize("isolation", ["fork", "worker", "process"])
def test_lines_that_only_children_run_are_covered(tmp_path: Path, isolation: str) -> None:
    (block,) = blocks(PAGE, "toml")
    (tmp_path / "pyproject.toml").write_text(block.text)
    package = tmp_path / "my_project"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(textwrap.dedent(TASKS))
    (tmp_path / "test_digits.py").write_text(textwrap.dedent(TEST.format(isolation=isolation)))
    # Without the settings of the run that this test may belong to.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    session = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--cov", "--cov-report=json"]
    done = subprocess.run(session, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = [
        found
        for name, found in json.loads((tmp_path / "coverage.json").read_text())["files"].items()
        if name.endswith("tasks.py")
    ]
    assert [file["missing_lines"], file["executed_lines"][-4:]] == [[11], [7, 8, 9, 10]]
