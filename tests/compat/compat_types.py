"""Tasks over every kind of value that flytekit passes between tasks; children import this module.

Each changes what it is given, so that a value that only went by would be noticed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Optional, Union

from compat_run import a_file, scratch
from flytekit import task, workflow
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB111"])


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


@task(task_config=BATCH)
def integer(x: int) -> int:
    return x + 1


@task(task_config=BATCH)
def floating(x: float) -> float:
    return x / 3


@task(task_config=BATCH)
def text(x: str) -> str:
    return x[::-1]


@task(task_config=BATCH)
def boolean(x: bool) -> bool:
    return not x


@task(task_config=BATCH)
def moment(x: datetime) -> datetime:
    return x + timedelta(days=1)


@task(task_config=BATCH)
def span(x: timedelta) -> timedelta:
    return x * 2


@task(task_config=BATCH)
def optional(x: Optional[int]) -> Optional[int]:
    return None if x == 1 else (x or 0) + 1


@task(task_config=BATCH)
def either(x: Union[int, str]) -> Union[int, str]:
    return str(x) if isinstance(x, int) else len(x)


@task(task_config=BATCH)
def colour(x: Colour) -> Colour:
    return Colour.BLUE if x is Colour.RED else Colour.RED


@task(task_config=BATCH)
def record(x: Outer) -> Outer:
    return Outer(x.name + "!", Inner({key: value * 2 for key, value in x.inner.weights.items()}), [*x.tags, "seen"])


@task(task_config=BATCH)
def numbers(x: list[int]) -> list[int]:
    return [one * 2 for one in x]


@task(task_config=BATCH)
def mapping(x: dict[str, int]) -> dict[str, int]:
    return {key.upper(): value + 1 for key, value in x.items()}


@task(task_config=BATCH)
def grid(x: list[list[int]]) -> list[list[int]]:
    return [row[::-1] for row in x]


@task(task_config=BATCH)
def file(x: FlyteFile) -> FlyteFile:
    return FlyteFile(str(a_file(scratch(), "out.txt", Path(x.download()).read_text() + "more")))


@task(task_config=BATCH)
def folder(x: FlyteDirectory) -> FlyteDirectory:
    made = scratch() / "made"
    for path in Path(x.download()).iterdir():
        a_file(made, f"deep/{path.name}", path.read_text().upper())
    return FlyteDirectory(str(made))


@task(task_config=BATCH)
def opaque(x: Opaque) -> Opaque:
    return Opaque(x.value + 1)


@task(task_config=BATCH)
def nothing_in() -> str:
    return "made of nothing"


@task(task_config=BATCH)
def nothing_out(x: int) -> None:
    print(f"took {x}")


@task(task_config=BATCH)
def none_in(x: None) -> bool:
    return x is None


class Division(NamedTuple):
    quotient: int
    rest: int


@task(task_config=BATCH)
def named(a: int, b: int = 4) -> Division:
    return Division(a // b, a % b)


@task(task_config=BATCH)
def several(a: int, b: str) -> tuple[str, int, list[str]]:
    return b, a, [b] * a


@workflow
def shapes(a: int) -> tuple[str, int, int, str, int, list[str]]:
    made = nothing_in()
    nothing_out(x=a)
    map_task(nothing_out)(x=[a, a])
    division = named(a=a)
    first, second, third = several(a=a, b="x")
    return made, division.quotient, division.rest, first, second, third
