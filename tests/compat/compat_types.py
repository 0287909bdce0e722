"""Tasks over every kind of value that flytekit passes between tasks; children import this module.

Each changes what it is given, so that a value that only went by would be noticed. In a job, which has a copy of its
own, they also spoil the files that they are given. FLYTE_AWS_FAIL_FIRST names a folder: each first attempt leaves a
mark there and fails after all that.
"""

from __future__ import annotations

import enum
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from compat_run import a_file, scratch
from flytekit import TaskMetadata, task, workflow
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB111"])
# What begins like this is given to containers too.
FAIL_FIRST = "FLYTE_AWS_FAIL_FIRST"
IN_A_JOB = "AWS_BATCH_JOB_ID"
CACHED = TaskMetadata(cache=True, cache_version="1")


def job(function: Callable[..., Any]) -> Any:
    @functools.wraps(function)
    def attempted(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        if FAIL_FIRST in os.environ and os.environ.get("AWS_BATCH_JOB_ATTEMPT") == "1":
            Path(os.environ[FAIL_FIRST], os.environ[IN_A_JOB]).touch()
            raise RuntimeError("the first attempt")
        return made

    return task(task_config=BATCH)(attempted)


def spoil(path: Path) -> None:
    if IN_A_JOB in os.environ:
        path.write_text("spoiled")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Inner:
    weights: dict[str, float] = field(default_factory=dict)


@dataclass
class Outer:
    name: str
    inner: Inner
    tags: list[str]
    size: Optional[int] = None


class Opaque:
    """A type that flytekit does not know, and pickles."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


@job
def integer(x: int) -> int:
    return x + 1


@job
def floating(x: float) -> float:
    return x / 3


@job
def text(x: str) -> str:
    return x[::-1]


@job
def boolean(x: bool) -> bool:
    return not x


@job
def moment(x: datetime) -> datetime:
    return x + timedelta(days=1)


@job
def span(x: timedelta) -> timedelta:
    return x * 2


@job
def optional(x: Optional[int]) -> Optional[int]:
    return None if x == 1 else (x or 0) + 1


@job
def either(x: Union[int, str]) -> Union[int, str]:
    return str(x) if isinstance(x, int) else len(x)


@job
def colour(x: Colour) -> Colour:
    return Colour.BLUE if x is Colour.RED else Colour.RED


@job
def record(x: Outer) -> Outer:
    return Outer(x.name + "!", Inner({key: value * 2 for key, value in x.inner.weights.items()}), [*x.tags, "seen"])


@job
def numbers(x: list[int]) -> list[int]:
    return [one * 2 for one in x]


@job
def mapping(x: dict[str, int]) -> dict[str, int]:
    return {key.upper(): value + 1 for key, value in x.items()}


@job
def grid(x: list[list[int]]) -> list[list[int]]:
    return [row[::-1] for row in x]


@job
def file(x: FlyteFile) -> FlyteFile:
    path = Path(x.download())
    made = a_file(scratch(), "out.txt", path.read_text() + "more")
    spoil(path)
    return FlyteFile(str(made))


@job
def folder(x: FlyteDirectory) -> FlyteDirectory:
    made = scratch() / "made"
    for path in [one for one in Path(x.download()).rglob("*") if one.is_file()]:
        a_file(made, f"deep/{path.name}", path.read_text().upper() + "!")
        spoil(path)
    return FlyteDirectory(str(made))


@job
def opaque(x: Opaque) -> Opaque:
    return Opaque(x.value + 1)


@job
def nothing_in() -> str:
    return "made of nothing"


@job
def nothing_out(x: int) -> None:
    print(f"took {x}")


@job
def none_in(x: None) -> bool:
    return x is None


class Division(NamedTuple):
    quotient: int
    rest: int


@job
def named(a: int, b: int = 4) -> Division:
    return Division(a // b, a % b)


@job
def several(a: int, b: str) -> tuple[str, int, list[str]]:
    return b, a, [b] * a


@job
def by_default(x: int, by: int = 3) -> Optional[int]:
    return None if x == 1 else x * by


@workflow
def shapes(a: int) -> tuple[str, int, int, str, int, list[str]]:
    made = nothing_in()
    nothing_out(x=a)
    map_task(nothing_out)(x=[a, a])
    division = named(a=a)
    first, second, third = several(a=a, b="x")
    return made, division.quotient, division.rest, first, second, third


@workflow
def shapes_twice(a: int) -> tuple[str, str, Optional[int], list[Optional[int]], list[Optional[int]]]:
    """No inputs, no outputs, several and named outputs, defaults and None, each with two consumers."""
    made, division = nothing_in(), named(a=a)
    first, one, _ = several(a=division.quotient, b=made)
    second, _, _ = several(a=division.quotient, b=made)
    nothing_out(x=one)
    nothing_out(x=division.rest)
    map_task(nothing_out)(x=[a, one])
    tripled = map_task(partial(by_default, by=3), metadata=CACHED)(x=[a, 1])
    return first, second, by_default(x=a), map_task(optional)(x=tripled), map_task(optional)(x=tripled)
