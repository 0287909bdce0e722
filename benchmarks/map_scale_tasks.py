"""The tasks that `map_scale.py` maps."""

from __future__ import annotations

from flytekit import Resources, task

from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@task(task_config=AWSBatchConfig(), requests=Resources(cpu="1", mem="512Mi"))
def add_one(x: int) -> int:
    return x + 1


@task(task_config=AWSBatchConfig(), requests=Resources(cpu="1", mem="512Mi"))
def reverse(x: str) -> str:
    return x[::-1]


add_one_to_all = map_task(add_one)
reverse_all = map_task(reverse)
