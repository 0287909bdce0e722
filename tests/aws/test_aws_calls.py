"""The client of an account: what it repeats and what never, its budgets, and what is reused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_account import ACCOUNT, REGION
from aws_proxy import Proxy, proxy
from batch_shell import SETTINGS, new_shell

from flytekitplugins.awsbatch.batch import aws
from flytekitplugins.awsbatch.batch.api import BatchError, UnreachableError
from flytekitplugins.awsbatch.batch.aws import AwsBatch
from flytekitplugins.awsbatch.batch.definition_reuse import ReusedDefinitions
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.job_logs import CloudWatchLogs, JobStream, log_streams_of_job
from flytekitplugins.awsbatch.batch.rate_limits import Budget, Budgets, RateLimit

THROTTLED = (429, "TooManyRequestsException", "Too Many Requests")
FAULT = (500, "ServerException", "")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    monkeypatch.setattr(aws, "FIRST_THROTTLED_DELAY", 0.1)
    # There is nothing behind it: a rule answers.
    with proxy("http://127.0.0.1:9") as running:
        yield running


@pytest.fixture
def batch_here(tmp_path: Path) -> Iterator[LocalBatch]:
    with LocalBatch(tmp_path / "batch", SETTINGS) as service:
        yield service


def client(account: Proxy, **more: Any) -> AwsBatch:
    return AwsBatch(REGION, endpoint_url=account.url, **more)


def refusing(account: Proxy, refusal: Any, times: int, answer: dict[str, Any]) -> None:
    left = [times]

    def rule(operation: str, request: dict[str, Any], key: str) -> Any:
        left[0] -= 1
        return refusal if left[0] >= 0 else answer

    account.rule = rule


@pytest.mark.parametrize("refusal", [THROTTLED, FAULT, (400, "ThrottlingException", "Rate exceeded")])
def test_a_look_that_finds_no_answer_is_made_again(account: Proxy, refusal: Any) -> None:
    refusing(account, refusal, 2, {"jobs": []})
    assert client(account).describe_jobs(jobs=["x"]) == {"jobs": []}
    assert account.calls["describejobs"] == 3


def test_a_submit_is_made_again_only_when_it_was_refused_for_its_rate(account: Proxy) -> None:
    refusing(account, THROTTLED, 2, {"jobName": "j", "jobId": "1"})
    asked = {"jobName": "j", "jobQueue": "q", "jobDefinition": "d"}
    assert client(account).submit_job(**asked)["jobId"] == "1"
    assert account.calls["submitjob"] == 3
    account.calls.clear()
    # It may have been carried out.
    refusing(account, FAULT, 1, {"jobName": "j", "jobId": "1"})
    with pytest.raises(BatchError) as caught:
        client(account).submit_job(**asked)
    assert caught.value.transient
    assert account.calls["submitjob"] == 1


@pytest.mark.parametrize("refusal", [THROTTLED, FAULT])
@pytest.mark.parametrize("retries", [0, 2])
def test_a_call_is_repeated_as_often_as_plugins_aws_retries_says(account: Proxy, refusal: Any, retries: int) -> None:
    refusing(account, refusal, 10**6, {})
    with pytest.raises(BatchError, match=refusal[1]):
        client(account, retries=retries).terminate_job(jobId="x", reason="")
    assert account.calls["terminatejob"] == retries + 1


def test_looks_at_jobs_are_repeated_for_longer_since_the_handler_never_gives_up_on_them(account: Proxy) -> None:
    batch = client(account, retries=0, wait_seconds=1)
    refusing(account, FAULT, 1, {"jobs": []})
    batch.describe_jobs(jobs=["x"])
    assert account.calls["describejobs"] == 2
    refusing(account, FAULT, 10**6, {})
    with pytest.raises(UnreachableError, match="could not be reached: ServerException"):
        batch.describe_jobs(jobs=["x"])


def test_a_refusal_is_final(account: Proxy) -> None:
    refusing(account, (400, "ClientException", "no"), 9, {})
    with pytest.raises(BatchError, match="ClientException: no"):
        client(account).describe_jobs(jobs=["x"])
    assert account.calls["describejobs"] == 1


def test_a_network_that_stays_away_is_told_apart_once_there_was_one(account: Proxy) -> None:
    refusing(account, None, 0, {"jobs": []})
    batch = client(account, wait_seconds=0.5)
    batch.describe_jobs(jobs=["x"])
    account.rule = lambda operation, request, key: None
    # The proxy's own target is not there: it drops the connection.
    with pytest.raises(UnreachableError, match="could not be reached"):
        batch.describe_jobs(jobs=["x"])


def test_who_is_in_a_hurry_waits_for_no_answer(account: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "SHORT_WAIT_SECONDS", 0.2)
    refusing(account, FAULT, 10**6, {})
    batch = client(account)
    batch.hurry()
    began = time.monotonic()
    with pytest.raises(BatchError):
        batch.describe_jobs(jobs=["x"])
    assert time.monotonic() - began < 5
    # And asks no faster for it.
    assert account.calls["describejobs"] <= 3


def test_expired_credentials_are_told_in_one_line(account: Proxy) -> None:
    account.rule = lambda operation, request, key: (403, "ExpiredTokenException", "The security token is expired")
    with pytest.raises(UnreachableError) as caught:
        client(account).describe_jobs(jobs=["x"])
    assert str(caught.value) == "The AWS credentials have expired (The security token is expired)"
    assert account.calls["describejobs"] == 2


def test_each_kind_of_call_has_a_budget_of_its_own() -> None:
    now = [0.0]
    budget = Budget(RateLimit(rate=10, burst=2), clock=lambda: now[0])
    assert [round(budget.take(), 3) for _ in range(4)] == [0, 0, 0.1, 0.2]
    now[0] = 10
    assert [round(budget.take(), 3) for _ in range(3)] == [0, 0, 0.1]
    budgets = Budgets(RateLimit(1, 1), RateLimit(2, 2))
    assert budgets.of("DescribeJobs") is budgets.of("ListJobs")
    kinds = [budgets.of(one) for one in ("DescribeJobs", "SubmitJob", "TerminateJob")]
    assert len({id(one) for one in kinds}) == 3
    assert budgets.of("RegisterJobDefinition") is budgets.of("DescribeJobDefinitions")


def test_a_definition_that_says_the_same_is_registered_once(batch_here: LocalBatch) -> None:
    batch = ReusedDefinitions(batch_here)

    def register(**container: Any) -> int:
        properties = {"image": "i", "jobRoleArn": "", "vcpus": 1, "memory": 100, **container}
        asked = {"jobDefinitionName": "d", "type": "container", "containerProperties": properties}
        return int(batch.register_job_definition(**asked, platformCapabilities=["EC2"])["revision"])

    role = "arn:aws:iam::123456789012:role/jobs"
    assert [register(), register(), register(jobRoleArn=role), register(jobRoleArn=role), register()] == [1, 1, 2, 2, 1]
    # Somebody else's second of the same, made at the same time.
    batch_here.register_job_definition(
        jobDefinitionName="d",
        type="container",
        platformCapabilities=["EC2"],
        containerProperties={"image": "i", "vcpus": 1, "memory": 100},
    )
    assert register() == 1
    batch_here.deregister_job_definition(jobDefinition="d:1")
    assert register() == 3
    assert register(memory=200) == 4


def test_the_log_of_every_attempt_is_found_and_read_page_by_page(batch_here: LocalBatch) -> None:
    from flytekitplugins.awsbatch.batch.emulator.http.cloudwatch import CloudWatch

    shell = new_shell(batch_here)
    job_id = shell.submit("seq 1 12000; exit $((AWS_BATCH_JOB_ATTEMPT % 2))", retryStrategy={"attempts": 2})
    shell.ended(job_id)
    (detail,) = batch_here.describe_jobs(jobs=[job_id])["jobs"]
    streams = log_streams_of_job(detail)
    assert [one.attempt for one in streams] == [1, 2]
    logs = CloudWatchLogs(CloudWatch(batch_here.logs, REGION, ACCOUNT).call)
    lines, token = logs.read(streams[1], None)
    assert lines == [str(number) for number in range(1, 12001)]
    assert logs.read(streams[1], token) == ([], token)
    assert logs.tail_of_job_log(streams[0], 3) == ["11998", "11999", "12000"]
    assert logs.read(JobStream(1, "shell/default/" + "0" * 32), None) == ([], None)
    assert logs.tail_of_job_log(JobStream(1, "shell/default/" + "0" * 32), 3) == []


def test_a_log_that_goes_somewhere_else_is_known_as_such() -> None:
    detail = {
        "attempts": [{"container": {"logStreamName": "a"}}, {"container": {}}],
        "container": {"logStreamName": "b", "logConfiguration": {"logDriver": "splunk"}},
    }
    assert log_streams_of_job(detail) == [JobStream(1, "a", elsewhere="splunk"), JobStream(3, "b", elsewhere="splunk")]
    own = {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "mine"}}, "logStreamName": "b"}
    assert log_streams_of_job({"container": own}) == [JobStream(1, "b", "mine")]
