"""Tasks whose images are tried."""

from __future__ import annotations

from flytekit import task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@task(task_config=AWSBatchConfig(), retries=1)
def one(x: int) -> int:
    return x


@task(task_config=AWSBatchConfig(), retries=1)
def each(x: int) -> int:
    return x


@workflow
def both(x: int, xs: list[int]) -> tuple[int, list[int]]:
    return one(x=x), map_task(each)(x=xs)
