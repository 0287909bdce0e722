"""Nodes whose children are shell commands: the real handler, the real local Batch, real processes, and no flytekit.

A child copies an outputs.pb that lies ready to where the handler looks for it, and appends a mark to a file.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from in_memory import MemoryCatalog

from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.faults import STALE_DESCRIBE, Fault
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.settings import BatchSettings
from flytekitplugins.awsbatch.local.deployment.backend import LocalBackend
from flytekitplugins.awsbatch.local.deployment.submissions import Submissions
from flytekitplugins.awsbatch.local.history.resume import Fingerprint, decide_resume
from flytekitplugins.awsbatch.local.run.resume_node import resume_node
from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_request import ExecutionId, NodeRequest
from flytekitplugins.awsbatch.propeller.node.node_result import NodeResult, Progress
from flytekitplugins.awsbatch.propeller.node.waiting import EventWait
from flytekitplugins.awsbatch.propeller.propeller_settings import HandlerSettings
from flytekitplugins.awsbatch.propeller.storage import LocalStore, write_stored_message

QUEUE = "queue"
INTEGERS = types_pb2.LiteralType(collection_type=types_pb2.LiteralType(simple=types_pb2.INTEGER))
# Longer than any test may take: whoever misses its news waits until the test is ended.
NEVER = 3600.0
# Where answers may be older than the news of them, only looking again helps.
STALE = 0.5


def integer(number: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=number)))


def integers(numbers: range) -> literals_pb2.Literal:
    items = [integer(number) for number in numbers]
    return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))


class Node:
    """A map over so many numbers that gives each as it is, in one execution of its own; what a run would record."""

    def __init__(self, world: World, name: str, size: int, script: str = "", limit: int = 0) -> None:
        """:param limit: seconds that an attempt of a child may take, 0 for any."""
        self._world = world
        self.size = size
        self.record: dict[str, Any] = {}
        self.request = world.request(name, size, script)
        if limit:
            self.request.template.metadata.timeout.FromSeconds(limit)
        self.execution = NodeExecution(self.request, world.services, observer=self._observe)
        self._write("running")

    def _observe(self, execution: NodeExecution, progress: Progress) -> None:
        self._write("running", execution, progress.job_id)

    def _write(self, status: str, execution: NodeExecution | None = None, job_id: str | None = None) -> None:
        self.record = {
            "status": status,
            "fingerprint": vars(Fingerprint.of(self.request)),
            "attempt": 0,
            "snapshot": {} if execution is None else execution.snapshot(),
            "job_id": job_id,
        }

    def take_up(self) -> None:
        """As another process would, from the record alone."""
        before = decide_resume(self.record, Fingerprint.of(self.request))
        self.execution = resume_node(self._world.deployment, self.request, before, self._observe).node

    def move_to(self, world: World) -> None:
        """To another service on the same home."""
        self._world = world
        self.take_up()

    def step(self) -> None:
        self.execution.step()

    def run(self) -> NodeResult:
        return self.execution.run(EventWait(self._world.batch, timeout=self._world.wait_seconds))

    @property
    def expected(self) -> literals_pb2.LiteralMap:
        return literals_pb2.LiteralMap(literals={"o0": integers(range(self.size))})


class World:
    """A home with its service, which may be closed, as by a kill, and opened again.

    :ivar wait_seconds: how long nodes wait for news before they look again.
    """

    def __init__(
        self,
        home: Path,
        *,
        handler: HandlerSettings | None = None,
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        self.home = home
        self.wait_seconds = NEVER
        self._handler = handler or HandlerSettings()
        self._clock = clock
        self._settings = BatchSettings(**{"vcpus": 4, "memory": 8192, "kill_grace": 1, **settings})
        (home / "ready").mkdir(parents=True, exist_ok=True)
        self.open()

    def open(self) -> None:
        self.batch = LocalBatch(self.home / "batch", self._settings, clock=self._clock)
        self.batch.start()
        self.batch.ensure_queue(QUEUE)
        self.submissions = Submissions(self.batch, lambda job_id: self.batch.adopt([job_id]) and None)
        self.services = HandlerServices(self.submissions, LocalStore(), MemoryCatalog(), self._handler)
        backend = object.__new__(LocalBackend)
        backend.service = backend.batch = self.batch
        self.deployment: Any = SimpleNamespace(backend=backend, submissions=self.submissions, services=self.services)

    def set_fault(self, fault: Fault) -> None:
        if fault.kind == STALE_DESCRIBE:
            self.wait_seconds = STALE
        self.batch.faults.add(fault)

    def close(self) -> None:
        self.batch.close(terminate=False)

    def request(self, name: str, size: int, script: str = "") -> NodeRequest:
        for number in range(size):
            # Written beside and renamed: other runs on this home may be copying it.
            write_stored_message(
                LocalStore(),
                str(self.home / "ready" / f"{number}.pb"),
                literals_pb2.LiteralMap(literals={"o0": integer(number)}),
            )
        command = (
            'i=${AWS_BATCH_JOB_ARRAY_INDEX:-0}; echo $i >> "$1/started"; '
            f'{script or ":"}; mkdir -p "$0/$i" && cp "$1/ready/$i.pb" "$0/$i/outputs.pb"'
        )
        template = tasks_pb2.TaskTemplate(
            id=identifier_pb2.Identifier(project="p", domain="d", name="task", version="v"),
            type="container_array",
            task_type_version=1,
            interface=interface_pb2.TypedInterface(
                inputs=interface_pb2.VariableMap(variables={"x": interface_pb2.Variable(type=INTEGERS)}),
                outputs=interface_pb2.VariableMap(variables={"o0": interface_pb2.Variable(type=INTEGERS)}),
            ),
            container=tasks_pb2.Container(
                image="image:v1", command=["sh", "-c", command], args=["{{.outputPrefix}}", str(self.home)]
            ),
            custom=ParseDict({"minSuccessRatio": 1.0}, Struct()),
        )
        template.container.config.add(key="child_queue", value=QUEUE)
        template.metadata.retries.retries = 1
        return NodeRequest(
            execution=ExecutionId("p", "d", name),
            workflow="",
            node_id="n0",
            template=template,
            inputs=literals_pb2.LiteralMap(literals={"x": integers(range(size))}),
            metadata_prefix=str(self.home / "meta"),
            raw_output_prefix=str(self.home / "raw"),
        )

    def job_names(self) -> list[str]:
        names = []
        for status in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"):
            answer = self.batch.calls.dispatch_without_faults("ListJobs", {"jobQueue": QUEUE, "jobStatus": status})
            names += [job["jobName"] for job in answer["jobSummaryList"]]
        return sorted(names)
