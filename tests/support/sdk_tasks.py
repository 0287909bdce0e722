"""Tasks that the SDK's tests serialise, map and start in child processes: importable by name, as a user's module is."""

from __future__ import annotations

import os
import re
import time
import typing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import flytekit
from flytekit import TaskMetadata, task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@dataclass
class Scale:
    factor: float
    labels: dict[str, str]


@task(task_config=AWSBatchConfig())
def square(x: int) -> int:
    return x * x


@task(task_config=AWSBatchConfig())
def scaled(x: int, y: int, scale: Scale) -> str:
    return f"{x * y * scale.factor:g} {scale.labels['unit']}"


@task
def double(x: int) -> int:
    return 2 * x


@task(task_config=AWSBatchConfig())
def touch(path: str) -> None:
    Path(path).write_text("touched")


@task(task_config=AWSBatchConfig())
def refuse_odd(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


@task(task_config=AWSBatchConfig())
def remember(x: int) -> str:
    """Says what an earlier attempt left, then leaves something for the next one."""
    checkpoint = flytekit.current_context().checkpoint
    assert checkpoint is not None
    before = checkpoint.read() if checkpoint.prev_exists() else None
    checkpoint.write(f"seen {x}".encode())
    return before.decode() if before else "nothing"


@task(task_config=AWSBatchConfig(), enable_deck=True)
def shown(x: int) -> int:
    """Has a deck, publishes it early, and calls another task that has one too."""
    flytekit.Deck("notes", f"looked at {x}")
    flytekit.Deck.publish()
    return nested(x=x) if x else 0


@task(task_config=AWSBatchConfig(), enable_deck=True)
def nested(x: int) -> int:
    """Calls another task from inside a task: a promise in a local run, a value in a container."""
    result: typing.Any = square(x=x)
    return int(result if isinstance(result, int) else result.eval())


@task(task_config=AWSBatchConfig())
def process_id(x: int) -> int:
    return os.getpid()


@task(task_config=AWSBatchConfig(lint_ignore=["AB007"]), timeout=timedelta(seconds=30))
def slow(x: int) -> int:
    """Ends at once for 0, and not by itself for anything else."""
    while x:
        time.sleep(0.1)
    return x


@task(task_config=AWSBatchConfig(lint_ignore=["AB007"]), timeout=timedelta(seconds=30))
def stubborn(x: int) -> int:
    """Never lets go of the interpreter's lock: one call into the regular expressions that takes for ever."""
    re.match(r"(a+)+$", "a" * 64 + "b")
    return x


cached_map = map_task(square, metadata=TaskMetadata(cache=True, cache_version="1"))


@workflow
def squares_of(xs: list[int]) -> list[int]:
    return map_task(square)(x=xs)
