"""The runner and a node's driver step the very same handler: a wrong step shows in both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2
from in_memory import MemoryCatalog, MemoryStore

from flytekitplugins.awsbatch.propeller.aws_array import handler
from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_request import ExecutionId, NodeRequest
from flytekitplugins.awsbatch.propeller.node.node_result import NodeResult

from .handler_cases import run_case
from .scripted_aws import ScriptedAws
from .test_vectors import vectors

CASES = [
    pair for pair in vectors("handler") if pair[0]["name"] in ("cache/none-cached", "phases/one-fails-with-error-file")
]
INTEGERS = types_pb2.LiteralType(collection_type=types_pb2.LiteralType(simple=types_pb2.INTEGER))


def wrong(step: str, right: Any) -> Callable[..., Any]:
    """A step that does its work and then gets one thing wrong."""

    def state(*arguments: Any) -> Any:
        return replace(right(*arguments), reason="wrong")

    def first(*arguments: Any) -> Any:
        made, *rest = right(*arguments)
        return replace(made, min_successes=made.min_successes + 1), *rest

    def assembled(*arguments: Any) -> Any:
        made, ready = right(*arguments)
        return replace(made, reason="wrong"), ready

    if step.startswith("assemble"):
        return assembled
    return state if step in ("ensure_definition", "submit_batch_job") else first


STEPS = [
    "discover_subtasks",
    "ensure_definition",
    "submit_batch_job",
    "monitor_subtasks",
    "write_back",
    "assemble_outputs",
    "assemble_errors",
]


def drive(fails: bool) -> tuple[NodeResult, list[Any]]:
    """A node of two items, the second of which may fail; its result and the reasons and totals of each round."""
    ended = {"status": "SUCCEEDED", "attempts": [{"container": {"logStreamName": "a", "exitCode": 0}}]}
    failed = {"status": "FAILED", "statusReason": "no", "attempts": [{"container": {"logStreamName": n}} for n in "ab"]}
    aws = ScriptedAws({})
    aws.enter(
        {
            "jobs": {
                "parent": ended,
                "0": ended,
                "1": {**failed, "container": {"logStreamName": "b"}} if fails else ended,
            }
        }
    )
    variables = interface_pb2.VariableMap(variables={"x": interface_pb2.Variable(type=INTEGERS)})
    template = tasks_pb2.TaskTemplate(
        id=identifier_pb2.Identifier(project="p", domain="d", name="t", version="v"),
        type="container_array",
        task_type_version=1,
        interface=interface_pb2.TypedInterface(inputs=variables, outputs=variables),
        container=tasks_pb2.Container(image="app:v1"),
    )
    template.container.config.add(key="child_queue", value="queue")
    template.metadata.retries.retries = 1
    items = [literals_pb2.Literal(hash=text) for text in "ab"]
    listed = literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))
    store = MemoryStore()
    for attempt in (0, 1):
        for index in (0, 1):
            path = f"s3://b/m/p-d-e/n0/data/{attempt}/{index}/outputs.pb"
            store.write_file(path, literals_pb2.LiteralMap(literals={"x": items[index]}).SerializeToString())
    request = NodeRequest(
        ExecutionId("p", "d", "e"),
        None,
        "n0",
        template,
        literals_pb2.LiteralMap(literals={"x": listed}),
        "s3://b/m",
        "s3://b/r",
    )
    seen: list[Any] = []
    execution = NodeExecution(
        request,
        HandlerServices(aws, store, MemoryCatalog()),
        observer=lambda execution, progress: seen.append(execution.snapshot()),
    )
    for _ in range(100):
        execution.step()
        if execution.result is not None:
            return execution.result, seen
    raise AssertionError("the node did not end")


@pytest.mark.parametrize("step", STEPS)
def test_a_wrong_step_shows_in_the_runner_and_in_the_driver(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(CASES) == 2
    assert all(run_case(*pair).mismatches == [] for pair in CASES)
    fails = step == "assemble_errors"
    right = drive(fails)
    monkeypatch.setattr(handler, step, wrong(step, getattr(handler, step)))
    assert any(run_case(*pair).mismatches for pair in CASES)
    assert drive(fails) != right
