"""Requests that are odd and yet have an answer in AWS's documentation, which each test names."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from batch_shell import Shell

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(BatchError) as caught:
        action()
    assert (caught.value.code, caught.value.status) == ("ClientException", 400)
    return caught.value.message


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"memory": 3}, "containerOverrides.memory is 3: at least 4"),
        ({"vcpus": -1}, "containerOverrides.vcpus is -1: at least 1"),
        ({"resourceRequirements": [{"type": "VCPU", "value": "nan"}]}, "VCPU value 'nan': expected a number"),
        ({"resourceRequirements": [{"type": "VCPU", "value": "inf"}]}, "VCPU value 'inf': expected a number"),
        ({"resourceRequirements": [{"type": "MEMORY", "value": "1_000"}]}, "MEMORY value '1_000': expected a number"),
        ({"resourceRequirements": [{"type": "MEMORY", "value": "12.5"}]}, "MEMORY value '12.5': expected a number"),
    ],
)
def test_overridden_resources_keep_their_bounds(shell: Shell, overrides: dict[str, Any], message: str) -> None:
    """ContainerProperties.memory: "You must specify at least 4 MiB"; vcpus: "You must specify at least one vCPU"."""
    assert refused(lambda: shell.submit("true", containerOverrides=overrides)).endswith(message)


def test_resources_of_zero_are_left_to_the_definition(shell: Shell) -> None:
    """SDKs of other languages send what their structures hold."""
    job = shell.describe(shell.submit("true", containerOverrides={"vcpus": 0, "memory": 0}))

    assert (job["container"]["vcpus"], job["container"]["memory"]) == (1, 256)


def test_the_filter_by_share_goes_with_a_status(shell: Shell, service: LocalBatch) -> None:
    """ListJobs.filters: "The SHARE_IDENTIFIER filter and the jobStatus field can be used together"."""
    good, bad = shell.submit("true", shareIdentifier="A"), shell.submit("false", shareIdentifier="A")
    other = shell.submit("true", shareIdentifier="B")
    for job_id in (good, bad, other):
        shell.ended(job_id)

    def listed(**more: Any) -> set[str]:
        filters = [{"name": "SHARE_IDENTIFIER", "values": ["A"]}]
        answer = service.list_jobs(jobQueue="queue", filters=filters, **more)
        return {job["jobId"] for job in answer["jobSummaryList"]}

    assert listed() == {good, bad}
    assert listed(jobStatus="FAILED") == {bad}
    assert listed(jobStatus="RUNNING") == set()


def test_a_summary_has_its_share(shell: Shell, service: LocalBatch) -> None:
    """JobSummary.shareIdentifier."""
    single, array = shell.submit("true", shareIdentifier="A"), shell.submit("true", size=2, shareIdentifier="B")
    other = shell.submit("true")
    for job_id in (single, array, other):
        shell.ended(job_id)

    jobs = service.list_jobs(jobQueue="queue", jobStatus="SUCCEEDED")["jobSummaryList"]
    children = service.list_jobs(arrayJobId=array, jobStatus="SUCCEEDED")["jobSummaryList"]

    assert {job["jobId"]: job.get("shareIdentifier") for job in jobs} == {single: "A", array: "B", other: None}
    assert all("shareIdentifier" not in job for job in jobs if job["jobId"] == other)
    assert [child["shareIdentifier"] for child in children] == ["B", "B"]


NO_TOKENS = ["x", None, True, -1, 1.5, 1 << 70, {}, {"a": "b"}, [], ["a"], ["a", "b"], [1, 2], [["a"], 1]]


@pytest.mark.parametrize("position", NO_TOKENS, ids=repr)
@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("ListJobs", {"jobQueue": "queue"}),
        ("ListJobs", {"arrayJobId": ""}),
        ("DescribeJobQueues", {}),
        ("DescribeComputeEnvironments", {}),
        ("DescribeJobDefinitions", {}),
    ],
)
def test_a_token_of_another_question_is_the_clients_fault(
    shell: Shell, service: LocalBatch, operation: str, request_: dict[str, Any], position: Any
) -> None:
    """ListJobs.nextToken: "an opaque identifier that's only used to retrieve the next items in a list"."""
    if operation in ("DescribeJobQueues", "DescribeComputeEnvironments") and position == "x":
        pytest.skip("a token of theirs")
    if "arrayJobId" in request_:
        request_ = {"arrayJobId": shell.submit("true", size=2)}
    token = base64.urlsafe_b64encode(json.dumps(position).encode()).decode()

    assert refused(lambda: service.call(operation, {**request_, "nextToken": token})).startswith("nextToken is invalid")


@pytest.mark.parametrize("word", ["EXIT", "retry", "enabled", "ON"])
def test_a_state_is_one_of_two_words(service: LocalBatch, word: str) -> None:
    """Only EvaluateOnExit's `action` is in any case ("The values aren't case sensitive")."""
    said = refused(lambda: service.update_job_queue(jobQueue="queue", state=word))

    assert said == f"state {word} must be one of ENABLED | DISABLED"
