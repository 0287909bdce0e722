"""Workflows to be interrupted: each child leaves a mark in a folder when it starts, and some wait for a gate."""

from __future__ import annotations

import signal
import time
from functools import partial
from pathlib import Path

from flytekit import TaskMetadata, eager, task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@task(task_config=AWSBatchConfig())
def square(n: int, folder: str, seconds: float) -> int:
    with Path(folder, f"{n}.starts").open("ab") as file:
        file.write(b"x")
    time.sleep(seconds)
    return n * n


@task(task_config=AWSBatchConfig(), retries=9)
def square_with_attempts(n: int, folder: str, seconds: float) -> int:
    with Path(folder, f"{n}.starts").open("ab") as file:
        file.write(b"x")
    time.sleep(seconds)
    return n * n


@task(task_config=AWSBatchConfig())
def wait_at_the_gate(n: int, folder: str) -> int:
    """Even children end at once; odd ones wait until there is a file `gate`."""
    with Path(folder, f"{n}.starts").open("ab") as file:
        file.write(b"x")
    print("waiting at the gate", flush=True)
    while n % 2 and not Path(folder, "gate").exists():
        time.sleep(0.05)
    return n * n


@task(task_config=AWSBatchConfig())
def deaf(folder: str) -> int:
    """Does not listen to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Path(folder, "0.starts").open("ab") as file:
        file.write(b"x")
    while not Path(folder, "gate").exists():
        time.sleep(0.05)
    return 1


@task(task_config=AWSBatchConfig())
def fragile(n: int, folder: str) -> int:
    print(f"item {n} of the list")
    if Path(folder, "debug").exists():
        breakpoint()
    if n == 1:
        raise ValueError(f"{n} cannot be done")
    return n * n


@task(task_config=AWSBatchConfig(), retries=1)
def fails_always(n: int) -> int:
    if n:
        raise ValueError(f"{n} is always wrong")
    return n


@task(task_config=AWSBatchConfig(), cache=True, cache_version="1")
def cached(n: int) -> int:
    return n + 1


@task(task_config=AWSBatchConfig())
def total(numbers: list[int]) -> int:
    return sum(numbers)


@task(task_config=AWSBatchConfig())
def power(n: int, exponent: int) -> int:
    return int(n**exponent)


@task(task_config=AWSBatchConfig())
def upper(text: str) -> str:
    return text.upper()


@task
def listed(count: int) -> list[int]:
    return list(range(count))


@task
def linger(number: int, folder: str) -> int:
    """In the run's own process; waits until there is a file `gate`."""
    Path(folder, "lingers").touch()
    while not Path(folder, "gate").exists():
        time.sleep(0.05)
    return number


@task(task_config=AWSBatchConfig(), environment={"DB_PASSWORD": "hunter2hunter2"})
def with_secret(numbers: list[int]) -> int:
    return sum(numbers)


@workflow
def lingering(folder: str) -> int:
    return power(n=linger(number=power(n=2, exponent=3), folder=folder), exponent=2)


@workflow
def listed_total(count: int) -> int:
    return total(numbers=listed(count=count))


@workflow
def squares(count: int, folder: str, seconds: float = 0.0) -> int:
    return total(numbers=map_task(partial(square, folder=folder, seconds=seconds))(n=listed(count=count)))


@workflow
def squares_with_attempts(count: int, folder: str, seconds: float = 0.0) -> list[int]:
    return map_task(partial(square_with_attempts, folder=folder, seconds=seconds))(n=listed(count=count))


@workflow
def gated(count: int, folder: str) -> int:
    return total(numbers=map_task(partial(wait_at_the_gate, folder=folder))(n=listed(count=count)))


@workflow
def gated_map(n: list[int], folder: str) -> list[int]:
    return map_task(partial(wait_at_the_gate, folder=folder))(n=n)


@workflow
def fragile_map(n: list[int], folder: str) -> list[int]:
    return map_task(partial(fragile, folder=folder))(n=n)


@workflow
def fragile_cached_map(n: list[int], folder: str) -> list[int]:
    cached = TaskMetadata(cache=True, cache_version="1")
    return map_task(partial(fragile, folder=folder), metadata=cached)(n=n)


@workflow
def total_of(numbers: list[int]) -> int:
    return total(numbers=numbers)


@workflow
def stubborn(folder: str) -> int:
    return deaf(folder=folder)


@eager
async def eagerly(folder: str) -> int:
    """Its call runs off the main thread."""
    return wait_at_the_gate(n=1, folder=folder)
