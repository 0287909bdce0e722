"""Warm interpreters that are kept for the next test end with the process that keeps them, whichever way it ends: real
sessions of pytest, real signals.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from batch_shell import alive, eventually
from inner_sessions import pytest_command

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere everything is a process"),
    pytest.mark.usefixtures("signals_of_a_terminal"),
    pytest.mark.timeout(600),
]

SESSION = """
    import os, sys, time
    import pytest
    from flytekit import task
    from flytekitplugins.awsbatch import AWSBatchConfig, map_task
    from flytekitplugins.awsbatch.batch.emulator.execution.executors import supervision
    from flytekitplugins.awsbatch.batch.emulator.execution.process_tree import descendant_processes


    @task(task_config=AWSBatchConfig())
    def double(x: int) -> int:
        return 2 * x


    @pytest.mark.parametrize("number", range(2))
    def test_doubles(awsbatch, number):
        assert map_task(double)(x=[number, 1]) == [2 * number, 2]


    def test_the_end():
        # Between two emulations.
        its = supervision.supervision_of_this_process()._supervised.process.pid
        with open({pids!r} + ".new", "w") as file:
            print(os.getpid(), its, *descendant_processes(its), file=file)
        os.rename({pids!r} + ".new", {pids!r})
        {end}


    def test_after_the_end():
        {after}
"""
WAIT = "time.sleep(300)"
ENDS = {
    "the end of the session": ("pass", (), 0),
    "-x": ("assert False", ("-x",), 0),
    "os._exit": ("os._exit(3)", (), 0),
    "SIGINT": (WAIT, (), signal.SIGINT),
    "SIGTERM": (WAIT, (), signal.SIGTERM),
    "SIGKILL": (WAIT, (), signal.SIGKILL),
    "the end of a session of xdist": ("pass", ("-n", "1"), 0),
    "a crash of a worker of xdist": ("os._exit(3)", ("-n", "1"), 0),
    "kill -9 of a worker of xdist": (WAIT, ("-n", "1"), signal.SIGKILL),
}


@pytest.mark.parametrize("how", ENDS)
def test_no_interpreter_outlives_the_process_that_keeps_it(tmp_path: Path, how: str) -> None:
    end, options, number = ENDS[how]
    pids = tmp_path / "pids"
    (tmp_path / "test_session.py").write_text(textwrap.dedent(SESSION).format(pids=str(pids), end=end, after="pass"))
    with subprocess.Popen(
        pytest_command(tmp_path, *options), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as session:
        # As long as pytest's timeout lets it: two sessions of pytest take their time on a busy machine.
        while not pids.exists() and session.poll() is None:
            time.sleep(0.02)
        keeper, supervisor, *interpreters = map(int, pids.read_text().split())
        if number:
            os.kill(keeper, number)
        output, _ = session.communicate()
    assert len(interpreters) == 1, output
    eventually(lambda: not any(map(alive, (keeper, supervisor, *interpreters))), "an interpreter is left")


WAITING = """
    import pathlib, time
    import pytest
    from flytekit import task
    from flytekitplugins.awsbatch import AWSBatchConfig


    @pytest.fixture
    def shared(awsbatch_factory):
        with awsbatch_factory() as batch:
            yield batch


    @task(task_config=AWSBatchConfig())
    def wait(folder: str):
        pathlib.Path(folder, "begun").touch()
        time.sleep(300)


    def test_waits({fixture}):
        wait(folder={folder!r})


    def test_comes_next({fixture}):
        pathlib.Path({folder!r}, "next").touch()
"""


@pytest.mark.parametrize("fixture", ["awsbatch", "shared"])
def test_ctrl_c_in_a_test_ends_the_session(tmp_path: Path, fixture: str) -> None:
    session_file = textwrap.dedent(WAITING).format(folder=str(tmp_path), fixture=fixture)
    (tmp_path / "test_session.py").write_text(session_file)
    with subprocess.Popen(
        pytest_command(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as session:
        while not (tmp_path / "begun").exists() and session.poll() is None:
            time.sleep(0.02)
        os.kill(session.pid, signal.SIGINT)
        output, _ = session.communicate()
    assert session.returncode == pytest.ExitCode.INTERRUPTED, output
    assert not (tmp_path / "next").exists()
