"""Workflows of which one node fails while others run for an hour, wait, or have not been called yet."""

from __future__ import annotations

import os
import time
from pathlib import Path

from concurrent_flows import LET_END, SECONDS
from flytekit import dynamic, task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

HOUR = 3600


def place(name: str) -> Path:
    return Path(os.environ["MEETING_PLACE"]) / name


def wait_for(name: str) -> None:
    until = time.monotonic() + SECONDS
    while not place(name).exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{name} never came")
        time.sleep(0.01)


@task(task_config=AWSBatchConfig(), retries=0)
def failing(after: str) -> int:
    """Fails once a file is there, unless somebody has mended it."""
    wait_for(after)
    if not place("mended").exists():
        raise ValueError("this one fails")
    return 0


def run_long(n: int) -> int:
    """Takes an hour for 1, and no time for anything else."""
    place(f"long {n}").touch()
    if n == 1 and not place("mended").exists():
        time.sleep(HOUR)
    return n


@task(task_config=AWSBatchConfig(), retries=0)
def long(n: int) -> int:
    return run_long(n)


@task(task_config=AWSBatchConfig(), retries=0, cache=True, cache_version="1")
def kept(n: int) -> int:
    return run_long(n)


@task(task_config=AWSBatchConfig(), retries=0)
def mark(name: str) -> str:
    place(name).touch()
    return name


@task(task_config=AWSBatchConfig(), retries=0)
def gated(n: int) -> int:
    wait_for("gate")
    return n


@task
def plain_failure() -> int:
    wait_for("long 1")
    if not place("mended").exists():
        raise ValueError("this plain one fails")
    return 0


@task(task_config=AWSBatchConfig(), retries=0)
def clean_up() -> None:
    place("cleaned up").touch()


@workflow
def beside_a_map(n: list[int]) -> tuple[int, list[int]]:
    return failing(after="fail"), map_task(kept)(n=n)


@workflow
def beside_a_job() -> tuple[int, int]:
    return failing(after="long 1"), long(n=1)


@workflow
def before_a_waiting_node() -> tuple[int, int, str]:
    failed, ran, marked = failing(after="long 1"), long(n=1), mark(name="marked")
    ran >> marked
    return failed, ran, marked


@workflow
def beside_one_that_nobody_waits_for() -> int:
    failed = failing(after="long 1")
    long(n=1)
    return failed


@workflow
def inner() -> int:
    return long(n=1)


@workflow
def beside_a_subworkflow() -> tuple[int, int]:
    return failing(after="long 1"), inner()


@workflow
def inner_failure() -> int:
    return failing(after="long 1")


@workflow
def a_subworkflow_fails() -> tuple[int, int]:
    ran = long(n=1)
    return ran, inner_failure()


@workflow
def one_that_nobody_waits_for_fails() -> int:
    ran = long(n=1)
    failing(after="long 1")
    return ran


@workflow
def both_fail() -> tuple[int, int]:
    return failing(after="fail"), failing(after="fail")


@workflow(on_failure=clean_up)
def cleaned_up() -> tuple[int, int]:
    return failing(after="long 1"), long(n=1)


@workflow(on_failure=clean_up)
def cleaned_up_after_a_plain_task() -> tuple[int, int]:
    ran = long(n=1)
    return ran, plain_failure()


@workflow(failure_policy=LET_END)
def executable_nodes_end() -> tuple[int, int, str]:
    failed, ran, marked = failing(after="fail"), gated(n=1), mark(name="marked")
    ran >> marked
    return failed, ran, marked


@workflow(failure_policy=LET_END)
def several_fail() -> tuple[int, int, int]:
    return failing(after="late"), failing(after="fail"), gated(n=1)


@workflow(failure_policy=LET_END)
def one_fails_further_on() -> tuple[int, int]:
    name = mark(name="marked")
    at_once = failing(after="fail")
    return at_once, failing(after=name)


@workflow(failure_policy=LET_END)
def one_with_an_input_fails_further_on(after: str) -> tuple[int, int]:
    marked = mark(name="marked")
    at_once, further_on = failing(after="fail"), failing(after=after)
    marked >> further_on
    return at_once, further_on


@workflow
def inner_failure_at_once() -> int:
    return failing(after="fail")


@workflow(failure_policy=LET_END)
def a_subworkflow_fails_last() -> tuple[int, int]:
    return failing(after="fail"), inner_failure_at_once()


@workflow(failure_policy=LET_END)
def one_that_nobody_waits_for_fails_last() -> int:
    failed = failing(after="fail")
    failing(after="fail")
    return failed


@workflow
def beside_a_gated_one() -> tuple[int, int]:
    return failing(after="fail"), gated(n=1)


@workflow
def beside_two_gated_ones() -> tuple[int, int, int]:
    return failing(after="fail"), gated(n=1), gated(n=2)


@dynamic
def goes_on() -> int:
    try:
        return failing(after="fail")
    except Exception:
        return long(n=2)


@workflow
def caught() -> tuple[int, int]:
    return gated(n=1), goes_on()


@task
def plain_reader(outcome: int, other: int) -> int:
    return outcome + other


@workflow
def read_by_a_plain_task(after: str) -> int:
    """The failing node runs beside another, so that the plain task is the first to read its outputs."""
    return plain_reader(outcome=failing(after=after), other=gated(n=1))
