"""An emulated job has the node, and so the overrides, that a cluster would give it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import compat_overrides as flows
import pytest
from compat_run import emulated, with_emulator
from flytekit.exceptions.eager import EagerException

from flytekitplugins.awsbatch import TaskFailedError
from flytekitplugins.awsbatch.lint import lint_warnings
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.history.told import ToldOnce
from flytekitplugins.awsbatch.local.home import Home
from flytekitplugins.awsbatch.testing import Emulation, emulation


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    """Room for what is asked for, whatever machine this is."""
    with emulation(tmp_path_factory.mktemp("batch"), settings=with_emulator(vcpus=4), quiet=True) as running:
        yield running


def asked(request: dict[str, Any]) -> tuple[str, int, int]:
    """(node, vCPUs, MB) of a SubmitJob request."""
    container = request["containerOverrides"]
    found = {one["type"]: int(one["value"]) for one in container.get("resourceRequirements", [])}
    vcpus, memory = found.get("VCPU", container.get("vcpus")), found.get("MEMORY", container.get("memory"))
    return request["jobName"].split("-", 1)[1].rpartition("-")[0], vcpus, memory


def test_overridden_resources_reach_the_job_of_their_node(batch: Emulation) -> None:
    result, requests = emulated(batch, lambda: flows.overridden(n=0))
    assert result == [4, 2]
    assert [asked(one) for one in requests] == [
        ("n0", 1, 500),
        ("wide", 2, 600),
        ("n2-0-n0", 3, 500),
        ("n3", 1, 700),
    ]
    run = past_runs.past_run(Home(batch.home))
    assert [(one.node, one.task.rpartition(".")[2][:8]) for one in run.nodes] == [
        ("n0", "step"),
        ("wide", "step"),
        ("n2-0-n0", "step"),
        ("n3", "map_step"),
    ]


def test_overrides_that_a_cluster_drops_are_told(batch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint_warnings, "_told", set())
    # Runs before in the same home have told some of it.
    monkeypatch.setattr(ToldOnce, "first_time", lambda *_: True)
    result, (request,) = emulated(batch, lambda: flows.dropped(n=0))
    assert result == [1]
    assert request["retryStrategy"] == {"attempts": 2}
    assert "step has overrides that do not reach AWS Batch [AB105]" in batch.printed


def test_where_no_node_is_known_calls_are_numbered_and_one_warning_says_so(batch: Emulation) -> None:
    result, requests = emulated(batch, lambda: flows.elsewhere(n=1))
    # The branch is known, the dynamic task's call is not.
    assert (result, [asked(one) for one in requests]) == (3, [("n0-0-n0-n0", 4, 500), ("n1-0-dn0", 1, 500)])
    assert batch.printed.count("is not seen here; on a cluster it is.") == 1


@pytest.mark.parametrize(
    ("n", "expected", "vcpus"),
    [
        (11, ["n0-0-n0-n0", "n1-0-n1-n0"], 1),
        (6, ["n0-0-n0-n1-0-n0-n1-n0", "n1-0-n1-n1"], 2),
        # In a local run flytekit makes the first call of the inner conditional, too.
        (4, ["n0-0-n0-n1-0-n0-n1-n0", "n0-0-n0-n1-0-n0-n1-small", "n1-0-n1-n1"], 2),
        (1, ["n0-0-n0-n2", "n1-0-n1-n1"], 3),
    ],
)
def test_a_call_in_one_of_several_branches_is_the_node_of_that_branch(
    batch: Emulation, n: int, expected: list[str], vcpus: int
) -> None:
    """As a FlyteAdmin and a FlytePropeller 1.16.8 named them."""
    _, requests = emulated(batch, lambda: flows.several_branches(n=n))
    assert [one.node for one in past_runs.past_run(Home(batch.home)).nodes] == expected
    assert asked(requests[0])[1] == vcpus


def test_what_was_called_before_a_branch_is_not_called_in_it(batch: Emulation) -> None:
    _, requests = emulated(batch, lambda: flows.given_to_a_branch(n=1))
    assert [asked(one)[1] for one in requests] == [2, 3]


def test_calls_of_an_eager_function_are_executions_of_their_own(batch: Emulation) -> None:
    result, requests = emulated(batch, lambda: asyncio.run(flows.eagerly(n=1)))
    assert (result, [asked(one)[0] for one in requests]) == (4, ["compatoverridesstep"] * 2)
    assert len({one["jobName"].split("-")[0] for one in requests}) == 2


def test_an_eager_function_catches_what_it_would_on_a_cluster(batch: Emulation) -> None:
    assert asyncio.run(flows.eagerly_caught(n=1)) == 3
    with pytest.raises(TaskFailedError) as caught:
        flows.refused(n=1)
    assert not isinstance(caught.value, EagerException)
