"""Numbers that no store, no clock and no array takes are refused where they are read, and never an error of the
service.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import Boto3, in_process, over_http
from batch_shell import SETTINGS, Shell, new_shell
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.api import BatchCalls, BatchError
from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.store.database import UnusableHomeError
from flytekitplugins.awsbatch.local import all_settings
from flytekitplugins.awsbatch.settings.problems import SettingsError

HUGE = "9" * 30
DEFINITION = {
    "jobDefinitionName": "d",
    "type": "container",
    "containerProperties": {"image": "any", "vcpus": 1, "memory": 4},
}


@pytest.fixture(params=[in_process, over_http], ids=["in process", "http"])
def batch(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    with request.param(tmp_path / "home") as service:
        yield service


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "a revision": ("DeregisterJobDefinition", {"jobDefinition": f"w:{HUGE}"}),
    "a revision in other digits": ("DeregisterJobDefinition", {"jobDefinition": "w:²"}),
    "a revision to submit": ("SubmitJob", {"jobName": "j", "jobQueue": "q", "jobDefinition": f"d:{HUGE}"}),
    "before a time": (
        "ListJobs",
        {"jobQueue": "q", "filters": [{"name": "BEFORE_CREATED_AT", "values": [HUGE]}]},
    ),
    "after a time in other digits": (
        "ListJobs",
        {"jobQueue": "q", "filters": [{"name": "AFTER_CREATED_AT", "values": ["²"]}]},
    ),
    "a priority": ("UpdateJobQueue", {"jobQueue": "q", "priority": 2**70}),
    "a page": ("ListJobs", {"jobQueue": "q", "maxResults": 2**40}),
    "a timeout": ("RegisterJobDefinition", {**DEFINITION, "timeout": {"attemptDurationSeconds": 2**31}}),
    "vCPUs": (
        "UpdateComputeEnvironment",
        {"computeEnvironment": "local", "computeResources": {"maxvCpus": 2**31}},
    ),
    "a size": (
        "SubmitJob",
        {"jobName": "j", "jobQueue": "q", "jobDefinition": "d", "arrayProperties": {"size": 2**63}},
    ),
}


@pytest.mark.parametrize(("operation", "request_"), CALLS.values(), ids=CALLS)
def test_a_number_that_is_too_large_is_the_callers_mistake(
    batch: BatchCalls, operation: str, request_: dict[str, Any]
) -> None:
    service = batch if isinstance(batch, LocalBatch) else None
    if service is not None:
        service.ensure_queue("q")

    with pytest.raises(BatchError) as caught:
        batch.call(operation, request_)

    assert (caught.value.code, caught.value.status) == ("ClientException", 400)


QUEUE = {"computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "local"}], "priority": 1}
VALID: dict[str, dict[str, Any]] = {
    "SubmitJob": {"jobName": "j", "jobQueue": "q", "jobDefinition": "d"},
    "RegisterJobDefinition": DEFINITION,
    "ListJobs": {"jobQueue": "q"},
    "CreateJobQueue": {"jobQueueName": "other", **QUEUE},
    "UpdateJobQueue": {"jobQueue": "q"},
    "CreateComputeEnvironment": {"computeEnvironmentName": "c", "type": "UNMANAGED", "serviceRole": "r"},
    "UpdateComputeEnvironment": {"computeEnvironment": "local"},
    "DescribeJobDefinitions": {},
    "DescribeJobQueues": {},
    "DescribeComputeEnvironments": {},
}


def numbers_of(shape: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each number in a shape of AWS's model; 0 stands for an item of a list."""
    if shape.type_name in ("integer", "long"):
        yield before
    elif shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from numbers_of(member, (*before, name))
    elif shape.type_name == "list":
        yield from numbers_of(shape.member, (*before, 0))


def with_number(valid: Any, path: tuple[Any, ...], number: int) -> Any:
    """A valid request with another number in one place."""
    if not path:
        return number
    step, *others = path
    if step == 0:
        return [with_number(valid[0] if valid else None, tuple(others), number)]
    known = valid or {}
    return {**known, step: with_number(known.get(step), tuple(others), number)}


@pytest.mark.parametrize("number", [2**31, 2**63, 10**30, -(10**30)])
def test_no_number_anywhere_is_an_error_of_the_service(tmp_path: Path, number: int) -> None:
    """A ClientException is for "an action or resource that's not valid", a ServerException for "an issue with the
    service" (AWS Batch's common errors).
    """
    with LocalBatch(tmp_path, SETTINGS) as service, ThreadedServer(service) as server:
        service.ensure_queue("q")
        service.register_job_definition(**DEFINITION)
        batch = Boto3(server.url, parameter_validation=False)
        for operation, valid in VALID.items():
            shape = batch.client.meta.service_model.operation_model(operation).input_shape
            for path in numbers_of(shape):
                try:
                    batch.call(operation, with_number(valid, path, number))
                except BatchError as error:
                    assert (error.code, error.status) == ("ClientException", 400), (operation, path)


@pytest.mark.parametrize("index", ["10000", HUGE, "²", "-1", " 1", "1_0", "+1", ""])
def test_no_child_has_such_an_index(batch: BatchCalls, index: str) -> None:
    if isinstance(batch, LocalBatch):
        shell = new_shell(batch)
        array = shell.submit("true", size=11)
    else:
        array = "4b0c6f86-31a6-4c28-8a5d-3c6f6d3b2a11"

    assert batch.call("DescribeJobs", {"jobs": [f"{array}:{index}"]}) == {"jobs": []}
    assert batch.call("CancelJob", {"jobId": f"{array}:{index}", "reason": "x"}) == {}


def test_a_log_token_that_is_too_large_is_the_callers_mistake(tmp_path: Path) -> None:
    from flytekitplugins.awsbatch.batch.emulator.http.cloudwatch import CloudWatch

    with LocalBatch(tmp_path, SETTINGS) as service:
        shell = new_shell(service)
        stream = shell.ended(shell.submit("echo x"))["container"]["logStreamName"]
        logs = CloudWatch(service.logs, service.region, service.account_id)
        request = {"logGroupName": "/aws/batch/job", "logStreamName": stream}
        for token in (f"f/{HUGE}/s", f"b/{HUGE}/s"):
            with pytest.raises(BatchError, match="nextToken"):
                logs.call("GetLogEvents", {**request, "nextToken": token})


def test_the_longest_timeout_does_not_stop_the_service(tmp_path: Path) -> None:
    with LocalBatch(tmp_path, SETTINGS, clock=Clock(speed=1e-6)) as service:
        shell = new_shell(service)
        job_id = shell.submit("true", timeout={"attemptDurationSeconds": 2**31 - 1})

        assert shell.ended(job_id)["status"] == "SUCCEEDED"
        assert shell.ended(shell.submit("true"))["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "text",
    [
        "kill_grace: .inf",
        "kill_grace: .nan",
        "retention_days: 1e300",
        "keep_runs_days: 1e300",
        "hang_limit: .inf",
        "failure_wait: .nan",
        "vcpus: .inf",
        "memory: 1e40",
        "faults: [{kind: slow, seconds: .inf}]",
    ],
)
def test_settings_that_no_clock_takes_are_named(text: str) -> None:
    with pytest.raises(SettingsError, match=f"emulator.{text.partition(':')[0]}"):
        all_settings.parse_all_settings(f"emulator:\n  {text}\n")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE jobs SET size = 10000000000",
        "UPDATE jobs SET size = 1",
        "UPDATE children SET idx = 500 WHERE idx = 1",
        "UPDATE jobs SET detail = '{}'",
        "UPDATE jobs SET detail = 'no JSON'",
        "UPDATE children SET status = 'SOMEHOW' WHERE idx = 1",
    ],
)
def test_a_damaged_record_is_an_error_that_names_the_job_and_nothing_else(tmp_path: Path, damage: str) -> None:
    with LocalBatch(tmp_path, SETTINGS) as service:
        shell = new_shell(service)
        array = shell.submit("true", size=3)
        shell.ended(array)
    with sqlite3.connect(tmp_path / "batch.sqlite3") as connection:
        connection.execute(damage)

    with LocalBatch(tmp_path, SETTINGS) as service:
        with pytest.raises(BatchError, match=f"the record of job {array} is damaged") as caught:
            service.describe_jobs(jobs=[array])
        assert caught.value.status == 500
        with pytest.raises(UnusableHomeError, match=array):
            service.log_streams(array)
        assert Shell(service).ended(new_shell(service).submit("true"))["status"] == "SUCCEEDED"


def test_a_damaged_record_of_a_job_left_behind_does_not_keep_the_others(tmp_path: Path) -> None:
    first = LocalBatch(tmp_path, SETTINGS)
    first.start()
    shell = new_shell(first)
    jobs = [shell.submit("sleep 60"), shell.submit("true")]
    shell.running(jobs[0])
    first.suspend()
    with sqlite3.connect(tmp_path / "batch.sqlite3") as connection:
        connection.execute("UPDATE jobs SET detail = 'no JSON', status = 'RUNNABLE' WHERE id = ?", (jobs[0],))
        connection.execute("UPDATE jobs SET status = 'RUNNABLE' WHERE id = ?", (jobs[1],))

    with LocalBatch(tmp_path, SETTINGS) as second:
        assert second.adopt(timeout=10) == [jobs[1]]
        assert Shell(second).ended(jobs[1])["status"] == "SUCCEEDED"


def test_json_has_no_infinite_numbers(tmp_path: Path) -> None:
    import urllib.error
    import urllib.request

    with over_http(tmp_path) as batch:
        assert isinstance(batch, Boto3)
        url = batch.client.meta.endpoint_url
        for body in (b'{"kind": "slow", "seconds": Infinity}', b'{"kind": "slow", "seconds": 1e400}'):
            request = urllib.request.Request(f"{url}/_awsbatch/faults", data=body, method="POST")
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request)
            assert caught.value.code == 400
            assert json.load(caught.value)["message"]
