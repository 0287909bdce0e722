"""Nodes that do not wait for each other run side by side, as on a cluster; what flytekit sees stays the same."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import concurrent_flows as flows
import pytest
from flytekit.core.workflow import WorkflowBase
from flytekit.models.literals import LiteralMap

from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.identity.execution_identity import EntityCall
from flytekitplugins.awsbatch.local.identity.node_identity import Place
from flytekitplugins.awsbatch.local.run.concurrent_nodes import (
    NodeStart,
    RunningNode,
    concurrent_node_start,
    runs_beside_others,
)
from flytekitplugins.awsbatch.sdk.emulated_calls import EmulatedCalls
from flytekitplugins.awsbatch.testing import Emulation


@pytest.fixture(autouse=True)
def meeting_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEETING_PLACE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("flow", "given", "expected"),
    [
        (flows.joined, 1, 5),
        (flows.both_returned, 1, (2, 3)),
        (flows.maps, [1], 5),
        (flows.chains, 1, 5),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_nodes_that_do_not_wait_for_each_other_run_at_once(
    awsbatch: Emulation, flow: Any, given: Any, expected: Any
) -> None:
    found = flow(n=given)
    assert (tuple(found) if isinstance(expected, tuple) else found) == expected


def test_their_jobs_are_submitted_in_the_order_of_the_calls(awsbatch: Emulation) -> None:
    flows.joined(n=1)
    assert [request["jobName"].rsplit("-", 2)[1] for request in awsbatch.requests] == ["n0", "n1"]


def test_a_node_has_ended_before_whoever_waits_for_its_job_goes_on() -> None:
    """One whose items are all cached submits none. The next task is called then, and must find that it may start."""
    begin, told = threading.Event(), threading.Event()
    found = []

    def submitted() -> None:
        found.append(node.ended.is_set())
        told.set()

    call = Mock(label="n0 cached", submitted=Mock(set=submitted))
    node = RunningNode(call, lambda: begin.wait(10) and LiteralMap({}), Mock(), Mock())
    begin.set()
    assert told.wait(10)
    assert found == [True]


def test_an_order_without_data_is_kept(awsbatch: Emulation) -> None:
    assert tuple(flows.ordered()) == ("ordered", True)


def test_an_order_against_that_of_the_calls_is_told(awsbatch: Emulation) -> None:
    flows.ordered()
    assert "runs before" not in awsbatch.printed
    assert tuple(flows.ordered_backwards()) == (False, "backwards")
    assert "n0 runs before n1, the other way round than on a cluster" in awsbatch.printed


def test_both_of_two_that_fail_are_run_and_the_last_one_is_told(awsbatch: Emulation) -> None:
    with pytest.raises(TaskFailedError, match="two fails"):
        flows.two_fail()
    assert [job["status"] for job in awsbatch.jobs] == ["FAILED"] * len(awsbatch.jobs)
    assert {request["jobName"].rsplit("-", 2)[1] for request in awsbatch.requests} == {"n0", "n1"}


def test_the_last_error_is_told_also_when_nobody_waits_for_the_second_node(awsbatch: Emulation) -> None:
    with pytest.raises(TaskFailedError, match="two fails"):
        flows.two_fail_and_one_is_not_waited_for()
    assert {request["jobName"].rsplit("-", 2)[1] for request in awsbatch.requests} == {"n0", "n1"}


def test_what_runs_beside_a_failure_that_nobody_waits_for_ends(awsbatch: Emulation) -> None:
    with pytest.raises(TaskFailedError, match="this one fails"):
        flows.one_that_nobody_waits_for_fails(n=1)
    assert sorted(job["status"] for job in awsbatch.jobs) == ["FAILED", "SUCCEEDED"]


def test_what_runs_beside_a_failure_ends_and_is_cached(awsbatch: Emulation) -> None:
    with pytest.raises(TaskFailedError, match="one fails"):
        flows.one_fails(n=[1, 2])
    before = len(awsbatch.requests)
    with pytest.raises(TaskFailedError, match="one fails"):
        flows.one_fails(n=[1, 2])
    again = awsbatch.requests[before:]
    assert {request["jobName"].rsplit("-", 2)[1] for request in again} == {"n0"}


def test_a_conditional_waits_for_what_it_compares(awsbatch: Emulation) -> None:
    assert flows.chosen(n=7) == 14
    assert flows.chosen(n=2) == 4


@pytest.mark.parametrize(
    ("flow", "beside"),
    [
        (flows.line, []),
        (flows.joined, ["n0", "n1"]),
        (flows.ordered, []),
        (flows.nobody_waits, ["n1"]),
        (flows.chains, ["n0", "n1", "n2", "n3"]),
        # What only a branch uses may never be waited for.
        (flows.chosen, []),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_which_nodes_run_beside_others(flow: WorkflowBase, beside: list[str]) -> None:
    """Never one whose outputs nobody waits for, since nothing of it may be left running."""
    flow.compile()
    emulated = [node for node in flow.nodes if isinstance(node.flyte_entity, EmulatedCalls)]
    assert [node.id for node in emulated if runs_beside_others(flow, node)] == beside


@pytest.mark.parametrize(
    ("calls", "compiled", "start"),
    [
        ("", True, NodeStart.AT_ONCE),
        ("workflow", True, NodeStart.BESIDE_OTHERS),
        ("workflow", False, NodeStart.IN_TURN),
        ("workflow, subworkflow", True, NodeStart.IN_TURN),
        ("workflow, dynamic task", True, NodeStart.IN_TURN),
        ("dynamic task", True, NodeStart.AT_ONCE),
        ("workflow, failure node", True, NodeStart.AFTER_FAILURE),
        ("workflow, subworkflow, failure node", True, NodeStart.AT_ONCE),
    ],
)
def test_how_a_node_is_started(calls: str, compiled: bool, start: NodeStart) -> None:
    """:param calls: around the task's own call. :param compiled: whether its node is known."""
    flows.joined.compile()
    entities = {"workflow": flows.joined, "subworkflow": flows.line, "dynamic task": object()}
    names = [name for name in calls.split(", ") if name]
    on_failure = names[-1:] == ["failure node"]
    around = [EntityCall(entities[name], sys._getframe()) for name in names if name in entities]
    own = EntityCall(object(), sys._getframe(), on_failure=on_failure)
    place = Place("n0", node=flows.joined.nodes[0] if compiled else None)
    assert concurrent_node_start(place, [*around, own]) is start
