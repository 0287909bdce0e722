"""What becomes of jobs whose container engine goes away, hangs, or has no space left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_shell import eventually
from container_engines import TestEngine
from container_shell import NewService, shell_of

from flytekitplugins.awsbatch.batch.emulator.execution.executors import container_attempt, container_engine


@pytest.fixture
def engine(container_engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestEngine]:
    """One that may be killed and stopped. It is waited for as long as it takes."""
    monkeypatch.setattr(container_attempt, "AWAY", 600.0)
    yield container_engine
    if container_engine.process is None:
        container_engine.start()
    assert container_engine.process is not None
    os.kill(container_engine.process.pid, signal.SIGCONT)


def attempts(job: dict[str, Any]) -> list[tuple[str, int | None, str | None]]:
    return [
        (each["statusReason"], each["container"].get("exitCode"), each["container"].get("reason"))
        for each in job["attempts"]
    ]


def marked(folder: Path) -> dict[str, Any]:
    """Properties of a job whose attempts see a folder of this machine at /marks."""
    return {
        "volumes": [{"name": "marks", "host": {"sourcePath": str(folder)}}],
        "mountPoints": [{"sourceVolume": "marks", "containerPath": "/marks"}],
    }


@pytest.mark.parametrize("ends", ["meanwhile", "later"])
def test_a_container_outlives_its_engine_and_is_followed_when_the_engine_is_back(
    engine: TestEngine, new_service: NewService, marks: Path, ends: str
) -> None:
    service = new_service()
    shell = shell_of(service, **marked(marks))
    until = "while [ ! -e /marks/go ]; do sleep 0.05; done"
    job_id = shell.submit(f"echo before; {until}; echo after; touch /marks/over; exit 3")
    shell.until(job_id, lambda _: service.log_tail(job_id) == "before")

    engine.kill()
    if ends == "meanwhile":
        (marks / "go").touch()
        eventually((marks / "over").exists)
    engine.start()
    (marks / "go").touch()

    assert attempts(shell.ended(job_id)) == [("Essential container in task exited", 3, None)]
    eventually(lambda: engine.client().containers(all=True) == [])


def test_a_job_that_is_terminated_while_its_engine_is_away_ends_when_it_is_back(
    engine: TestEngine, new_service: NewService
) -> None:
    service = new_service()
    shell = shell_of(service)
    job_id = shell.submit("trap 'exit 9' TERM; echo ready; while true; do sleep 0.05; done")
    shell.until(job_id, lambda _: service.log_tail(job_id) == "ready")

    engine.kill()
    service.terminate_job(jobId=job_id, reason="enough")
    engine.start()

    job = shell.ended(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "enough")


def test_an_attempt_that_was_lost_does_not_run_beside_the_next_one(
    engine: TestEngine, new_service: NewService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_attempt, "AWAY", 0.0)
    service = new_service()
    shell = shell_of(service)
    lost = shell.submit("echo ready; sleep 600")
    shell.until(lost, lambda _: service.log_tail(lost) == "ready")

    engine.kill()
    ((reason, code, _),) = attempts(shell.ended(lost))
    assert "the container engine" in reason
    assert code is None
    ((_, _, cannot_start),) = attempts(shell.ended(shell.submit("true")))
    assert cannot_start == "CannotStartContainerError: the container engine: No such file or directory"
    engine.start()
    assert [each["State"] for each in engine.client().containers(all=True)] == ["running"]

    assert shell.ended(shell.submit("true"))["status"] == "SUCCEEDED"
    eventually(lambda: engine.client().containers(all=True) == [])


def test_an_engine_that_hangs_is_said_in_ecs_words(engine: TestEngine, new_service: NewService) -> None:
    client = engine.client()
    shell = shell_of(new_service(client=client))
    assert engine.process is not None

    os.kill(engine.process.pid, signal.SIGSTOP)
    client.timeout = 0.2

    assert attempts(shell.ended(shell.submit("true"))) == [
        (
            "Task failed to start",
            None,
            "DockerTimeoutError: Could not transition to pulled; the container engine does not answer",
        )
    ]


def test_an_engine_that_hangs_is_not_waited_for_at_the_start(
    engine: TestEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_engine, "FIRST_ANSWER", 0.2)
    assert engine.process is not None

    os.kill(engine.process.pid, signal.SIGSTOP)

    with pytest.raises(container_engine.NoEngineError, match=r"Tried unix:.*imed out"):
        container_engine.connect_engine(engine.url)
