"""Faults on demand: each kind, in process and over HTTP, from settings and on the fly."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backends import Boto3
from batch_shell import SETTINGS, Shell, eventually, new_shell
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.faults import Fault, FaultPlan
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch


@pytest.fixture
def served(service: LocalBatch) -> Iterator[ThreadedServer]:
    with ThreadedServer(service) as server:
        yield server


def test_every_third_call_is_throttled(shell: Shell, service: LocalBatch) -> None:
    service.faults.add(Fault("throttle", every=3))

    answers = []
    for _ in range(6):
        try:
            service.describe_jobs(jobs=[])
            answers.append(200)
        except BatchError as error:
            assert (error.code, error.transient) == ("TooManyRequestsException", True)
            answers.append(error.status)

    assert answers == [200, 200, 429, 200, 200, 429]


def test_a_fault_of_one_operation_leaves_the_others_alone_and_is_spent(shell: Shell, service: LocalBatch) -> None:
    service.faults.add(Fault("server_error", operation="SubmitJob", times=1))

    service.describe_jobs(jobs=[])
    with pytest.raises(BatchError, match="ServerException"):
        shell.submit("true")
    assert shell.ended(shell.submit("true"))["status"] == "SUCCEEDED"
    assert service.faults.active_faults() == []


def test_a_lost_response_is_lost_after_the_job_was_accepted(shell: Shell, service: LocalBatch) -> None:
    service.faults.add(Fault("drop_response", operation="SubmitJob", times=1))

    with pytest.raises(BatchError) as caught:
        shell.submit("true", name="lost")

    assert (caught.value.code, caught.value.transient) == ("RequestError", True)
    found = service.list_jobs(jobQueue="queue", filters=[{"name": "JOB_NAME", "values": ["lost"]}])["jobSummaryList"]
    assert len(found) == 1


def test_a_slow_call_takes_its_time(shell: Shell, service: LocalBatch) -> None:
    service.faults.add(Fault("slow", operation="DescribeJobs", seconds=0.2))
    began = time.monotonic()

    service.describe_jobs(jobs=[])

    assert time.monotonic() - began >= 0.2


def test_a_stale_description_says_what_was_so_before(shell: Shell, service: LocalBatch) -> None:
    service.faults.add(Fault("stale_describe", seconds=0))
    job_id = shell.submit("sleep 60")
    first = service.describe_jobs(jobs=[job_id])
    service.terminate_job(jobId=job_id, reason="end")
    eventually(lambda: service.list_jobs(jobQueue="queue", jobStatus="FAILED")["jobSummaryList"] != [])

    assert service.describe_jobs(jobs=[job_id]) == first
    assert service.describe_jobs(jobs=[job_id])["jobs"][0]["status"] == "FAILED"


def test_a_lost_host_ends_one_attempt_of_one_child(shell: Shell, service: LocalBatch) -> None:
    service.faults.add(Fault("host_lost", child=1, attempt=1))
    job_id = shell.submit("sleep 0.1", size=3, retryStrategy={"attempts": 2})

    assert shell.ended(job_id)["status"] == "SUCCEEDED"
    attempts = [
        [(each["statusReason"].partition(" (")[0], each["container"].get("exitCode")) for each in child["attempts"]]
        for child in service.describe_jobs(jobs=[f"{job_id}:{index}" for index in range(3)])["jobs"]
    ]
    fine = ("Essential container in task exited", 0)
    assert attempts == [[fine], [("Host EC2", None), fine], [fine]]


def test_an_attempt_that_cannot_start_has_no_log_stream(shell: Shell, service: LocalBatch) -> None:
    service.faults.add(Fault("cannot_start", job="unlucky"))

    job = shell.ended(shell.submit("true", name="unlucky"))

    assert job["container"]["reason"].startswith("CannotPullContainerError: image local/any:v1")
    assert "logStreamName" not in job["container"]
    assert shell.ended(shell.submit("true", name="lucky"))["status"] == "SUCCEEDED"


def test_an_attempt_that_cannot_start_has_a_task(shell: Shell, service: LocalBatch) -> None:
    """AttemptContainerDetail.taskArn: "Each container attempt receives a task ARN when they reach the STARTING
    status".
    """
    service.faults.add(Fault("cannot_start", job="unlucky"))

    job_id = shell.submit("true", name="unlucky", retryStrategy={"attempts": 2})
    job = shell.ended(job_id)
    tasks = [attempt["container"]["taskArn"] for attempt in job["attempts"]]

    assert len(set(tasks)) == 2
    assert tasks[-1] == job["container"]["taskArn"] == shell.describe(job_id)["container"]["taskArn"]
    assert ":container-instance/" in job["container"]["containerInstanceArn"]


def test_a_job_that_never_leaves_runnable_does_when_the_faults_are_cleared(shell: Shell, service: LocalBatch) -> None:
    service.faults.add(Fault("stay_runnable", job="stuck"))
    stuck = shell.submit("true", name="stuck")
    assert shell.ended(shell.submit("true"))["status"] == "SUCCEEDED"
    assert shell.describe(stuck)["status"] == "RUNNABLE"

    service.faults.clear()

    assert shell.ended(stuck)["status"] == "SUCCEEDED"


def test_settings_bring_faults_along(home: Path) -> None:
    settings = replace(SETTINGS, faults=(Fault("host_lost", attempt=1),))
    with LocalBatch(home, settings) as service:
        shell = new_shell(service)

        job = shell.ended(shell.submit("sleep 0.1", retryStrategy={"attempts": 2}))

    assert (job["status"], len(job["attempts"])) == ("SUCCEEDED", 2)


@pytest.mark.parametrize(
    "values", [{"kind": "meteor"}, {"every": 0}, {"times": -1}, {"child": -2}, {"attempt": -1}, {"seconds": -0.1}]
)
def test_a_fault_that_is_none_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Fault(**{"kind": "throttle", **values})


def test_a_plan_counts_calls_by_fault() -> None:
    plan = FaultPlan([Fault("throttle", operation="A", every=2), Fault("server_error", every=3)])

    hits = [[fault.kind for fault in plan.of_call(name)] for name in ("A", "B", "A", "A")]

    assert hits == [[], [], ["throttle", "server_error"], []]


# Over HTTP


def ask(url: str, method: str, body: bytes = b"") -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body or None, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_faults_are_set_shown_and_cleared_over_http(served: ThreadedServer, shell: Shell) -> None:
    url = f"{served.url}/_awsbatch/faults"
    batch = Boto3(served.url)

    assert ask(url, "POST", b'{"kind": "throttle", "operation": "DescribeJobQueues"}') == (200, b"{}")
    with pytest.raises(BatchError) as caught:
        batch.describe_job_queues()
    assert (caught.value.code, caught.value.status) == ("TooManyRequestsException", 429)
    assert b'"operation":"DescribeJobQueues"' in ask(url, "GET")[1]
    assert ask(url, "DELETE") == (200, b"{}")
    assert len(batch.describe_job_queues()["jobQueues"]) == 1


@pytest.mark.parametrize("body", [b"{}", b"[]", b"no json", b'{"kind": "x"}', b'{"kind": "slow", "what": 1}'])
def test_a_wrong_fault_is_refused_over_http(served: ThreadedServer, body: bytes) -> None:
    assert ask(f"{served.url}/_awsbatch/faults", "POST", body)[0] == 400


def test_a_dropped_response_closes_the_connection(served: ThreadedServer, shell: Shell, service: LocalBatch) -> None:
    from botocore.exceptions import ConnectionClosedError

    service.faults.add(Fault("drop_response", operation="SubmitJob", times=1))

    with pytest.raises(ConnectionClosedError):
        Boto3(served.url).submit_job(jobName="lost", jobQueue="queue", jobDefinition="shell")

    eventually(
        lambda: (
            len(
                service.list_jobs(jobQueue="queue", filters=[{"name": "JOB_NAME", "values": ["lost"]}])[
                    "jobSummaryList"
                ]
            )
            == 1
        )
    )


def test_boto3s_own_retries_overcome_a_throttle(served: ThreadedServer, shell: Shell, service: LocalBatch) -> None:
    from flytekitplugins.awsbatch.batch.aws import AwsBatch

    service.faults.add(Fault("throttle", operation="DescribeJobs", times=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "a")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        batch = AwsBatch("us-east-1", endpoint_url=served.url)

        assert batch.describe_jobs(jobs=["nobody"]) == {"jobs": []}
