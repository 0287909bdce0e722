"""Arranges tasks, requests and an AWS Batch in memory for the tests of propeller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from flyteidl.core import (
    identifier_pb2,
    interface_pb2,
    literals_pb2,
    tasks_pb2,
    types_pb2,
)
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from in_memory import MemoryCatalog, MemoryStore

from flytekitplugins.awsbatch.batch.api import BatchCalls, BatchError
from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.catalog import StoredCatalog
from flytekitplugins.awsbatch.propeller.node.node_request import ExecutionId, NodeRequest
from flytekitplugins.awsbatch.propeller.propeller_settings import FidelitySettings, HandlerSettings
from flytekitplugins.awsbatch.propeller.storage import DataStore

INTEGER = types_pb2.LiteralType(simple=types_pb2.INTEGER)
LIST = types_pb2.LiteralType(collection_type=INTEGER)


def integer(number: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=number)))


def integers(numbers: Iterable[int]) -> literals_pb2.Literal:
    return literals_pb2.Literal(
        collection=literals_pb2.LiteralCollection(literals=[integer(number) for number in numbers])
    )


def literal_map(**literals: literals_pb2.Literal) -> literals_pb2.LiteralMap:
    return literals_pb2.LiteralMap(literals=literals)


def interface(
    inputs: dict[str, types_pb2.LiteralType], outputs: dict[str, types_pb2.LiteralType]
) -> interface_pb2.TypedInterface:
    def variables(types: dict[str, types_pb2.LiteralType]) -> interface_pb2.VariableMap:
        return interface_pb2.VariableMap(
            variables={name: interface_pb2.Variable(type=one) for name, one in types.items()}
        )

    return interface_pb2.TypedInterface(inputs=variables(inputs), outputs=variables(outputs))


def template(
    *,
    type: str = "container_array",
    version: int = 1,
    custom: dict[str, Any] | None = None,
    outputs: bool = True,
    retries: int | None = 1,
    cached: str = "",
    ignored: tuple[str, ...] = (),
    queue: str = "queue1",
) -> tasks_pb2.TaskTemplate:
    """A map over `x` unless told otherwise; `cached` is the cache version."""
    array = type == "container_array"
    made = tasks_pb2.TaskTemplate(
        id=identifier_pb2.Identifier(
            resource_type=identifier_pb2.TASK, project="proj", domain="development", name="my.task", version="v1"
        ),
        type=type,
        task_type_version=version,
        interface=interface({"x": LIST if array else INTEGER}, {"o0": LIST if array else INTEGER} if outputs else {}),
        container=tasks_pb2.Container(
            image="registry.example/team/app:v1",
            command=["run"],
            args=["--inputs", "{{.input}}", "--output-prefix", "{{.outputPrefix}}"],
        ),
    )
    if queue:
        made.container.config.add(key="child_queue", value=queue)
    if retries is not None:
        made.metadata.retries.retries = retries
    if cached:
        made.metadata.discoverable = True
        made.metadata.discovery_version = cached
        made.metadata.cache_ignore_input_vars.extend(ignored)
    if custom is None and array:
        custom = {"minSuccessRatio": 1.0}
    if custom is not None:
        made.custom.CopyFrom(ParseDict(custom, Struct()))
    return made


def single(**changes: Any) -> tasks_pb2.TaskTemplate:
    return template(type="aws-batch", version=0, **changes)


def request(task: tasks_pb2.TaskTemplate, inputs: literals_pb2.LiteralMap, **changes: Any) -> NodeRequest:
    made = NodeRequest(
        execution=ExecutionId("proj", "development", "exec1"),
        workflow="my.wf",
        node_id="n0",
        template=task,
        inputs=inputs,
        metadata_prefix="s3://bucket/meta",
        raw_output_prefix="s3://bucket/raw",
    )
    return replace(made, **changes)


def settings(fidelity: str = "safe", hang_limit: float = 30.0, **changes: Any) -> HandlerSettings:
    return replace(HandlerSettings(emulation=FidelitySettings(fidelity, hang_limit)), **changes)


@dataclass
class Outcome:
    """How a job or a child ends: its DescribeJobs detail, and the files it leaves below its output prefix.

    A detail of None: AWS does not know it.
    """

    detail: dict[str, Any] | None
    outputs: literals_pb2.LiteralMap | None = None
    files: dict[str, bytes] = field(default_factory=dict)


def attempt(exit_code: int | None = None, stream: str = "log/0") -> dict[str, Any]:
    container: dict[str, Any] = {"logStreamName": stream}
    if exit_code is not None:
        container["exitCode"] = exit_code
    return {"container": container, "startedAt": 1, "stoppedAt": 2}


def succeeded(outputs: literals_pb2.LiteralMap | None = None) -> Outcome:
    return Outcome(
        {"status": "SUCCEEDED", "attempts": [attempt(0)], "container": {"logStreamName": "log/0", "exitCode": 0}},
        outputs,
    )


def failed(attempts: int = 2, reason: str = "Essential container in task exited") -> Outcome:
    """As many attempts as the default strategy allows, unless told otherwise."""
    tries = [attempt(1, f"log/{number}") for number in range(attempts)]
    detail: dict[str, Any] = {"status": "FAILED", "statusReason": reason, "attempts": tries}
    if tries:
        detail["container"] = tries[-1]["container"]
    return Outcome(detail)


def running() -> Outcome:
    return Outcome({"status": "RUNNING", "container": {"logStreamName": "log/0"}})


# (index of the job among the submitted, child index or None) -> how it ends.
Play = Callable[[int, int | None], Outcome]


class MemoryBatch(BatchCalls):
    """AWS Batch that answers at once: a job ends as soon as it is submitted, as `play` says."""

    region = "us-east-1"
    account_id = "123456789012"

    def __init__(self, store: DataStore, play: Play) -> None:
        self.store = store
        self.play = play
        self.submitted: list[dict[str, Any]] = []
        self.terminated: list[dict[str, Any]] = []
        self.described: list[list[str]] = []
        self.registered: list[dict[str, Any]] = []
        self.errors: dict[str, BatchError] = {}
        self.terminated_jobs: set[str] = set()

    def register_job_definition(self, **made: Any) -> Any:
        self._raise("register")
        self.registered.append(made)
        name = made["jobDefinitionName"]
        return {"jobDefinitionName": name, "jobDefinitionArn": f"arn:{name}:{len(self.registered)}", "revision": 1}

    def submit_job(self, **made: Any) -> Any:
        self._raise("submit")
        self.submitted.append(made)
        return {"jobId": f"job-{len(self.submitted) - 1}", "jobName": made["jobName"]}

    def describe_jobs(self, **made: Any) -> Any:
        self.described.append(made["jobs"])
        self._raise("describe")
        return {"jobs": [detail for job_id in made["jobs"] if (detail := self._detail(job_id)) is not None]}

    def terminate_job(self, **made: Any) -> object:
        self._raise("terminate")
        self.terminated.append(made)
        return {}

    def _raise(self, op: str) -> None:
        if op in self.errors:
            raise self.errors[op]

    def _detail(self, job_id: str) -> dict[str, Any] | None:
        name, _, child = job_id.partition(":")
        job = int(name.removeprefix("job-"))
        made = self.submitted[job]
        size = (made.get("arrayProperties") or {}).get("size", 0)
        if child and int(child) >= size:
            return None
        outcome = self.play(job, int(child) if child else None)
        if outcome.detail is None:
            return None
        if child or not size:
            prefix = made["containerOverrides"]["command"][-1]
            self._leave(outcome, self.store.join(prefix, child or "0"))
        return {"jobId": job_id, "jobName": made["jobName"], **outcome.detail}

    def _leave(self, outcome: Outcome, prefix: str) -> None:
        if outcome.outputs is not None:
            self.store.write_file(self.store.join(prefix, "outputs.pb"), outcome.outputs.SerializeToString())
        for name, data in outcome.files.items():
            self.store.write_file(self.store.join(prefix, name), data)


def services(
    play: Play,
    *,
    store: DataStore | None = None,
    catalog: StoredCatalog | None = None,
    configured: HandlerSettings | None = None,
) -> HandlerServices:
    store = MemoryStore() if store is None else store
    return HandlerServices(
        MemoryBatch(store, play),
        store,
        MemoryCatalog() if catalog is None else catalog,
        settings() if configured is None else configured,
    )


def no_wait(job_id: str | None, *, round_seconds: float, error: bool, timeout: float | None) -> None:
    """Nothing to wait for: every answer is there at once."""


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, job_id: str | None, *, round_seconds: float, error: bool, timeout: float | None) -> None:
        """Lets as much time pass as the driver would wait, five seconds where it leaves that open."""
        self.now += 5.0 if timeout is None else timeout
