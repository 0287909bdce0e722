"""Workflows give the same in an emulated run as in plain flytekit, whatever shape they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import compat_flows as flows
import pytest
from compat_run import compared, emulated, plainly
from flytekit import ImageSpec
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpecBuilder

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.testing import Emulation

POINTS = [flows.Point(1, 2), flows.Point(3, 4)]


class NeverBuilds(ImageSpecBuilder):
    def build_image(self, image_spec: ImageSpec) -> str:
        raise AssertionError(f"{image_spec.name} would have been built")


@pytest.fixture(autouse=True, scope="module")
def no_builds() -> None:
    ImageBuildEngine.register("never", NeverBuilds())


def nodes(batch: Emulation) -> list[str]:
    """The node ids of the newest execution's jobs, from their names, in order."""
    names = [job["jobName"] for job in batch.jobs]
    execution = names[-1].split("-")[0]
    return [name.split("-", 1)[1].rpartition("-")[0] for name in names if name.startswith(execution)]


def test_a_map_over_a_maps_output_and_over_a_plain_task(batch: Emulation) -> None:
    compared(batch, lambda: flows.chained(ns=[1, 2, 3]), jobs=[3, 3])
    assert nodes(batch) == ["n0", "n1"]


def test_bound_inputs(batch: Emulation) -> None:
    compared(batch, lambda: flows.bound(points=POINTS), jobs=[2])
    compared(batch, lambda: flows.bound_to_a_result(ns=[1, 2], points=POINTS), jobs=[2, 1])


def test_a_map_in_a_dynamic_task(batch: Emulation) -> None:
    compared(batch, lambda: flows.in_dynamic(count=3), jobs=[3, 1, 1, 1, 1])
    assert nodes(batch) == ["n0-0-dn0", "n0-0-dn1", "n0-0-dn2", "n0-0-dn3", "n1"]


@pytest.mark.parametrize(("n", "branch"), [(11, "n0-0-n0-n0"), (1, "n0-0-n0-n1")])
def test_a_conditional(batch: Emulation, n: int, branch: str) -> None:
    compared(batch, lambda: flows.branching(n=n), jobs=[1, 1])
    assert nodes(batch) == [branch, "n1"]


def test_subworkflows_and_launch_plans(batch: Emulation) -> None:
    compared(batch, lambda: flows.outer(ns=[1, 2]), jobs=[2, 1, 2, 1, 1])
    assert nodes(batch) == ["n0-0-n0", "n0-0-n1", "n1-0-n0", "n1-0-n1", "n2"]
    compared(batch, flows.PLAN, jobs=[2, 1])
    compared(batch, flows.with_plans, jobs=[2, 1, 1, 1])


def test_a_failure_node_runs_as_a_job_of_the_same_execution(batch: Emulation, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="this never works"):
        plainly(lambda: flows.with_failure_node(marks=str(tmp_path)))
    assert (tmp_path / "cleaned").read_text() == "in process"
    with pytest.raises(TaskFailedError, match="ValueError: this never works"):
        flows.with_failure_node(marks=str(tmp_path))
    assert nodes(batch) == ["n0", "fn0"]
    assert (tmp_path / "cleaned").read_text() == batch.jobs[-1]["jobId"]


@pytest.mark.processes_only("the image would be built")
def test_interruptible_secrets_decks_and_images(batch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSEC_SHOP_TOKEN", "abc")
    compared(batch, lambda: flows.features(n=3), jobs=[1, 1, 2, 1, 2, 1])
    runs = batch.home / "runs"
    decks = sorted(str(path.relative_to(runs)).split("/data/")[-1] for path in runs.rglob("deck.html"))
    assert decks == ["0/0/deck.html", "0/1/deck.html", "0/deck.html"]
    assert all("looked at 3" in path.read_text() for path in runs.rglob("deck.html"))
    definition = batch.jobs[-1]["jobDefinition"]
    (described,) = batch.batch.describe_job_definitions(jobDefinitions=[definition])["jobDefinitions"]
    assert described["containerProperties"]["image"].startswith("registry.example/compat:")


def test_checkpoints_are_kept_apart_and_found_by_the_next_attempt(batch: Emulation) -> None:
    compared(batch, lambda: flows.with_checkpoint(n=3), jobs=[1])
    assert "went on from b'half of 3'" in batch.log(batch.jobs[-1]["jobId"])
    compared(batch, lambda: map_task(flows.with_checkpoint)(n=[4, 5]), jobs=[2])
    job = batch.jobs[-1]["jobId"]
    assert [f"went on from b'half of {n}'" in batch.log(job, n - 4) for n in (4, 5)] == [True, True]
    assert [one["attempts"] for one in children(batch, job, 2)] == [2, 2]


def children(batch: Emulation, job: str, size: int) -> list[dict[str, Any]]:
    described = batch.batch.describe_jobs(jobs=[f"{job}:{index}" for index in range(size)])["jobs"]
    return [{"status": one["status"], "attempts": len(one["attempts"])} for one in described]


def test_what_a_cluster_would_say_is_said_once(batch: Emulation) -> None:
    _, requests = emulated(batch, lambda: flows.in_dynamic(count=1))
    assert len(requests) == 5
    assert batch.printed.count("with_overrides() says about them is not seen") == 1
