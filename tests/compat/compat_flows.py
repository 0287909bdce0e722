"""Workflows over AWS Batch tasks in every shape that flytekit has for them; children import this module."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flytekit import (
    Deck,
    ImageSpec,
    LaunchPlan,
    Secret,
    TaskMetadata,
    conditional,
    current_context,
    dynamic,
    task,
    workflow,
)

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

BATCH = AWSBatchConfig(lint_ignore=["AB103", "AB104", "AB111", "AB113"])


@dataclass
class Point:
    x: int
    y: int


@task(task_config=BATCH)
def double(n: int) -> int:
    return 2 * n


@task
def plain_triple(n: int) -> int:
    return 3 * n


@task(task_config=BATCH)
def total(ns: list[int]) -> int:
    return sum(ns)


@task(task_config=BATCH)
def shift(point: Point, by: Point, names: dict[str, int]) -> Point:
    return Point(point.x + by.x + names["x"], point.y + by.y)


@workflow
def chained(ns: list[int]) -> list[int]:
    """A map over another map's output, one of them over a plain task."""
    return map_task(double)(n=map_task(plain_triple, lint_ignore=["AB104", "AB111"])(n=ns))


@workflow
def bound(points: list[Point]) -> list[Point]:
    return map_task(partial(shift, by=Point(10, 20), names={"x": 100}))(point=points)


@workflow
def bound_to_a_result(ns: list[int], points: list[Point]) -> tuple[list[Point], int]:
    """What is bound may be an input of the workflow, and a list inside a dict."""
    moved = map_task(partial(shift, by=Point(1, 1)))(point=points, names=[{"x": 1}, {"x": 2}])
    return moved, total(ns=ns)


@dynamic
def fan_out(count: int) -> int:
    doubled = map_task(double)(n=list(range(count)))
    return total(ns=[total(ns=doubled), double(n=count)])


@workflow
def in_dynamic(count: int) -> int:
    return double(n=fan_out(count=count))


@workflow
def branching(n: int) -> int:
    chosen = conditional("size").if_(n > 10).then(double(n=n)).else_().then(total(ns=[n, n, n]))
    return double(n=chosen)


@workflow
def inner(ns: list[int]) -> tuple[int, list[int]]:
    doubled = map_task(double)(n=ns)
    return total(ns=doubled), doubled


@workflow
def outer(ns: list[int]) -> int:
    first, doubled = inner(ns=ns)
    second, _ = inner(ns=doubled)
    return total(ns=[first, second])


PLAN = LaunchPlan.get_or_create(
    inner, name="compat_flows.plan", default_inputs={"ns": [1, 2]}, labels=None, fixed_inputs=None
)
FIXED = LaunchPlan.get_or_create(inner, name="compat_flows.fixed", fixed_inputs={"ns": [4]})


@workflow
def with_plans() -> tuple[int, int]:
    first, _ = PLAN(ns=[5, 6])
    second, _ = FIXED()
    return first, second


@task(task_config=BATCH)
def breaks(marks: str) -> int:
    if marks:
        raise ValueError("this never works")
    return 0


@task(task_config=BATCH)
def clean_up(marks: str) -> None:
    Path(marks, "cleaned").write_text(os.environ.get("AWS_BATCH_JOB_ID", "in process"))


@workflow(on_failure=clean_up)
def with_failure_node(marks: str) -> int:
    return breaks(marks=marks)


@task(task_config=BATCH, interruptible=True)
def preemptible(n: int) -> int:
    return n + 1


@task(task_config=BATCH, secret_requests=[Secret(group="shop", key="token")])
def with_secret(n: int) -> str:
    return f"{current_context().secrets.get('shop', 'token')} {n}"


@task(task_config=BATCH, enable_deck=True)
def with_deck(n: int) -> int:
    Deck("notes", f"<b>looked at {n}</b>")
    return n


@task(task_config=BATCH)
def with_checkpoint(n: int) -> str:
    checkpoint = current_context().checkpoint
    before = checkpoint.read()
    if before is None and os.environ.get("AWS_BATCH_JOB_ATTEMPT") == "1":
        checkpoint.write(f"half of {n}".encode())
        raise RuntimeError("lost the machine")
    print(f"went on from {before!r}")
    return f"did {n}"


SPEC = ImageSpec(
    name="compat",
    registry="registry.example",
    packages=["flytekitplugins-awsbatch"],
    builder="never",
    python_version="3.11",
)


@task(task_config=BATCH, container_image=SPEC)
def in_image(n: int) -> int:
    return n - 1


@workflow(interruptible=True)
def features(n: int) -> tuple[int, str, list[str], int, list[int], int]:
    return (
        preemptible(n=n),
        with_secret(n=n),
        map_task(with_secret)(n=[n, n]),
        with_deck(n=n),
        map_task(with_deck, metadata=TaskMetadata(retries=1), enable_deck=True)(n=[n, n]),
        in_image(n=n),
    )
