"""Watching with few calls: an account that is simulated call by call, with a clock of its own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flytekitplugins.awsbatch.batch.api import BatchCalls, BatchError
from flytekitplugins.awsbatch.batch.job_watch import CHUNK, JobWatch
from flytekitplugins.awsbatch.propeller.aws_array.job_store import JobStore
from flytekitplugins.awsbatch.propeller.node.waiting import EventWait
from flytekitplugins.awsbatch.propeller.propeller_settings import HandlerSettings

QUEUED, RUNNING, SUCCEEDED, FAILED = "RUNNABLE", "RUNNING", "SUCCEEDED", "FAILED"
NEVER = 1e9


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


class Account(BatchCalls):
    """One job, an array for more than one child, whose children start and end at given times."""

    def __init__(self, clock: Clock, life: list[tuple[float, float, str]]) -> None:
        """:param life: of each child: when it starts, when it ends, and how."""
        self.clock = clock
        self.life = life
        self.calls: Counter[str] = Counter()
        self.described: Counter[str] = Counter()
        self.refused: BatchError | None = None
        self.denied: set[str] = set()

    def status(self, index: int) -> str:
        start, end, how = self.life[index]
        return QUEUED if self.clock() < start else RUNNING if self.clock() < end else how

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.calls[operation] += 1
        if operation in self.denied:
            raise BatchError("AccessDeniedException", f"not authorized to perform: batch:{operation}", 403)
        if self.refused is not None:
            raise self.refused
        if operation == "DescribeJobs":
            assert 0 < len(request["jobs"]) <= CHUNK
            self.described.update(request["jobs"])
            return {"jobs": [detail for one in request["jobs"] if (detail := self.detail(one))]}
        assert operation == "ListJobs", operation
        indexes = [index for index in range(len(self.life)) if self.status(index) == request["jobStatus"]]
        start = int(request.get("nextToken", 0))
        found: dict[str, Any] = {
            "jobSummaryList": [{"arrayProperties": {"index": index}} for index in indexes[start : start + CHUNK]]
        }
        if len(indexes) > start + CHUNK:
            found["nextToken"] = str(start + CHUNK)
        return found

    def detail(self, job_id: str) -> Mapping[str, Any] | None:
        name, _, index = job_id.partition(":")
        if name != "job" or (index and len(self.life) == 1):
            return None
        if index or len(self.life) == 1:
            status = self.status(int(index or 0))
            attempts = [{"container": {"logStreamName": f"s{index}"}}] if status in (SUCCEEDED, FAILED) else []
            return {"jobId": job_id, "status": status, "attempts": attempts, "container": {}}
        summary = Counter(self.status(one) for one in range(len(self.life)))
        ended = summary[SUCCEEDED] + summary[FAILED] == len(self.life)
        status = (FAILED if summary[FAILED] else SUCCEEDED) if ended else "PENDING"
        array = {"size": len(self.life), "statusSummary": dict(summary)}
        return {"jobId": job_id, "status": status, "arrayProperties": array, "attempts": [], "container": {}}


def run(account: Account, clock: Clock, *, until_failed: bool = False) -> tuple[JobStore, JobWatch, int]:
    """As a node's driver does: refresh, wait, refresh, until every child is known to have ended. Also the rounds."""
    watch = JobWatch(account, clock=clock, sleep=clock.sleep)
    store = JobStore(watch, HandlerSettings(), watch.changed)  # type: ignore[arg-type]
    store.get_or_create("name", "job", len(account.life))
    wait = EventWait(watch, timeout=120, sleep=clock.sleep)
    for rounds in range(1, 100_000):
        store.refresh("name")
        job = store.get("name")
        assert job is not None
        phases = [child.phase for child in job.children]
        if all(one.terminal for one in phases) or (until_failed and any(one.failure for one in phases)):
            return store, watch, rounds
        wait("job", round_seconds=0.0, error=False, timeout=None)
    raise AssertionError("no end")


def looks(account: Account) -> int:
    return account.described["job"]


@pytest.mark.parametrize("size", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_large_array_costs_few_calls_a_child_beyond_the_looks_at_it(size: int) -> None:
    """Half an hour with two hundred machines at a time."""
    clock, chance = Clock(), random.Random(size)
    machines, seconds = size / 50, 36.0
    life = []
    for index in range(size):
        start = 60 + index // machines * seconds + chance.random() * seconds
        life.append((start, start + seconds * chance.random(), SUCCEEDED))
    account = Account(clock, life)
    store, _, _ = run(account, clock)
    assert (account.calls["DescribeJobs"] + account.calls["ListJobs"] - looks(account)) / size <= 0.05
    assert max(count for job, count in account.described.items() if ":" in job) == 1
    job = store.get("name")
    assert job is not None and {child.log_streams[0] for child in job.children} == {f"s{i}" for i in range(size)}


def test_an_array_that_fits_one_call_costs_one_a_look() -> None:
    clock = Clock()
    account = Account(clock, [(10.0 * index, 10.0 * index + 15, SUCCEEDED) for index in range(99)])
    _, _, rounds = run(account, clock)
    # One more at the beginning, before its size is known.
    assert account.calls == {"DescribeJobs": looks(account) + 1}
    assert looks(account) <= rounds * 2.5


def test_looks_slow_down_from_2_to_30_seconds_while_nothing_changes() -> None:
    clock = Clock()
    account = Account(clock, [(1800.0, 1801.0, SUCCEEDED)])
    at: list[float] = []
    call = account.call
    account.call = lambda *words: at.append(clock.now) or call(*words)  # type: ignore[method-assign, func-returns-value]
    run(account, clock)
    pauses = [later - earlier for earlier, later in pairwise(at)]
    quiet = [pause for pause, when in zip(pauses, at, strict=False) if when < 1700]
    assert quiet[:5] == sorted(quiet[:5])
    assert (quiet[0], max(quiet)) == (2.0, 30.0)
    assert len(at) < 75


def test_a_child_that_fails_is_known_at_the_next_look() -> None:
    clock = Clock()
    life = [(0.0, NEVER, SUCCEEDED)] * 400
    life[7] = (0.0, 50.0, FAILED)
    account = Account(clock, life)
    store, _, _ = run(account, clock, until_failed=True)
    assert clock.now <= 50 + 30
    job = store.get("name")
    assert job is not None and [i for i, child in enumerate(job.children) if child.phase.failure] == [7]
    assert account.calls["ListJobs"] == 1


def test_those_who_run_beside_a_failed_child_are_known_too() -> None:
    """The handler waits for them a little, since their errors count."""
    clock = Clock()
    life = [(0.0, NEVER, SUCCEEDED)] * 5 + [(NEVER, NEVER, SUCCEEDED)] * 400
    life[2] = (0.0, 50.0, FAILED)
    account = Account(clock, life)
    store, _, _ = run(account, clock, until_failed=True)
    job = store.get("name")
    assert job is not None
    assert Counter(child.phase.name for child in job.children[:5]) == {"RUNNING": 4, "RETRYABLE_FAILURE": 1}


def test_who_may_not_list_asks_for_all_children() -> None:
    clock = Clock()
    account = Account(clock, [(0.0, 100.0, SUCCEEDED)] * 150)
    account.denied = {"ListJobs"}
    store, _, _ = run(account, clock)
    job = store.get("name")
    assert job is not None and all(child.log_streams for child in job.children)


def test_a_look_that_finds_no_answer_is_put_off_and_a_refusal_is_told() -> None:
    clock = Clock()
    account = Account(clock, [(0.0, 500.0, SUCCEEDED)] * 2)
    watch = JobWatch(account, clock=clock, sleep=clock.sleep)
    watch.changed("job", -1)
    account.refused = BatchError("ServerException", "", 500)
    assert watch.wait("job", 0, timeout=100) == 0
    assert 3 <= account.calls["DescribeJobs"] <= 10
    account.refused = BatchError("AccessDeniedException", "", 403)
    assert watch.wait("job", 0, timeout=100) == 1


def test_one_look_serves_all_jobs_that_somebody_waits_for() -> None:
    clock = Clock()
    account = Account(clock, [(100.0, 200.0, SUCCEEDED)])
    detail = account.detail
    account.detail = lambda job: detail("job") and {**detail("job"), "jobId": job}  # type: ignore[method-assign, dict-item]
    watch = JobWatch(account, clock=clock, sleep=clock.sleep)
    names = [f"job{number}" for number in range(30)]
    for name in names:
        watch.changed(name, -1)
        watch._job(name).waiting += 1
    before = account.calls["DescribeJobs"]
    for name in names:
        watch.wait(name, 0, timeout=3)
    # Each waits three seconds of the same clock here, one after the other.
    assert account.calls["DescribeJobs"] - before <= 90 / 3 + 5


def test_an_ended_job_is_not_terminated_once_more() -> None:
    clock = Clock()
    account = Account(clock, [(0.0, 1.0, SUCCEEDED)])
    _, watch, _ = run(account, clock)
    assert watch.call("TerminateJob", {"jobId": "job", "reason": "Finalized"}) == {}
    assert "TerminateJob" not in account.calls


@given(
    st.lists(
        st.tuples(st.floats(0, 300), st.floats(0, 300), st.sampled_from([SUCCEEDED, SUCCEEDED, FAILED])),
        min_size=1,
        max_size=260,
    )
)
def test_every_end_is_known_in_the_end_and_no_child_that_ended_is_asked_for_twice(
    lives: list[tuple[float, float, str]],
) -> None:
    clock = Clock()
    account = Account(clock, [(start, start + length, how) for start, length, how in lives])
    store, _, _ = run(account, clock)
    job = store.get("name")
    assert job is not None
    told = ["FAILED" if child.phase.failure else "SUCCEEDED" for child in job.children]
    assert told == [how for _, _, how in lives]
