from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
import sdk_tasks
from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument
from flyteidl.core.execution_pb2 import ExecutionError
from flytekit import TaskMetadata, task
from sdk_array import SCRIPTS, Array
from sdk_builders import collection, inputs, integer, template

import flytekitplugins_awsbatch_timeout as timeouts
from flytekitplugins.awsbatch import AWSBatchConfig, map_task

# Long enough for a busy machine to import flytekit before it.
LIMIT = "The attempt was ended 10 s before its time limit of 30 s."


@pytest.mark.parametrize(
    ("limit", "seconds"), [(4, 2), (12, 6), (20, 10), (60, 10), (200, 10), (400, 20), (600, 30), (86_400, 30)]
)
def test_the_margin_leaves_room_to_write_an_error_and_most_of_the_time_to_the_task(limit: int, seconds: int) -> None:
    assert timeouts.margin(limit) == seconds


# Templates


@pytest.mark.parametrize("timeout", [None, 0, timedelta(milliseconds=900)])
def test_without_a_timeout_the_commands_are_as_ever(timeout: Any) -> None:
    @task(task_config=AWSBatchConfig(), timeout=timeout)
    def untimed(x: int) -> int:
        return x

    assert template(untimed).container.args[0] == "pyflyte-execute"
    assert "--timeout" not in template(map_task(untimed)).container.args


def test_a_single_task_with_a_timeout_runs_below_the_one_that_ends_it() -> None:
    arguments = list(template(sdk_tasks.slow).container.args)
    assert arguments[:7] == [
        "pyflyte-awsbatch-timeout",
        "--timeout",
        "30",
        "--output-prefix",
        "{{.outputPrefix}}/0",
        "--",
        "pyflyte-execute",
    ]
    fast = list(template(sdk_tasks.slow, fast=True).container.args)
    assert fast[:7] == [
        "pyflyte-fast-execute",
        "--additional-distribution",
        "s3://bucket/code.tar.gz",
        "--dest-dir",
        "/root",
        "--",
        "pyflyte-awsbatch-timeout",
    ]


def test_a_map_tells_its_children_the_timeout_of_its_own_metadata() -> None:
    def limit(entity: Any) -> str:
        arguments = list(template(entity).container.args)
        at = arguments.index("--timeout")
        assert arguments[at + 2] == "--resolver"
        return arguments[at + 1]

    assert limit(map_task(sdk_tasks.slow)) == "30"
    assert limit(map_task(sdk_tasks.slow, metadata=TaskMetadata(timeout=timedelta(hours=1)))) == "3600"


# Children


def test_a_child_that_takes_too_long_ends_itself_with_an_error_that_says_where_it_was(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=collection([integer(0), integer(1)])), map_task(sdk_tasks.slow))
    done = array.child(1)
    assert (done.returncode, array.written()) == (1, ["1/error.pb"])
    error = array.error(1)
    assert (error.code, error.kind, error.origin) == (
        "AttemptTimedOut",
        ContainerError.RECOVERABLE,
        ExecutionError.ErrorKind.USER,
    )
    assert error.message.splitlines()[-1].startswith(LIMIT)
    assert "sdk_tasks.py" in error.message
    assert "time.sleep(0.1)" in error.message
    assert LIMIT in done.stderr


def test_a_child_that_is_done_in_time_is_left_alone(tmp_path: Path) -> None:
    array = Array(
        tmp_path,
        inputs(x=collection([integer(0)])),
        map_task(sdk_tasks.slow, metadata=TaskMetadata(timeout=timedelta(hours=1))),
    )
    assert (array.child(0).returncode, array.outputs(0)) == (0, inputs(o0=integer(0)))


def test_a_child_that_holds_the_interpreters_lock_still_ends_before_batch_ends_it(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=collection([integer(1)])), map_task(sdk_tasks.stubborn))
    done = array.child(0)
    assert (done.returncode, array.written()) == (1, [])
    assert "Timeout (" in done.stderr


def test_a_single_task_that_takes_too_long_is_ended_and_its_stacks_are_in_the_log(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=integer(1)), sdk_tasks.slow)
    done = array.child(0)
    assert (done.returncode, array.written()) == (1, ["0/error.pb"])
    assert array.error(0).message.startswith(LIMIT)
    assert LIMIT in done.stderr


# The command around a command


def run(tmp_path: Path, program: str, limit: float = 3600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(str(SCRIPTS / "pyflyte-awsbatch-timeout"), "--timeout", str(limit)),
            *("--output-prefix", str(tmp_path / "out"), "--", sys.executable, "-c", program),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("program", "status"),
    [("print('done')", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)],
)
def test_a_command_that_ends_by_itself_keeps_its_status(tmp_path: Path, program: str, status: int) -> None:
    assert run(tmp_path, program).returncode == status
    assert not (tmp_path / "out").exists()


def test_a_command_that_ends_well_on_its_last_words_is_no_failure(tmp_path: Path) -> None:
    program = "import signal, time; signal.signal(signal.SIGUSR1, lambda *_: exit(0)); time.sleep(60)"
    assert (run(tmp_path, program, limit=8).returncode, (tmp_path / "out").exists()) == (0, False)


def test_a_command_that_will_not_end_is_killed(tmp_path: Path) -> None:
    program = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (10, 15)]; time.sleep(60)"
    assert run(tmp_path, program, limit=8).returncode == 1
    error = ErrorDocument.FromString((tmp_path / "out" / "error.pb").read_bytes()).error
    assert error.message.startswith("The attempt was ended 4 s before its time limit of 8 s.")


def test_a_signal_from_batch_reaches_the_command(tmp_path: Path) -> None:
    program = "import signal; signal.signal(15, lambda *_: exit(5)); print('ready', flush=True); signal.pause()"
    process = subprocess.Popen(
        [
            *(str(SCRIPTS / "pyflyte-awsbatch-timeout"), "--timeout", "3600", "--output-prefix", str(tmp_path)),
            *("--", sys.executable, "-c", program),
        ],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait() == 5
    process.stdout.close()


def test_an_error_goes_to_a_remote_store_through_flytekit() -> None:
    timeouts.write_error("memory://bucket/timed/out/", "too long")
    with fsspec.open("memory://bucket/timed/out/error.pb", "rb") as file:
        error = ErrorDocument.FromString(file.read()).error
    assert (error.code, error.message) == ("AttemptTimedOut", "too long")


def test_the_command_imports_nothing_beyond_the_standard_library_until_the_time_is_up() -> None:
    program = "import sys, flytekitplugins_awsbatch_timeout; print('flytekit' in sys.modules, 'google' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
