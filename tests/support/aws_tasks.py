"""What runs in an account in the tests; the service's jobs import it by PYTHONPATH."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from pathlib import Path

from flytekit import Resources, task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@task(task_config=AWSBatchConfig(tags={"team": "maps"}))
def square(n: int) -> int:
    return n * n


@task(task_config=AWSBatchConfig(), retries=2)
def square_retried(n: int) -> int:
    return n * n


@task(task_config=AWSBatchConfig(), cache=True, cache_version="1")
def cached_square(n: int) -> int:
    return n * n


@task(task_config=AWSBatchConfig(), retries=1)
def fails_on(n: int, bad: int, folder: str) -> int:
    print(f"attempt of item {n}", flush=True)
    with Path(folder, f"{n}.starts").open("ab") as file:
        file.write(b"x")
    if n == bad:
        raise ValueError(f"{n} cannot be done")
    return n


@task(task_config=AWSBatchConfig(), timeout=timedelta(seconds=60))
def too_slow(seconds: int) -> int:
    time.sleep(seconds)
    return seconds


@task(task_config=AWSBatchConfig(), requests=Resources(cpu="5000"))
def too_large(n: int) -> int:
    return n


@task(task_config=AWSBatchConfig())
def total(numbers: list[int]) -> int:
    return sum(numbers)


@workflow
def squares_summed(numbers: list[int]) -> int:
    return total(numbers=map_task(square)(n=numbers))


@task(task_config=AWSBatchConfig())
def wait_at_the_gate(n: int, folder: str) -> int:
    """Even children end at once; odd ones wait until there is a file `gate`."""
    with Path(folder, f"{n}.starts").open("ab") as file:
        file.write(b"x")
    print("waiting at the gate", flush=True)
    while n % 2 and not Path(folder, "gate").exists():
        time.sleep(0.05)
    return n * n


@workflow
def gated_map(n: list[int], folder: str) -> list[int]:
    return map_task(partial(wait_at_the_gate, folder=folder))(n=n)
