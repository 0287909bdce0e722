"""What is said when a run stops, and the temporary folders that killed processes leave."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from flytekitplugins.awsbatch.batch.emulator.private_folders import OF_PROCESS
from flytekitplugins.awsbatch.local.console import stopping
from flytekitplugins.awsbatch.local.deployment import temporary_folder


def test_the_command_is_shown_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "pyflyte"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    arguments = ["run", "--env", "API_KEY=12345678", "my flow.py", "wf"]
    shown = "run --env 'API_KEY=***' 'my flow.py' wf"
    assert stopping.typed_command([sys.executable, str(script), *arguments], os.environ) == f"pyflyte {shown}"
    elsewhere = tmp_path / "other" / "pyflyte"
    elsewhere.parent.mkdir()
    script.rename(elsewhere)
    assert stopping.typed_command([str(elsewhere), *arguments], os.environ) == f"{elsewhere} {shown}"
    assert stopping.typed_command(["/no/such/python", "flow.py"], {}) == "/no/such/python flow.py"
    assert stopping.typed_command([], {}) == ""


def test_the_command_that_resumes_carries_what_switched_the_emulation_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in stopping.SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "orig_argv", ["pyflyte-x", "run", "--env", "FLYTE_AWSBATCH=local", "flow.py", "wf"])
    command = "pyflyte-x run --env FLYTE_AWSBATCH=local flow.py wf"
    assert stopping.resume_command_at_stopping("abc") == f"FLYTE_AWSBATCH_RESUME=abc {command}"
    monkeypatch.setenv("FLYTE_AWSBATCH", "local")
    monkeypatch.setenv("FLYTE_AWSBATCH_HOME", "/my home")
    assert stopping.resume_command_at_stopping("abc") == (
        f"FLYTE_AWSBATCH_RESUME=abc FLYTE_AWSBATCH_HOME='/my home' {command}"
    )
    monkeypatch.setattr(sys, "orig_argv", ["pyflyte-x", "run", "flow.py", "wf"])
    assert stopping.resume_command_at_stopping("abc") == (
        "FLYTE_AWSBATCH_RESUME=abc FLYTE_AWSBATCH=local FLYTE_AWSBATCH_HOME='/my home' pyflyte-x run flow.py wf"
    )


WORKERS = """
import multiprocessing
from flytekitplugins.awsbatch.local.console import stopping


def work():
    print(stopping.resume_command_at_stopping("abc"), flush=True)


if __name__ == "__main__":
    for method in "spawn", "forkserver", "fork":
        worker = multiprocessing.get_context(method).Process(target=work)
        worker.start()
        worker.join()
"""


def test_workers_are_told_the_command_of_their_program(tmp_path: Path) -> None:
    script = tmp_path / "flow.py"
    script.write_text(WORKERS)
    ran = subprocess.run([sys.executable, str(script), "a b"], check=True, capture_output=True, text=True)
    told = {line.partition(" ")[2].rpartition("python")[2].partition(" ")[2] for line in ran.stdout.splitlines()}
    assert told == {f"{script} 'a b'"}


def test_an_interactive_session_is_told_what_can_be_typed_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stopping.stopping_begins(["n0"], 30, stopping.JobsLeft.ENDED).endswith("Press Ctrl-C again to quit now.")
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "ipykernel_launcher", "-f", "/tmp/tmpabc.json"])
    told = "os.environ['FLYTE_AWSBATCH_RESUME'] = 'abc', and the same call again"
    assert stopping.resume_command_at_stopping("abc") == told
    assert stopping.stopping_begins(["n0"], 30, stopping.JobsLeft.ENDED).endswith("killed after 30 s.")


def test_folders_of_processes_that_died_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    left = tmp_path / f"{OF_PROCESS}{dead.pid}-abc"
    (left / "deep").mkdir(parents=True)
    neighbours = [
        tmp_path / f"{OF_PROCESS}{os.getpid()}-abc",
        tmp_path / f"{OF_PROCESS}x-abc",
        tmp_path / "else",
    ]
    for folder in neighbours:
        folder.mkdir()
    link = tmp_path / f"{OF_PROCESS}{dead.pid}-link"
    link.symlink_to(neighbours[2])

    made = temporary_folder.temporary_folder_of_process()

    assert sorted(tmp_path.iterdir()) == sorted([made, *neighbours, link])
    assert temporary_folder.temporary_folder_of_process() == made
    made.rmdir()
    assert temporary_folder.temporary_folder_of_process().is_dir()


KILLED = """
import os, signal
from flytekitplugins.awsbatch.batch.emulator.execution.executors.supervision import supervision_of_this_process

supervision_of_this_process().directory
os.kill(supervision_of_this_process()._supervised.process.pid, signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_of_a_supervisor_that_was_killed_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # joblib ends its workers so, with all that they have started.
    subprocess.run([sys.executable, "-c", KILLED], check=False, env={**os.environ, "TMPDIR": str(tmp_path)})
    (left,) = tmp_path.iterdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    temporary_folder.temporary_folder_of_process()

    assert not left.exists()


ENDING = """
import multiprocessing, os
from flytekitplugins.awsbatch.local.deployment.temporary_folder import temporary_folder_of_process

own = temporary_folder_of_process()
if os.fork() == 0:
    raise SystemExit
os.wait()
assert own.is_dir()


def work():
    print(temporary_folder_of_process(), flush=True)


worker = multiprocessing.get_context("fork").Process(target=work)
worker.start()
worker.join()
print(own)
"""


def test_the_folder_for_jobs_goes_with_its_process_and_not_with_a_fork_of_it() -> None:
    told = subprocess.run([sys.executable, "-c", ENDING], check=True, capture_output=True, text=True).stdout.split()

    assert len(set(told)) == 2
    assert not any(Path(folder).exists() for folder in told)
