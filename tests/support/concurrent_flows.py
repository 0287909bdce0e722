"""Workflows whose nodes do not all wait for each other."""

from __future__ import annotations

import os
import time
from pathlib import Path

from flytekit import WorkflowFailurePolicy, conditional, task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

SECONDS = 60
LET_END = WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE


def meet(me: str, other: str) -> None:
    """Returns once the other one has come to the same place; a node that runs alone never gets past."""
    folder = Path(os.environ["MEETING_PLACE"])
    (folder / me).touch()
    until = time.monotonic() + SECONDS
    while not (folder / other).exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{me} never met {other}")
        time.sleep(0.01)


@task(task_config=AWSBatchConfig(), retries=1)
def left(n: int) -> int:
    meet("left", "right")
    return n + 1


@task(task_config=AWSBatchConfig(), retries=1)
def right(n: int) -> int:
    meet("right", "left")
    return n + 2


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@workflow
def joined(n: int) -> int:
    return add(a=left(n=n), b=right(n=n))


@workflow
def both_returned(n: int) -> tuple[int, int]:
    return left(n=n), right(n=n)


@workflow
def maps(n: list[int]) -> int:
    lefts, rights = map_task(left)(n=n), map_task(right)(n=n)
    return add(a=total(numbers=lefts), b=total(numbers=rights))


@task(task_config=AWSBatchConfig(), retries=1)
def first(n: int) -> int:
    return n


@task(task_config=AWSBatchConfig(), retries=1)
def after_first(n: int) -> int:
    return n


@workflow
def chains(n: int) -> int:
    return add(a=left(n=first(n=n)), b=right(n=after_first(n=n)))


@workflow
def line(n: int) -> int:
    return after_first(n=first(n=n))


@task(task_config=AWSBatchConfig(), retries=1)
def mark(name: str) -> str:
    (Path(os.environ["MEETING_PLACE"]) / name).touch()
    return name


@task(task_config=AWSBatchConfig(), retries=1)
def marked(name: str) -> bool:
    return (Path(os.environ["MEETING_PLACE"]) / name).exists()


@workflow
def ordered() -> tuple[str, bool]:
    begun = mark(name="ordered")
    found = marked(name="ordered")
    begun >> found
    return begun, found


@workflow
def ordered_backwards() -> tuple[bool, str]:
    found = marked(name="backwards")
    begun = mark(name="backwards")
    begun >> found
    return found, begun


@task(task_config=AWSBatchConfig(), retries=0)
def fails(name: str) -> int:
    if name:
        raise ValueError(f"{name} fails")
    return 0


@task(task_config=AWSBatchConfig(), retries=1, cache=True, cache_version="1")
def kept(n: int) -> int:
    return n


@workflow(failure_policy=LET_END)
def two_fail() -> tuple[int, int]:
    return fails(name="one"), fails(name="two")


@workflow(failure_policy=LET_END)
def one_fails(n: list[int]) -> tuple[int, list[int]]:
    return fails(name="one"), map_task(kept)(n=n)


@task(task_config=AWSBatchConfig(), retries=1)
def after_failure(n: int) -> int:
    meet("after failure", "failure")
    # So that a run that did not wait would end first.
    time.sleep(1)
    return n


@task(task_config=AWSBatchConfig())
def failure(n: int) -> int:
    meet("failure", "after failure")
    if n:
        raise ValueError("this one fails")
    return n


@workflow(failure_policy=LET_END)
def one_that_nobody_waits_for_fails(n: int) -> int:
    kept = after_failure(n=n)
    failure(n=n)
    return kept


@workflow(failure_policy=LET_END)
def two_fail_and_one_is_not_waited_for() -> int:
    first_one = fails(name="one")
    fails(name="two")
    return first_one


@workflow
def chosen(n: int) -> int:
    a = first(n=n)
    b = after_first(n=n)
    return conditional("size").if_(a > 5).then(add(a=a, b=b)).else_().then(add(a=b, b=b))


@workflow
def nobody_waits(n: int) -> int:
    first(n=n)
    return after_first(n=n)
