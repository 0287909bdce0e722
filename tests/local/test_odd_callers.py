"""Processes that call tasks where others have blocked signals, put scripts elsewhere, removed folders or mocked."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from unittest import mock

import pytest
from backends import ROOT
from caller_programs import run_caller_program

from flytekitplugins.awsbatch.propeller.replace_file import replace_file

PROGRAM = """
import os, signal
if __name__ == "__main__":
    BEFORE

from flytekit import task
from flytekitplugins.awsbatch import AWSBatchConfig, emulation, map_task

@task(task_config=AWSBatchConfig(), retries=1)
def double(n: int) -> int:
    return 2 * n

@task(task_config=AWSBatchConfig(), retries=1)
def blocked() -> str:
    return str(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

if __name__ == "__main__":
    with emulation(SETTINGS):
        FIRST
"""

# As debuggers and profilers do that follow subprocesses.
FOLLOW_SUBPROCESSES = """
    import subprocess
    popen = subprocess.Popen.__init__
    def follow(self, args, **options):
        python = "python" in os.path.basename(args[0])
        popen(self, [args[0], "-c", "import sys; sys.exit(9)"] if python else args, **options)
    subprocess.Popen.__init__ = follow
"""

# As scalene does, whose script is a profiled Python.
WRAP_PYTHON = 'import sys; sys.executable = "/bin/false"'

# As Python 3.12 does once the main thread has ended, while others still wait for their jobs.
NO_MORE_THREADS = """
    import threading
    start = threading.Thread.start
    def refuse(self):
        if self.name in ("awsbatch-warm-start", "awsbatch-scratch"):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(self)
    threading.Thread.start = refuse
"""

MOCKING = "from unittest import mock\n        with"


def run(
    folder: Path,
    first: str,
    before: str = "pass",
    settings: str = "",
    interpreter: str = sys.executable,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    text = PROGRAM.replace("FIRST", first).replace("BEFORE", before).replace("SETTINGS", settings)
    return run_caller_program(folder, text, interpreter, **variables)


@pytest.mark.parametrize("isolation", ["fork", "worker", "process"])
def test_signals_that_the_caller_blocks_are_not_blocked_in_jobs(tmp_path: Path, isolation: str) -> None:
    done = run(
        tmp_path,
        "print(map_task(double)(n=[1, 2]), blocked())",
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})",
        f'settings="emulator: {{isolation: {isolation}}}"',
    )

    assert done.stdout == "[2, 4] set()\n", done.stderr


@pytest.mark.parametrize("isolation", ["fork", "process"])
def test_scripts_that_this_interpreter_does_not_have_are_written(tmp_path: Path, isolation: str) -> None:
    there = [str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    path = os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if not _has_flytekit(each))
    base = getattr(sys, "_base_executable", sys.executable)
    if _has_flytekit(str(Path(base).parent)):
        pytest.skip("these tests do not run in a virtual environment")
    if isolation == "process":
        # A path that no first line of a script can hold.
        base = str(tmp_path / "a folder" / "python")
        Path(base).parent.mkdir()
        Path(base).symlink_to(sys._base_executable)
    done = run(
        tmp_path,
        "print(double(n=1), map_task(double)(n=[1, 2]))",
        settings=f'settings="emulator: {{isolation: {isolation}}}"',
        interpreter=base,
        PATH=path,
        PYTHONPATH=os.pathsep.join(there),
    )

    assert done.stdout == "2 [2, 4]\n", done.stderr
    assert "started anew" not in done.stderr


def _has_flytekit(folder: str) -> bool:
    return (Path(folder) / "pyflyte-execute").exists()


@pytest.mark.parametrize("isolation", ["fork", "worker", "process"])
@pytest.mark.parametrize("tool", [FOLLOW_SUBPROCESSES.strip(), WRAP_PYTHON])
def test_tools_that_rewrite_python_commands_do_not_keep_jobs_from_starting(
    tmp_path: Path, isolation: str, tool: str
) -> None:
    settings = f'settings="emulator: {{isolation: {isolation}}}"'
    done = run(tmp_path, "print(map_task(double)(n=[1, 2]))", tool, settings)

    assert done.stdout == "[2, 4]\n", done.stderr


def test_a_call_ends_although_no_more_threads_can_be_started(tmp_path: Path) -> None:
    done = run(tmp_path, "print(map_task(double)(n=[1, 2]))", NO_MORE_THREADS.strip())

    assert (done.returncode, done.stdout) == (0, "[2, 4]\n"), done.stderr


def test_a_mocked_open_does_not_reach_the_records(tmp_path: Path) -> None:
    with mock.patch("builtins.open", mock.mock_open()):
        replace_file(str(tmp_path / "record"), b"whole")

    assert (tmp_path / "record").read_bytes() == b"whole"


def test_a_mocked_open_does_not_reach_the_inputs_of_a_map(tmp_path: Path) -> None:
    done = run(tmp_path, f"{MOCKING} mock.patch('builtins.open', mock.mock_open()): print(map_task(double)(n=[1, 2]))")

    assert done.stdout == "[2, 4]\n", done.stderr


def test_a_mocked_time_does_not_reach_records_and_jobs(tmp_path: Path) -> None:
    done = run(tmp_path, f"{MOCKING} mock.patch('time.time'): print(map_task(double)(n=[1, 2]))")

    assert done.stdout == "[2, 4]\n", done.stderr


def test_clocks_that_stand_still_stop_no_deadline(tmp_path: Path) -> None:
    stopped = "mock.patch('time.time', return_value=2e9), mock.patch('time.monotonic', return_value=2e9)"
    # No job fits into this memory, which the run is told of after a while.
    settings = "settings={'emulator': {'memory': 8, 'hang_limit': 1}}"
    done = run(tmp_path, f"{MOCKING} {stopped}: double(n=1)", settings=settings)

    assert "Ended here after 1s (emulator.hang_limit)" in " ".join(done.stderr.split())


def test_a_working_directory_that_is_gone_is_told_of(tmp_path: Path) -> None:
    done = run(tmp_path, 'os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone"); double(n=1)')

    assert done.returncode == 1
    assert "FileNotFoundError: The working directory of this process has been removed" in " ".join(done.stderr.split())


def test_in_a_job_the_variable_that_says_so_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "double(n=1)", AWS_BATCH_JOB_ID="0a1b")

    told = " ".join(done.stderr.split())
    assert "called in a job's own process (AWS_BATCH_JOB_ID is set)" in told
    assert "unset AWS_BATCH_JOB_ID" in told


ONLY_AS_A_SCRIPT = """
from flytekit import task
from flytekitplugins.awsbatch import AWSBatchConfig, emulation

if __name__ == "__main__":
    @task(task_config=AWSBatchConfig())
    def defined() -> str:
        return "in the script"
else:
    @task(task_config=AWSBatchConfig())
    def defined() -> str:
        return "in the module"

if __name__ == "__main__":
    @task(task_config=AWSBatchConfig())
    def guarded() -> str:
        return "guarded"

    with emulation() as awsbatch:
        print(defined())
        try:
            guarded()
        except Exception as error:
            print(str(error).replace("\\n", " "))
        print(len(awsbatch.requests))
"""


def test_a_task_that_only_the_script_defines_is_refused_before_it_is_submitted(tmp_path: Path) -> None:
    done = run_caller_program(tmp_path, ONLY_AS_A_SCRIPT)

    result, refused, requests = done.stdout.splitlines()
    assert result == "in the module", done.stderr
    assert 'Task flow.guarded is defined below `if __name__ == "__main__":`' in refused
    assert requests == "1"


def test_a_folder_that_the_import_path_of_jobs_cannot_hold_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    outside = run(folder, "double(n=1)", "os.chdir('/')")
    inside = run(folder, "print(double(n=1))")

    told = " ".join(outside.stderr.split())
    assert "flow is in" in told, outside.stderr
    assert "Rename the folder, or run this from inside it." in told
    assert inside.stdout == "2\n", inside.stderr
