"""AWS Batch as a case scripts it: what each call answers at each step, and a record of what was asked."""

from __future__ import annotations

import json
from typing import Any

from flytekitplugins.awsbatch.batch.api import BatchCalls, BatchError
from flytekitplugins.awsbatch.propeller.aws_array.submit_shape import SUBMIT_JOB

_STATUS = {"TooManyRequestsException": 429, "ServerException": 500}


# What AWS says about a job that the script says nothing of.
_UNMENTIONED = {"status": "SUBMITTED"}


class ScriptedAws(BatchCalls):
    """AWS Batch for one case."""

    region = ""

    def __init__(self, case: dict[str, Any]) -> None:
        aws = case.get("aws") or {}
        self.region = aws.get("region", "us-east-1")
        self.account_id = aws.get("account_id", "123456789012")
        self.requests: list[dict[str, Any]] = []
        self.describe_chunks: list[list[str]] = []
        self.describe_counts: list[int] = []
        self._chunks: list[list[str]] = []
        self._errors = {
            op: _ScriptedError(case.get(key))
            for op, key in (
                ("SubmitJob", "submit_error"),
                ("RegisterJobDefinition", "register_error"),
                ("TerminateJob", "terminate_error"),
            )
        }
        self._describe_error = _ScriptedError(None)
        self._reverse = bool(case.get("describe_reverse"))
        self._submits = 0
        self._revisions: dict[str, int] = {}
        self._array_sizes: dict[str, int] = {}
        self._parent: dict[str, Any] | None = _UNMENTIONED
        self._every_child: dict[str, Any] | None = _UNMENTIONED
        self._children: dict[str, dict[str, Any] | None] = {}

    # The script.

    def enter(self, step: dict[str, Any]) -> None:
        """Makes a step of the timeline current."""
        self._describe_error = _ScriptedError(step.get("describe_error"))
        jobs = step.get("jobs") or {}
        if "*" in jobs:
            self._every_child = jobs["*"]
            self._children = {}
        for name, entry in jobs.items():
            if name == "parent":
                self._parent = entry
            elif name != "*":
                self._children[name] = entry

    def begin_refresh(self) -> None:
        self._chunks = []

    def end_refresh(self) -> None:
        if not self.describe_counts:
            self.describe_chunks = [sorted(chunk) for chunk in self._chunks]
        self.describe_counts.append(sum(len(chunk) for chunk in self._chunks))

    def refused(self, request: dict[str, Any], error: str) -> None:
        """Records a request that the SDK's own check did not let through."""
        self._submits += 1
        self._record("SubmitJob", request, error)

    def register_job_definition(self, **request: Any) -> Any:
        self._answer("RegisterJobDefinition", request)
        name = request["jobDefinitionName"]
        revision = self._revisions[name] = self._revisions.get(name, 0) + 1
        arn = f"arn:aws:batch:{self.region}:{self.account_id}:job-definition/{name}:{revision}"
        return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": revision}

    def submit_job(self, **request: Any) -> Any:
        self._submits += 1
        self._answer("SubmitJob", request)
        job_id = f"00000000-0000-4000-8000-{self._submits:012d}"
        self._array_sizes[job_id] = (request.get("arrayProperties") or {}).get("size") or 0
        return {"jobId": job_id, "jobName": request["jobName"]}

    def describe_jobs(self, **request: Any) -> Any:
        ids = request["jobs"]
        self._chunks.append(list(ids))
        self._describe_error.raise_if_due()
        found = [entry for job_id in ids if (entry := self._detail(job_id)) is not None]
        return {"jobs": found[::-1] if self._reverse else found}

    def terminate_job(self, **request: Any) -> object:
        self._answer("TerminateJob", request)
        return {}

    def _answer(self, op: str, request: dict[str, Any]) -> None:
        try:
            self._errors[op].raise_if_due()
        except BatchError as error:
            self._record(op, request, str(error))
            raise
        self._record(op, request, None)

    def _record(self, op: str, request: dict[str, Any], error: str | None) -> None:
        record = {"op": op, "input": as_sent(request)}
        if error is not None:
            record["error"] = error
        self.requests.append(record)

    def _detail(self, job_id: str) -> dict[str, Any] | None:
        parent, _, child = job_id.partition(":")
        if parent not in self._array_sizes:
            return None
        if not child:
            entry = self._parent
        elif child in self._children:
            entry = self._children[child]
        else:
            entry = self._every_child if int(child) < self._array_sizes[parent] else None
        if entry is None:
            return None
        detail = json.loads(json.dumps(entry).replace("{i}", child))
        return {"jobId": job_id, "jobName": "job", **detail}


class _ScriptedError:
    """`text`, or `{code, message, times, after}`: fails `times` calls (all, when absent) after the first `after`."""

    def __init__(self, script: Any) -> None:
        self._script = {"message": script} if isinstance(script, str) else script
        self._calls = 0

    def raise_if_due(self) -> None:
        if self._script is None:
            return
        number = self._calls - self._script.get("after", 0)
        self._calls += 1
        if number >= 0 and ("times" not in self._script or number < self._script["times"]):
            code = self._script.get("code", "ClientException")
            raise BatchError(code, self._script.get("message", ""), _STATUS.get(code, 400))


def as_sent(request: dict[str, Any]) -> dict[str, Any]:
    """A request as the AWS SDK for Go writes it: a null in a list or a map writes nothing, which is JSON only where it
    is alone in its list."""
    if not _has_null(request):
        return request
    body = _body(SUBMIT_JOB, request)
    try:
        sent: dict[str, Any] = json.loads(body)
    except ValueError:
        return {"not_json": body}
    return sent


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_null(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_null(item) for item in value)
    return value is None


def _body(shape: Any, value: Any) -> str:
    if value is None:
        return ""
    if shape["type"] == "structure":
        members = [
            f'"{name}":{_body(inner, value[name])}'
            for name, inner in shape["members"].items()
            if value.get(name) is not None
        ]
        return "{" + ",".join(members) + "}"
    if shape["type"] == "map":
        return "{" + ",".join(_text(key) + ":" + _body(shape["value"], value[key]) for key in sorted(value)) + "}"
    if shape["type"] == "list":
        return "[" + ",".join(_body(shape["member"], item) for item in value) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
