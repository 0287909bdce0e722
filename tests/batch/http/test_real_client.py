"""Every call that a real FlytePropeller (Flyte 1.16.8, aws-sdk-go v1) made, replayed with the answers that it needs.

`data/real-client-calls.json.gz` is a recording of its calls to a Batch endpoint while eight executions ran. The
commands are replaced by small ones that end as the recorded ones did; ids are this service's own.
"""

from __future__ import annotations

import gzip
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batch_shell import SETTINGS, Shell
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.settings import IGNORE

RECORDING = json.loads(gzip.decompress((Path(__file__).parent / "data" / "real-client-calls.json.gz").read_bytes()))
EXECUTIONS = RECORDING["executions"]
# As AWS itself does with them: see the test at the end.
LENIENT = replace(SETTINGS, fargate_rules=IGNORE)


class Replay:
    """One connection's worth of recorded calls, with the ids that this service gives instead of the recorded ones."""

    def __init__(self, service: LocalBatch, url: str) -> None:
        self.shell = Shell(service)
        self.url = url
        self.ids: dict[str, str] = {}
        self.outcomes: dict[str, Any] = {}

    def send(self, call: dict[str, Any], request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        headers = {
            "Content-Type": call["content_type"],
            "Authorization": f"{call['auth_scheme']} Credential=AKID/20261124/us-east-1/batch/aws4_request, "
            "SignedHeaders=host, Signature=00",
            "User-Agent": "aws-sdk-go/1.47.11 (go1.22.9; linux; amd64)",
        }
        body = json.dumps(request).encode()
        sent = urllib.request.Request(self.url + call["path"], data=body, headers=headers, method=call["method"])
        try:
            with urllib.request.urlopen(sent) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def translated(self, request: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(request)
        for recorded, own in self.ids.items():
            text = text.replace(recorded, own)
        found: dict[str, Any] = json.loads(text)
        return found

    def submit(self, call: dict[str, Any], script: str) -> tuple[int, dict[str, Any]]:
        request = self.translated(call["request"])
        # What is sent is judged as it is, before it is sent with a command that this machine can run.
        request["containerOverrides"]["command"] = ["sh", "-c", script]
        status, answer = self.send(call, request)
        if status == 200:
            self.ids[call["response"]["jobId"]] = answer["jobId"]
        return status, answer


def final(execution: dict[str, Any], job_id: str) -> dict[str, Any]:
    """The last recorded description of every job of that submission, children included."""
    found = {}
    for call in execution["calls"]:
        if call["operation"] == "describejobs":
            found |= {job["jobId"]: job for job in call["response"]["jobs"] if job["jobId"].split(":")[0] == job_id}
    return found


def script_for(execution: dict[str, Any], job_id: str) -> str:
    """A command that ends in every child as the recorded one did; one that was terminated waits for that."""
    described = final(execution, job_id)
    if described.get(job_id, {}).get("statusReason") == "Aborted":
        return "sleep 60"
    failed = [
        child.partition(":")[2] or "none"
        for child, job in described.items()
        if job["status"] == "FAILED" and job["attempts"]
    ]
    cases = "|".join(failed)
    return f"case ${{AWS_BATCH_JOB_ARRAY_INDEX-none}} in {cases}) exit 1;; esac" if failed else "true"


@pytest.fixture
def served(home: Path) -> Iterator[tuple[LocalBatch, str]]:
    with LocalBatch(home, LENIENT) as service, ThreadedServer(service) as server:
        service.ensure_queue("tutorial")
        for execution in EXECUTIONS:
            for call in execution["calls"]:
                if call["operation"] == "submitjob":
                    service.ensure_queue(call["request"]["jobQueue"])
        yield service, server.url


def test_every_recorded_call_gets_the_answer_that_the_client_needs(served: tuple[LocalBatch, str]) -> None:
    service, url = served
    replay = Replay(service, url)
    for execution in EXECUTIONS:
        for call in execution["calls"]:
            operation = call["operation"]
            if operation == "registerjobdefinition":
                status, answer = replay.send(call, call["request"])
                assert (status, answer["revision"]) == (200, call["response"]["revision"])
                replay.ids[call["response"]["jobDefinitionArn"]] = answer["jobDefinitionArn"]
            elif operation == "submitjob":
                status, answer = replay.submit(call, script_for(execution, call["response"]["jobId"]))
                assert (status, answer["jobName"]) == (200, call["response"]["jobName"]), answer
            elif operation == "describejobs":
                expect_description(replay, call)
            else:
                assert replay.send(call, replay.translated(call["request"])) == (call["code"], {})


def expect_description(replay: Replay, call: dict[str, Any]) -> None:
    """Asks until the jobs have come as far as recorded; then the same ids must be there, in the same shape."""
    recorded = call["response"]["jobs"]
    request = replay.translated(call["request"])
    for job in recorded:
        if job["status"] in ("SUCCEEDED", "FAILED"):
            replay.shell.ended(replay.translated({"id": job["jobId"]})["id"])
    status, answer = replay.send(call, request)
    assert status == 200
    told = {job["jobId"]: job for job in answer["jobs"]}
    # `ID:0` of a single job is left out, never an error.
    assert set(told) == {replay.translated({"id": job["jobId"]})["id"] for job in recorded}
    for job in recorded:
        own = told[replay.translated({"id": job["jobId"]})["id"]]
        if job["status"] in ("SUCCEEDED", "FAILED"):
            array = own.get("arrayProperties")
            if array is not None:
                # When that was is this service's own; the endpoint that was recorded left a child's empty summary out.
                array.pop("statusSummaryLastUpdatedAt", None)
                if "index" in array:
                    assert array.pop("statusSummary") == {}
            assert (own["status"], array) == (job["status"], job.get("arrayProperties"))
            assert [each["container"]["exitCode"] for each in own["attempts"]] == [
                each["container"]["exitCode"] for each in job["attempts"]
            ] or job.get("statusReason") == "Aborted"
            assert own.get("statusReason") == "Aborted" or job.get("statusReason") != "Aborted"
        assert own["container"]["environment"] == job["container"]["environment"]
        assert own.get("parameters", {}) == job.get("parameters", {})
        assert own.get("timeout") == job.get("timeout")
        assert own["retryStrategy"]["attempts"] == job["retryStrategy"]["attempts"]


def test_the_recorded_fargate_definition_is_refused_as_aws_would(home: Path) -> None:
    """Flyte sends vcpus, memory and no execution role for Fargate; AWS takes none of that."""
    (request,) = [
        call["request"]
        for execution in EXECUTIONS
        for call in execution["calls"]
        if call["request"].get("platformCapabilities") == ["FARGATE"]
    ]
    with LocalBatch(home, SETTINGS) as service, ThreadedServer(service) as server:
        replay = Replay(service, server.url)
        call = {"content_type": "application/json", "auth_scheme": "AWS4-HMAC-SHA256", "method": "POST"}

        status, answer = replay.send({**call, "path": "/v1/registerjobdefinition"}, request)

    assert (status, answer["message"]) == (
        400,
        "a job definition for Fargate needs containerProperties.executionRoleArn",
    )
