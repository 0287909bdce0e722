"""What goes wrong on a real cluster without this SDK's own code, and does not with it: each an emulated run that keeps
to Flyte's letter (`fidelity: strict`), once with flytekit's or the published plugin's behaviour and once with ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compat_remedies as tasks
import pytest
from compat_remedies import StockMap
from compat_run import emulated, with_emulator

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.batch.emulator.operations import request_rules
from flytekitplugins.awsbatch.lint import lint_warnings
from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.deployment.submissions import Submissions
from flytekitplugins.awsbatch.testing import Emulation, emulation
from flytekitplugins_awsbatch_timeout import margin


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, isolation_keys: dict[str, Any]) -> Iterator[Emulation]:
    """A hang is reported, and ends after two seconds; there is room for all children at once."""
    settings = with_emulator(**isolation_keys | {"fidelity": "strict", "hang_limit": 2, "vcpus": 10})
    with emulation(tmp_path_factory.mktemp("batch"), settings=settings, quiet=True) as running:
        yield running


def test_the_command_of_flytekits_own_map_is_refused(batch: Emulation) -> None:
    with pytest.raises(TaskFailedError, match="Command field cannot have empty strings"):
        tasks.StockMap(tasks.square, as_is=True)(n=[1, 2])


def test_a_partly_cached_map_runs_the_right_items(batch: Emulation) -> None:
    stock = StockMap(tasks.square)
    assert stock(n=[1, 2, 3]) == [1, 4, 9]
    with pytest.raises(TaskFailedError):
        stock(n=[9, 2, 1, 7])

    ours = map_task(tasks.square)
    value, (request,) = emulated(batch, lambda: ours(n=[19, 2, 1, 17]))
    assert (value, request["arrayProperties"]) == ([361, 4, 1, 289], {"size": 2})


def test_a_tenth_of_ten_is_one(batch: Emulation) -> None:
    items = [1000, *range(1, 10)]
    stock = StockMap(tasks.only_even_thousands, {"parallelism": "0", "minSuccessRatio": 0.1}, min_success_ratio=0.1)
    with pytest.raises(TaskFailedError, match="9 of 10 children failed"):
        stock(n=items)
    assert map_task(tasks.only_even_thousands, min_success_ratio=0.1)(n=items) == [1000, *[None] * 9]


def test_a_map_in_which_everything_fails_has_failed(batch: Emulation) -> None:
    stock = StockMap(tasks.fails, {"parallelism": "0"}, min_success_ratio=0.5)
    assert stock(n=[1, 2]) == [None, None]
    with pytest.raises(TaskFailedError, match="of 2 children failed"):
        map_task(tasks.fails)(n=[1, 2])


def test_a_scheduling_priority_reaches_batch(batch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (ours,) = emulated(batch, lambda: tasks.urgent(n=1))
    assert (ours["schedulingPriorityOverride"], ours["shareIdentifier"]) == (7, "team")

    # The published plugin sends its config's fields under their own names.
    monkeypatch.setattr(tasks.urgent, "get_custom", lambda settings: {"schedulingPriority": 7})
    _, (published,) = emulated(batch, lambda: tasks.urgent(n=1))
    assert not [name for name in published if name.startswith("scheduling")]


def test_the_job_of_an_empty_list_ends_well(batch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    # The handler terminates the job as soon as it has been submitted. Here it comes too late.
    monkeypatch.setattr(Submissions, "terminate_job", lambda self, **request: {})

    def outcome(mapped: Any) -> tuple[str, str]:
        assert mapped(n=[]) == []
        job = batch.jobs[-1]["jobId"]
        while (status := batch.batch.describe_jobs(jobs=[job])["jobs"][0]["status"]) not in ("SUCCEEDED", "FAILED"):
            time.sleep(0.05)
        return status, batch.log(job)

    status, log = outcome(StockMap(tasks.fails))
    assert status == "FAILED"
    assert "Traceback" in log
    assert outcome(map_task(tasks.fails)) == ("SUCCEEDED", "")


def test_the_one_child_of_a_list_of_one_has_an_index(batch: Emulation) -> None:
    """It is no array job: who reads AWS's variable finds nothing, while the index is in one that Flyte names."""
    assert map_task(tasks.reads_its_index)(n=[5, 6]) == [0, 1]
    with pytest.raises(TaskFailedError, match="KeyError: 'AWS_BATCH_JOB_ARRAY_INDEX'"):
        map_task(tasks.reads_its_index)(n=[5])
    assert map_task(tasks.square)(n=[12]) == [144]


def test_children_have_checkpoints_of_their_own(batch: Emulation) -> None:
    def left(mapped: Any) -> list[str]:
        before = set(checkpoints(batch.home))
        assert mapped(n=[5, 6]) == [5, 6]
        return sorted(path.read_text() for path in set(checkpoints(batch.home)) - before)

    assert len(left(StockMap(tasks.leaves_a_checkpoint))) == 1
    assert left(map_task(tasks.leaves_a_checkpoint)) == ["5", "6"]


def checkpoints(home: Path) -> Iterator[Path]:
    return (path for path in home.rglob("_flytecheckpoints/**/*") if path.is_file())


def test_concurrency_is_not_held_and_that_is_said(batch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint_warnings, "_told", set())
    value, (request,) = emulated(batch, lambda: map_task(tasks.square, concurrency=1)(n=[21, 22]))
    assert (value, request["arrayProperties"]) == ([441, 484], {"size": 2})
    assert "[AB106]" in batch.printed


@pytest.mark.parametrize(
    ("mapped", "limit"),
    [
        pytest.param(
            tasks.sleeps_briefly,
            14,
            marks=pytest.mark.processes_only("on a busy machine a container takes half of so short a limit to start"),
        ),
        pytest.param(tasks.sleeps, 60, marks=[pytest.mark.slow, pytest.mark.timeout(400)]),
    ],
    ids=["scaled down", "the least that AWS takes"],
)
def test_attempts_that_take_too_long_are_tried_again_and_end(
    batch: Emulation, monkeypatch: pytest.MonkeyPatch, mapped: Any, limit: int
) -> None:
    monkeypatch.setattr(request_rules, "MIN_TIMEOUT", min(limit, request_rules.MIN_TIMEOUT))
    errors: dict[str, str] = {}

    def run(name: str, call: Any) -> None:
        try:
            call(seconds=[300, 0] if name != "single" else 300)
        except TaskFailedError as error:
            errors[name] = str(error)

    calls = {"stock": StockMap(mapped), "ours": map_task(mapped), "single": mapped}
    threads = [threading.Thread(target=run, args=item) for item in calls.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "real Flyte would wait here for ever" in errors["stock"]
    for name in ("ours", "single"):
        assert "real Flyte would wait" not in errors[name]
        assert "2 attempts" in errors[name]
        assert f"The attempt was ended {margin(limit):.0f} s before its time limit of {limit} s" in errors[name]
