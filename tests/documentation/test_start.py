"""docs/start.md, followed from an empty folder: its files are saved, its commands run in their order, and what it shows
of their output is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import blocks

PAGE = "docs/start.md"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.timeout(900)
def test_the_start_works_from_an_empty_folder(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FLYTE_", "PYTEST_"))}
    environment |= {"PATH": PATH, "FLYTE_AWSBATCH_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
    folder = tmp_path / "awsbatch-start"
    folder.mkdir()
    install, *steps = blocks(PAGE)
    assert "pip install" in install.text
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


def shown_in(output: str, shown: str) -> bool:
    """Whether each line is there; `…` stands for anything within a line, and lines may be wrapped."""
    plain = re.sub(r"[\s│]+", " ", output)
    return all(
        re.search(".*?".join(map(re.escape, re.split(r"\s*…\s*", " ".join(line.split())))), plain)
        for line in shown.splitlines()
    )
