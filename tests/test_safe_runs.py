"""A test that goes wrong costs its run, never the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CRASH = """
import os, signal

def test_before():
    pass

def test_that_kills_its_worker():
    os.kill(os.getpid(), signal.SIGKILL)

def test_after():
    pass
"""


def test_a_worker_that_dies_ends_the_run_and_is_named(tmp_path: Path) -> None:
    """With `--dist loadfile`, pytest-xdist waits for ever for the tests of a replaced worker (pytest-xdist#1378)."""
    for number in range(4):
        (tmp_path / f"test_fine_{number}.py").write_text("def test_fine():\n    pass\n")
    (tmp_path / "test_crash.py").write_text(CRASH)
    options = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, "-n", "2", "--dist", "loadfile", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    if "cannot send (already closed?)" in run.stdout:
        # Once in hundreds of runs pytest-xdist talks to the worker in the moment in which it dies, and ends with an
        # error of its own.
        run = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert run.returncode == 1
    assert "crashed while running 'test_crash.py::test_that_kills_its_worker'" in run.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
@pytest.mark.parametrize("started", [False, True], ids=["in the worker", "in a process that a test starts"])
def test_memory_without_end_is_an_error(started: bool) -> None:
    if not started:
        with pytest.raises(MemoryError):
            bytearray(7 << 30)
        return
    run = subprocess.run([sys.executable, "-c", "bytearray(7 << 30)"], capture_output=True, text=True, check=False)
    assert "MemoryError" in run.stderr


def run_with_temporary_folder(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/sdk/test_sdk_import.py"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=90, check=True)


def test_a_run_leaves_nothing_in_the_folder_for_temporary_files(tmp_path: Path) -> None:
    run_with_temporary_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_next_run_keeps_the_last_three_that_failed_and_all_that_run(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    of_ended_ones = [f"tests-{ended.pid}-0000000{number}" for number in range(5)]
    others = [f"tests-{os.getpid()}-00000000", "tests-results"]
    for number, name in enumerate([*others, *of_ended_ones]):
        (tmp_path / name / "pytest-of-somebody").mkdir(parents=True)
        os.utime(tmp_path / name, (number, number))
    run_with_temporary_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, *of_ended_ones[2:]])
