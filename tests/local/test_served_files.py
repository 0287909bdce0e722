"""Files by way of a service in a process of its own (`FLYTE_AWSBATCH=http://...`) are as isolated as with one in this
process."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyflyte_command import SCRIPTS, Shell

TASKS = Path(__file__).parents[1] / "support" / "file_tasks.py"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = str(tmp_path_factory.mktemp("served"))
    own = ["--home", home, "--port", "0", "--env", f"PYTHONPATH={TASKS.parent}"]
    command = [str(SCRIPTS / "flyte-awsbatch"), "serve", *own]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        try:
            yield found.group()
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("flow", "given", "expected"),
    [
        ("passed_on", ("--x", "mine.txt"), "DefaultNamedTupleOutput(o0='mine', o1='mine')"),
        pytest.param(
            *("mapped_twice", ("--ns", "[1, 2]")),
            "DefaultNamedTupleOutput(o0=['file 1', 'file 2'], o1=['file 1', 'file 2'])",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("second_attempt", ("--n", "1"), "['file 1', 'a.txt=a1', 'deep/b.txt=b1']"), marks=pytest.mark.slow
        ),
    ],
    ids=["the caller's own", "a map's", "a second attempt's"],
)
def test_files_are_copies_for_each_attempt(
    tmp_path: Path, url: str, flow: str, given: tuple[str, str], expected: str
) -> None:
    shell = Shell(tmp_path)
    mine = shell.write("mine.txt", "mine")
    ran = shell.run("run", "--env", f"FLYTE_AWSBATCH={url}", str(TASKS), flow, *given)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == expected
    assert mine.read_text() == "mine"
