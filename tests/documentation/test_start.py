"""docs/start.md, followed from an empty folder: its files are saved, its commands run in their order, and what it shows
of their output is there. `make start` begins with the installation, also that of the README."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from backends import ROOT
from doc_pages import blocks, run

PAGE = "docs/start.md"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
INSTALLS = pytest.mark.skipif(
    "AWSBATCH_START_INSTALLS" not in os.environ, reason="asks a package registry; `make start`, and CI, do that"
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("installs", [False, pytest.param(True, marks=INSTALLS)], ids=["installed", "installs"])
def test_the_start_works_from_an_empty_folder(tmp_path: Path, installs: bool) -> None:
    folder = tmp_path / "awsbatch-start"
    environment = environment_of_a_reader(tmp_path)
    install, *steps = blocks(PAGE)
    assert "pip install" in install.text
    if installs:
        repository = str(copied_repository(tmp_path))
        run(install.text.replace("/path/to/flytekitplugins-awsbatch", repository), tmp_path, environment)
        activate(environment, folder / ".venv")
    else:
        folder.mkdir()
    output = ""
    for block in steps:
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            done = subprocess.run(
                ["bash", "-ec", block.text],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            output = done.stdout
            assert (done.returncode == 0) == ("4ever" not in block.text), f"{block}: {output}"
        else:
            assert shown_in(output, block.text), f"{block}: {output}"


@pytest.mark.timeout(900)
@INSTALLS
def test_the_two_commands_of_the_readme_work_in_a_copy_of_the_repository(tmp_path: Path) -> None:
    two = blocks("README.md", "sh")[0]
    environment = environment_of_a_reader(tmp_path)
    run("python -m venv environment", tmp_path, environment)
    activate(environment, tmp_path / "environment")
    assert "Hello" in run(two.text, copied_repository(tmp_path), environment)


def environment_of_a_reader(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLYTE_", "PYTEST_"))}
    return kept | {"PATH": PATH, "FLYTE_AWSBATCH_HOME": str(tmp_path / "home"), "COLUMNS": "200"}


def activate(environment: dict[str, str], venv: Path) -> None:
    """What `. bin/activate` does for the commands that follow it."""
    environment |= {"PATH": f"{venv / 'bin'}{os.pathsep}{environment['PATH']}", "VIRTUAL_ENV": str(venv)}


def copied_repository(tmp_path: Path) -> Path:
    """pip builds inside the folder that it is given, which other tests read meanwhile."""
    copy = tmp_path / "flytekitplugins-awsbatch"
    left_out = shutil.ignore_patterns(".git", ".venv*", "*.egg-info", "build", "site", ".*_cache", "__pycache__")
    return Path(shutil.copytree(ROOT, copy, ignore=left_out))


def shown_in(output: str, shown: str) -> bool:
    """Whether each line is there; `…` stands for anything within a line, and lines may be wrapped."""
    plain = re.sub(r"[\s│]+", " ", output)
    return all(
        re.search(".*?".join(map(re.escape, re.split(r"\s*…\s*", " ".join(line.split())))), plain)
        for line in shown.splitlines()
    )
