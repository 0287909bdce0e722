"""Nothing of a service's containers is left when the service is gone, whichever way it went."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from batch_shell import alive, eventually
from container_engines import TestEngine
from container_shell import NewService, shell_of

from flytekitplugins.awsbatch import machine_time
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_leftovers import leftover_ended_at
from flytekitplugins.awsbatch.batch.emulator.execution.process_tree import child_processes

PROGRAM = Path(__file__).with_name("killed_service.py")
SUPPORT = Path(__file__).parents[1] / "support"


class Killed:
    """A service that is to be killed.

    :ivar jobs: the ids of its jobs, which run.
    """

    def __init__(self, engine: TestEngine, home: Path, *scripts: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
        command = [sys.executable, str(PROGRAM), engine.url, str(home), *scripts]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.jobs = self.process.stdout.readline().split()

    def kill(self, *, supervisor: bool = False) -> None:
        below = child_processes(self.process.pid) if supervisor else []
        for pid in (*below, self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        eventually(lambda: not any(alive(pid) for pid in below))

    def end(self) -> None:
        """What is left of it."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def serving(container_engine: TestEngine, home: Path) -> Iterator[Callable[..., Killed]]:
    """Starts services that run scripts as jobs."""
    with ExitStack() as stack:

        def start(*scripts: str) -> Killed:
            killed = Killed(container_engine, home, *scripts)
            stack.callback(killed.end)
            return killed

        yield start


def knows_of(supervisor: int, home: Path) -> bool:
    """Whether a supervisor was told of a service on a home, and so has its lock."""
    with contextlib.suppress(OSError):
        # Until it runs its own program it has all that its parent has.
        if b"executors.supervisor" in Path(f"/proc/{supervisor}/cmdline").read_bytes():
            return any(each.readlink().is_relative_to(home) for each in Path(f"/proc/{supervisor}/fd").iterdir())
    return False


def containers(engine: TestEngine) -> list[str]:
    return [each["Labels"]["flyte-awsbatch.job"] for each in engine.client().containers(all=True)]


def test_containers_of_a_service_that_is_killed_are_gone_within_seconds(
    container_engine: TestEngine, serving: Callable[..., Killed]
) -> None:
    killed = serving("sleep 600", "sleep 600")
    assert sorted(containers(container_engine)) == sorted(killed.jobs)

    killed.kill()

    eventually(lambda: containers(container_engine) == [])


def test_the_next_start_ends_what_outlived_service_and_supervisor(
    container_engine: TestEngine, serving: Callable[..., Killed], new_service: NewService
) -> None:
    killed = serving("sleep 600")
    killed.kill(supervisor=True)
    assert containers(container_engine) == killed.jobs

    service = new_service()

    assert containers(container_engine) == []
    assert service.adopt(killed.jobs) == killed.jobs
    shell = shell_of(service)
    shell.running(killed.jobs[0])
    assert containers(container_engine) == killed.jobs
    service.terminate_job(jobId=killed.jobs[0], reason="seen")
    assert len(shell.ended(killed.jobs[0])["attempts"]) == 1


@pytest.mark.parametrize("supervisor", [False, True])
def test_what_ended_while_nobody_looked_is_not_run_again(
    container_engine: TestEngine,
    serving: Callable[..., Killed],
    new_service: NewService,
    marks: Path,
    supervisor: bool,
) -> None:
    killed = serving(f"while [ ! -e {marks}/end ]; do sleep 0.05; done; exit 5")
    os.kill(killed.process.pid, signal.SIGSTOP)
    (marks / "end").touch()
    client = container_engine.client()
    eventually(lambda: [each["State"] for each in client.containers(all=True)] == ["exited"])
    killed.kill(supervisor=supervisor)
    if not supervisor:
        eventually(lambda: containers(container_engine) == [])

    service = new_service()
    service.adopt(killed.jobs)

    job = shell_of(service).ended(killed.jobs[0])
    assert (job["status"], [each["container"]["exitCode"] for each in job["attempts"]]) == ("FAILED", [5])
    assert containers(container_engine) == []


def test_two_services_on_one_engine_leave_each_other_alone(
    container_engine: TestEngine, serving: Callable[..., Killed], tmp_path: Path, new_service: NewService
) -> None:
    same_home, other_home = new_service(), new_service(tmp_path / "other")
    jobs = [shell_of(service).submit("sleep 600") for service in (same_home, other_home)]
    for service, job in zip((same_home, other_home), jobs, strict=True):
        shell_of(service).running(job)

    killed = serving("sleep 600")
    killed.kill()
    eventually(lambda: sorted(containers(container_engine)) == sorted(jobs))
    new_service().close()

    assert sorted(containers(container_engine)) == sorted(jobs)
    same_home.close()
    assert containers(container_engine) == jobs[1:]


def test_the_supervisor_of_a_living_service_is_replaced(
    container_engine: TestEngine, home: Path, serving: Callable[..., Killed]
) -> None:
    killed = serving("sleep 600")
    (before,) = child_processes(killed.process.pid)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: any(knows_of(pid, home) for pid in child_processes(killed.process.pid) if pid != before))

    killed.kill()

    eventually(lambda: containers(container_engine) == [])


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("2026-11-30T10:00:00.5Z", 1796032800.5),
        ("2026-11-30T12:00:00.500000001+02:00", 1796032800.5),
        ("0001-01-01T00:00:00Z", 7.0),
        ("", 7.0),
        (None, 7.0),
        ("2026-11-30 10:00:00.5 +0000 UTC", 7.0),
    ],
)
def test_the_end_of_a_container_is_what_its_engine_says(
    monkeypatch: pytest.MonkeyPatch, said: str | None, seconds: float
) -> None:
    monkeypatch.setattr(machine_time, "wall", lambda: 7.0)

    assert leftover_ended_at({"FinishedAt": said}) == seconds
