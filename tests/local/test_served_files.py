"""Files by way of a service in a process of its own (`FLYTE_AWSBATCH=http://...`) are as isolated as with one in this
process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyflyte_command import Shell
from serving import serving

TASKS = Path(__file__).parents[1] / "support" / "file_tasks.py"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("served") / "home", "--env", f"PYTHONPATH={TASKS.parent}") as (found, _):
        yield found


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
