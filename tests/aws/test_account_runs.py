"""Tasks through `FLYTE_AWSBATCH=aws`: the caller here, AWS Batch and its jobs in processes that know nothing of it."""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from pathlib import Path
from typing import Any

import aws_tasks as tasks
import pytest
from aws_account import ACCOUNT, ROLE, Served, calling
from aws_proxy import Proxy
from terminals import eventually

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.deployment.account_check import NotReadyError
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import Home

# Most of it is starting interpreters, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(900)


def test_a_map_and_a_single_task_run_as_jobs_of_the_account_and_take_no_secret_along(
    account: Proxy, service: Served, home: Path
) -> None:
    with calling(home) as caller:
        assert tasks.squares_summed(numbers=[1, 2, 3]) == 14
        array, single = caller.job_ids
    jobs = {job["jobId"]: job for job in service.batch.describe_jobs(jobs=[array, single])["jobs"]}
    assert [jobs[one]["status"] for one in (array, single)] == ["SUCCEEDED", "SUCCEEDED"]
    assert jobs[array]["arrayProperties"]["size"] == 3
    execution = past_runs.past_run(Home(home))
    assert (execution.endpoint, execution.status) == ("aws", "succeeded")
    assert jobs[array]["tags"] == {
        "flyte:project": execution.project,
        "flyte:domain": execution.domain,
        "flyte:workflow": "aws_tasks.squares_summed",
        "flyte:execution": execution.name,
        "flyte:node": "n0",
        "flyte:task": caller.requests[0]["tags"]["flyte:task"],
        "team": "maps",
    }
    # Nothing is terminated that has ended.
    assert account.calls["terminatejob"] == 0
    written = "".join(path.read_text() for path in home.rglob("*.json"))
    for secret in ("wJalrXUtnFEMI", "AKIAIOSFODNN7EXAMPLE"):
        assert secret not in written
        assert secret not in repr(account.requests)


@pytest.mark.slow
def test_runs_of_one_task_leave_one_revision(account: Proxy, service: Served, home: Path) -> None:
    for _ in range(3):
        with calling(home) as caller:
            tasks.square(n=1)
    (definition,) = {request["jobDefinition"] for request in caller.requests}
    name = definition.rpartition("/")[2].partition(":")[0]
    found = service.batch.describe_job_definitions(jobDefinitionName=name)["jobDefinitions"]
    of_role = [one for one in found if one["containerProperties"]["jobRoleArn"] == ROLE]
    assert len(of_role) == 1


@pytest.mark.slow
def test_a_hundred_and_twenty_children(account: Proxy, home: Path) -> None:
    with calling(home):
        assert map_task(tasks.square)(n=list(range(120))) == [n * n for n in range(120)]


@pytest.mark.slow
def test_what_was_cached_runs_as_no_child(account: Proxy, home: Path) -> None:
    with calling(home) as caller:
        assert map_task(tasks.cached_square)(n=[1, 2]) == [1, 4]
        assert map_task(tasks.cached_square)(n=[2, 3, 1]) == [4, 9, 1]
    assert [request.get("arrayProperties") for request in caller.requests] == [{"size": 2}, None]


def test_a_child_is_tried_again_and_the_log_of_one_that_failed_is_read_from_cloudwatch(
    account: Proxy, service: Served, home: Path, marks: Path
) -> None:
    with calling(home), pytest.raises(TaskFailedError) as caught:
        map_task(partial(tasks.fails_on, bad=1, folder=str(marks)))(n=[0, 1])
    told = str(caught.value)
    assert "1 of 2 children failed" in told
    assert "2 attempts" in told
    assert "CloudWatch /aws/batch/job" in told
    assert "attempt of item 1" in told


@pytest.mark.slow
def test_failures_that_are_tolerated_give_none(account: Proxy, home: Path, marks: Path) -> None:
    with calling(home):
        work = map_task(partial(tasks.fails_on, bad=1, folder=str(marks)), min_success_ratio=0.5)
        assert work(n=[0, 1]) == [0, None]


@pytest.mark.slow
def test_an_attempt_that_takes_too_long_is_ended_by_aws(account: Proxy, home: Path) -> None:
    with calling(home), pytest.raises(TaskFailedError, match="timeout"):
        tasks.too_slow(seconds=300)


FAULTS: list[dict[str, Any]] = [
    {"kind": "drop_response", "operation": "SubmitJob", "times": 1},
    {"kind": "throttle", "every": 2},
    {"kind": "server_error", "every": 3},
    {"kind": "drop_response", "every": 3},
    {"kind": "drop_response", "operation": "RegisterJobDefinition", "times": 1},
    {"kind": "stale_describe", "seconds": 1},
    {"kind": "host_lost", "attempt": 1, "times": 1},
]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(one, id=" ".join(map(str, one.values())), marks=[pytest.mark.slow] * (one != FAULTS[0]))
        for one in FAULTS
    ],
)
def test_faults_change_nothing_in_the_end(account: Proxy, service: Served, home: Path, fault: dict[str, Any]) -> None:
    service.fault(**fault)
    before = len(service.jobs())
    with calling(home) as caller:
        assert tasks.square_retried(n=7) == 49
    service.clear_faults()
    assert len(service.jobs()) == before + 1
    assert len(caller.job_ids) == 1


# Before anything is sent


def sent(account: Proxy) -> int:
    return sum(account.calls[one] for one in ("submitjob", "registerjobdefinition"))


def test_a_disabled_queue_stops_the_run_before_anything_is_sent(account: Proxy, service: Served, home: Path) -> None:
    service.batch.update_job_queue(jobQueue="default", state="DISABLED")
    try:
        with calling(home), pytest.raises(NotReadyError) as caught:
            tasks.square(n=2)
    finally:
        service.batch.update_job_queue(jobQueue="default", state="ENABLED")
    assert "default: it is DISABLED; expected ENABLED" in str(caught.value)
    assert "aws batch update-job-queue --job-queue default --state ENABLED" in str(caught.value)
    assert sent(account) == 0


def test_a_queue_that_is_not_there_stops_it_too(account: Proxy, home: Path) -> None:
    queues = {"executionQueues": [{"dynamic": "nowhere", "attributes": ["default"]}]}
    with calling(home, queues=queues), pytest.raises(NotReadyError, match="nowhere: there is no such job queue"):
        tasks.square(n=2)
    assert sent(account) == 0


def test_a_task_that_no_machine_can_hold_stops_it_too(account: Proxy, home: Path) -> None:
    with calling(home), pytest.raises(NotReadyError, match="it asks for 5000 vCPUs and"):
        tasks.too_large(n=2)
    assert sent(account) == 0


def test_another_account_than_the_settings_stops_it(account: Proxy, home: Path) -> None:
    aws = {"accountId": "999999999999"}
    with calling(home, plugins={"aws": aws}), pytest.raises(NotReadyError, match=f"expected account {ACCOUNT}"):
        tasks.square(n=2)
    assert sent(account) == 0


def test_the_emulations_own_role_is_refused(account: Proxy, home: Path) -> None:
    role = "arn:aws:iam::000000000000:role/local"
    with calling(home, emulator={"role": role}), pytest.raises(NotReadyError, match="name no role for jobs"):
        tasks.square(n=2)
    assert sent(account) == 0


def test_no_credentials_stop_it_with_words(
    account: Proxy, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with calling(home), pytest.raises(NotReadyError, match="expected credentials that AWS accepts"):
        tasks.square(n=2)
    assert sent(account) == 0


# A job that does not start


def test_a_job_that_does_not_start_is_said_to_wait_and_why(account: Proxy, service: Served, home: Path) -> None:
    service.fault("stay_runnable")
    with calling(home) as caller:

        def call() -> None:
            with contextlib.suppress(TaskFailedError):
                tasks.square(n=2)

        thread = threading.Thread(target=call)
        thread.start()
        try:
            eventually(lambda: "square: no child has started yet, and AWS gives no reason" in caller.printed)
            service.batch.update_job_queue(jobQueue="default", state="DISABLED")
            eventually(lambda: "square: default: it is DISABLED; expected ENABLED" in caller.printed)
        finally:
            service.batch.update_job_queue(jobQueue="default", state="ENABLED")
            service.terminate_all()
            thread.join()
