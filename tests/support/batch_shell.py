"""Shell commands as jobs: submits them to a service and waits for what becomes of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.settings import BatchSettings

WAIT_SECONDS = 100.0
SETTINGS = BatchSettings(vcpus=4, memory=8192, kill_grace=2)

ENDED = ("SUCCEEDED", "FAILED")


class Shell:
    """Submits shell commands to a service and waits for what becomes of them."""

    def __init__(self, service: Any) -> None:
        self.service = service

    def define(self, name: str = "shell", **properties: Any) -> str:
        request = {"image": "local/any:v1", "vcpus": 1, "memory": 256, **properties}
        answer = self.service.register_job_definition(
            jobDefinitionName=name, type="container", containerProperties=request
        )
        return str(answer["jobDefinitionArn"])

    def submit(self, script: str | list[str], *, size: int | None = None, name: str = "job", **request: Any) -> str:
        """The id of a job that runs a shell script, or a command given as a list."""
        command = ["sh", "-c", script] if isinstance(script, str) else script
        request.setdefault("jobQueue", "queue")
        request.setdefault("jobDefinition", "shell")
        overrides = {"command": command, **request.pop("containerOverrides", {})}
        if size is not None:
            request["arrayProperties"] = {"size": size}
        return str(self.service.submit_job(jobName=name, containerOverrides=overrides, **request)["jobId"])

    def describe(self, job_id: str) -> dict[str, Any]:
        answer = self.service.describe_jobs(jobs=[job_id])["jobs"]
        assert len(answer) == 1, job_id
        return dict(answer[0])

    def until(self, job_id: str, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The job's description as soon as it is right, which an ended one does not become any more."""
        limit = time.monotonic() + WAIT_SECONDS
        while True:
            job = self.describe(job_id)
            if right(job):
                return job
            assert job["status"] not in ENDED, job
            assert time.monotonic() < limit, job
            time.sleep(0.01)

    def ended(self, job_id: str) -> dict[str, Any]:
        return self.until(job_id, lambda job: job["status"] in ENDED)

    def running(self, job_id: str) -> dict[str, Any]:
        return self.until(job_id, lambda job: job["status"] == "RUNNING")


def new_shell(service: LocalBatch) -> Shell:
    shell = Shell(service)
    service.ensure_queue("queue")
    shell.define()
    return shell


def eventually(right: Callable[[], bool], what: str = "") -> None:
    limit = time.monotonic() + WAIT_SECONDS
    while not right():
        assert time.monotonic() < limit, what
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended; one may go while its entry is being read."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
