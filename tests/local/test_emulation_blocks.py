"""Blocks of `emulation()`: the order in which they end, who leaves them, and what stays in the temporary folder."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import sdk_tasks
from caller_programs import run_caller_program

from flytekitplugins.awsbatch import emulation
from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.private_folders import OF_PROCESS
from flytekitplugins.awsbatch.local.deployment import temporary_folder
from flytekitplugins.awsbatch.local.home import Home, HomeError
from flytekitplugins.awsbatch.propeller.storage import StorageError
from flytekitplugins.awsbatch.sdk import switch
from flytekitplugins.awsbatch.sdk.errors import AWSBatchTaskError
from flytekitplugins.awsbatch.settings.problems import Problem, SettingsError

PROGRAM = """
import json, os, sys
from pathlib import Path

from flytekit import task
from flytekitplugins.awsbatch import AWSBatchConfig, emulation

@task(task_config=AWSBatchConfig())
def double(n: int) -> int:
    if n < 0:
        raise ValueError("no negative numbers")
    return 2 * n

def call(n):
    return double(n=n)

if __name__ == "__main__":
    BODY
"""
A_FORK_LEAVES = """
    with emulation(quiet=True) as batch:
        double(n=0)
        if os.fork() == 0:
            sys.exit()
        os.wait()
        print(json.dumps([double(n=1), batch.home.is_dir(), str(batch.home)]))
"""
A_WORKER_FAILS = """
    import concurrent.futures, multiprocessing

    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        error = pool.submit(call, -1).exception(60)
    print(json.dumps([type(error).__name__, error.task.rpartition(".")[2], error.node != "", str(error)]))
"""
IN_A_HOME = """
    try:
        with emulation(HOME quiet=True):
            double(n=-1)
    except Exception as error:
        print(json.dumps(str(error).splitlines()[-2:]))
"""
STREAMS = """
    sys.stderr = STREAM
    with emulation():
        print(json.dumps(double(n=2)))
"""


def run(folder: Path, body: str, **variables: str) -> Any:
    done = run_caller_program(folder, PROGRAM.replace("BODY", body.strip()), TMPDIR=str(folder), **variables)
    # Python itself ends with 120 where it cannot write out what is left for a stream.
    assert done.returncode in (0, 120), done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_blocks_may_end_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    first, second = emulation(tmp_path / "first", quiet=True), emulation(tmp_path / "second", quiet=True)
    one, other = first.__enter__(), second.__enter__()
    try:
        assert sdk_tasks.square(x=2) == 4
        first.__exit__(None, None, None)
        assert switch.emulation_on()
        assert sdk_tasks.square(x=3) == 9
        assert (len(one.requests), len(other.jobs)) == (0, 2)
    finally:
        second.__exit__(None, None, None)
    assert not switch.emulation_on()


def test_a_fork_that_leaves_the_block_takes_nothing_away(tmp_path: Path) -> None:
    result, was_there, home = run(tmp_path, A_FORK_LEAVES)
    assert (result, was_there) == (2, True)
    assert not Path(home).exists()


def test_a_failed_task_in_a_worker_is_told_to_its_parent(tmp_path: Path) -> None:
    kind, task, has_node, text = run(tmp_path, A_WORKER_FAILS, FLYTE_AWSBATCH="local")
    assert (kind, task, has_node) == ("TaskFailedError", "double", True)
    assert "no negative numbers" in text


@pytest.mark.parametrize("stream", ["None", 'open("/dev/full", "w")', 'open("/dev/null")'])
def test_a_run_whose_progress_cannot_be_written_runs_all_the_same(tmp_path: Path, stream: str) -> None:
    assert run(tmp_path, STREAMS.replace("STREAM", stream)) == 4


def test_lines_of_a_call_go_to_where_standard_error_is_redirected(tmp_path: Path) -> None:
    told = []
    with emulation(tmp_path):
        for number in range(2):
            with contextlib.redirect_stderr(io.StringIO()) as stream:
                sdk_tasks.square(x=number)
            told.append(stream.getvalue())

    assert [text.count("Execution ") for text in told] == [1, 1]


@pytest.mark.parametrize("name", ["a[1]", "what?", "all*", "a::b", "$HOME"])
def test_a_home_that_flytekit_reads_otherwise_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HomeError, match="takes that for a pattern or a variable"), emulation(tmp_path / name):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_tmpdir_that_flytekit_reads_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "pbs.7[1].server"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    with pytest.raises(HomeError, match="Set TMPDIR to another folder"), emulation(tmp_path / "home"):
        pass
    assert list(temporary.iterdir()) == []


def test_folders_that_a_task_nested_too_deeply_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    left = tmp_path / f"{OF_PROCESS}{dead.pid}-abc"
    # Deeper than a function that calls itself for each folder can go.
    left.mkdir()
    made = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", made], cwd=left, check=True)

    temporary_folder.temporary_folder_of_process()

    assert not left.exists()


def test_the_home_of_a_block_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder.temporary_home() as mine:
        assert mine.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        AWSBatchTaskError("AB101", "why"),
        BatchError("ClientException", "why", 404),
        StorageError("s3://bucket/key", "why"),
        SettingsError([Problem("a.yaml", 3, "emulator.isolation", "x", "expected fork")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_processes(error: Exception) -> None:
    there = pickle.loads(pickle.dumps(error))
    assert (type(there), str(there), vars(there)) == (type(error), str(error), vars(error))


def test_commands_that_are_printed_name_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_AWSBATCH_HOME", str(tmp_path))
    assert Home(tmp_path).command == f"FLYTE_AWSBATCH_HOME={tmp_path} flyte-awsbatch"
    assert Home(Path.home() / ".flyte" / "awsbatch").command == "flyte-awsbatch"


def test_a_failure_in_a_home_that_goes_says_how_to_keep_it(tmp_path: Path) -> None:
    assert run(tmp_path, IN_A_HOME.replace("HOME", ""))[-1] == (
        "Its home and the logs in it go with the block of emulation(). To look into the run, and to run a child "
        "again in a debugger, keep them: emulation(home=...)."
    )
    again, command = run(tmp_path, IN_A_HOME.replace("HOME", f"{str(tmp_path / 'kept')!r},"))
    assert again == "Run it again, here and in a debugger:"
    assert command.startswith(f"FLYTE_AWSBATCH_HOME={tmp_path / 'kept'} flyte-awsbatch rerun ")


@pytest.mark.parametrize(
    ("operation", "arguments", "said"),
    [
        ("submit_job", {"jobName": "n"}, "jobQueue is required; jobDefinition is required"),
        ("describe_jobs", {"job": ["n"]}, "jobs is required"),
        ("list_jobs", {"jobQueue": "default", "jobStatus": "DONE"}, "jobStatus DONE must be one of SUBMITTED"),
    ],
)
def test_requests_of_a_test_are_checked_as_others(operation: str, arguments: dict[str, Any], said: str) -> None:
    with emulation(quiet=True) as emulated, pytest.raises(BatchError, match=re.escape(said)):
        getattr(emulated.batch, operation)(**arguments)
