"""The handler's own time for a large array, from the node's inputs to its assembled outputs.

    python benchmarks/handler.py [children]

The service answers at once and its children have already run: what is left is the handler. Real outputs.pb files are
written and read; nothing waits. Prints CPU seconds by phase.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2

from flytekitplugins.awsbatch.batch.api import BatchCalls
from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.catalog import DiskCatalog
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_request import ExecutionId, NodeRequest
from flytekitplugins.awsbatch.propeller.propeller_settings import (
    AwsPluginSettings,
    BatchPluginSettings,
    HandlerSettings,
)
from flytekitplugins.awsbatch.propeller.storage import SchemeStore

INTEGERS = types_pb2.LiteralType(collection_type=types_pb2.LiteralType(simple=types_pb2.INTEGER))


class FinishedBatch(BatchCalls):
    """AWS Batch whose jobs have all succeeded by the time one asks."""

    region = "us-east-1"
    account_id = "123456789012"

    def __init__(self) -> None:
        self.calls = 0
        self.spent = 0.0

    def register_job_definition(self, **request: Any) -> Any:
        return {"jobDefinitionName": "app", "jobDefinitionArn": "arn:app:1", "revision": 1}

    def submit_job(self, **request: Any) -> Any:
        return {"jobId": "job", "jobName": request["jobName"]}

    def describe_jobs(self, **request: Any) -> Any:
        started = time.process_time()
        self.calls += 1
        details = [
            {
                "jobId": job_id,
                "jobName": "job",
                "status": "SUCCEEDED",
                "attempts": [{"container": {"logStreamName": f"app/default/{job_id}", "exitCode": 0}}],
                "container": {"logStreamName": f"app/default/{job_id}", "exitCode": 0},
            }
            for job_id in request["jobs"]
        ]
        self.spent += time.process_time() - started
        return {"jobs": details}

    def terminate_job(self, **request: Any) -> object:
        return {}


def integer(number: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=number)))


def task() -> tasks_pb2.TaskTemplate:
    variables = interface_pb2.VariableMap(variables={"x": interface_pb2.Variable(type=INTEGERS)})
    made = tasks_pb2.TaskTemplate(
        id=identifier_pb2.Identifier(project="p", domain="d", name="task", version="v"),
        type="container_array",
        task_type_version=1,
        interface=interface_pb2.TypedInterface(inputs=variables, outputs=variables),
        container=tasks_pb2.Container(image="app:v1", args=["--inputs", "{{.input}}"]),
    )
    made.container.config.add(key="child_queue", value="queue")
    made.custom.update({"minSuccessRatio": 1.0})
    made.metadata.retries.retries = 1
    return made


def main(children: int = 10_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        batch, store = FinishedBatch(), SchemeStore()
        limits = AwsPluginSettings(batch=BatchPluginSettings(max_array_job_size=children))
        services = HandlerServices(
            batch, store, DiskCatalog(Path("unused"), enabled=False), HandlerSettings(aws=limits)
        )
        items = literals_pb2.LiteralCollection(literals=[integer(number) for number in range(children)])
        inputs = literals_pb2.LiteralMap(literals={"x": literals_pb2.Literal(collection=items)})
        request = NodeRequest(ExecutionId("p", "d", "e"), "w", "n0", task(), inputs, f"{folder}/meta", f"{folder}/raw")
        for index in range(children):
            output = literals_pb2.LiteralMap(literals={"x": integer(index)})
            path = Path(folder, "meta", "p-d-e", "n0", "data", "0", str(index), "outputs.pb")
            path.parent.mkdir(parents=True)
            path.write_bytes(output.SerializeToString())
        execution = NodeExecution(request, services)
        spent: dict[str, float] = defaultdict(float)
        snapshots = 0.0
        while execution.result is None:
            phase = "finalize" if execution.snapshot()["ending"] else execution.snapshot()["plugin_state"]["phase"]
            started = time.process_time()
            execution.step()
            spent[phase] += time.process_time() - started
            started = time.process_time()
            execution.snapshot()
            snapshots += time.process_time() - started
        outputs = execution.result.outputs
        assert outputs is not None
        assert len(outputs.literals["x"].collection.literals) == children
        spent["CHECKING_SUBTASKS"] -= batch.spent
        total = sum(spent.values())
        print(f"{children} children, {batch.calls} describe calls: {total:.2f} s of CPU in the handler")
        for phase, seconds in spent.items():
            print(f"  {phase:32} {seconds:6.2f} s {seconds / total:6.1%}")
        print(f"  (apart from it: the service's answers {batch.spent:.2f} s, snapshots {snapshots:.2f} s)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
