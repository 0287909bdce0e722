"""Tasks that the tests of the emulated run send through it; children import this module."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flytekit import Resources, task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@dataclass
class Point:
    x: int
    y: int


@task(task_config=AWSBatchConfig())
def greet(name: str) -> str:
    print(f"greeting {name}")
    return f"Hello, {name}!"


@task(task_config=AWSBatchConfig(tags={"team": "census"}))
def double(n: int) -> int:
    return 2 * n


@task(task_config=AWSBatchConfig())
def described(x: int) -> int:
    """:param x: what comes back."""
    return x


@task(task_config=AWSBatchConfig())
def listed(x: list[int]) -> list[int]:
    return x


@task
def plain_triple(n: int) -> int:
    return 3 * n


@task(task_config=AWSBatchConfig())
def scale(n: int, by: int) -> int:
    return n * by


@task(task_config=AWSBatchConfig())
def shift(point: Point, by: Point) -> Point:
    return Point(point.x + by.x, point.y + by.y)


@task(task_config=AWSBatchConfig())
def picky(n: int) -> int:
    print(f"looking at {n}")
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n


@task(task_config=AWSBatchConfig())
def where_am_i() -> dict[str, str]:
    aws = ("AWS_BATCH_JOB_ID", "AWS_BATCH_JOB_ATTEMPT", "AWS_BATCH_JQ_NAME")
    names = (*aws, "FLYTE_AWSBATCH", "FLYTE_FAIL_ON_ERROR", "PYTEST_CURRENT_TEST")
    found = {name: os.environ.get(name, "") for name in names}
    return {**found, "cwd": str(Path.cwd()), "prefix": sys.prefix}


@task(task_config=AWSBatchConfig(), requests=Resources(cpu="6"))
def wide(n: int) -> int:
    return n


@task(task_config=AWSBatchConfig(), container_image="{{.image.team.fqn}}:{{ .images.team.version }}")
def of_named_image(n: int) -> int:
    return n


@task(task_config=AWSBatchConfig())
def nothing() -> None:
    print("nothing to return")


@task(task_config=AWSBatchConfig())
def divide(a: int, b: int) -> tuple[int, int]:
    return a // b, a % b


@task(task_config=AWSBatchConfig())
def outer(n: int) -> int:
    """Calls another AWS Batch task from inside a job."""
    return double(n=n) + 1


@task(task_config=AWSBatchConfig())
def total(numbers: list[int]) -> int:
    return sum(numbers)


@workflow
def pipeline(numbers: list[int]) -> int:
    return total(numbers=map_task(double)(n=numbers))


@workflow
def scaled(numbers: list[int]) -> list[int]:
    return map_task(partial(scale, by=10))(n=numbers)


@task(task_config=AWSBatchConfig(), environment={"TMPDIR": "/var/tmp"})
def own_temporary_folder() -> str:
    return os.environ["TMPDIR"]
