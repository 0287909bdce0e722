"""Workflows as people put them together out of everything at once; children import this module."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from compat_run import a_file, scratch
from flytekit import Cache, HashMethod, LaunchPlan, TaskMetadata, conditional, dynamic, task, workflow
from flytekit.core.node_creation import create_node
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB106", "AB111"])


@dataclass
class Item:
    name: str
    tags: list[str] = field(default_factory=list)


@dataclass
class Other:
    flag: bool
    note: str | None = None


def loud(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def louder(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return louder


@task(task_config=BATCH)
@loud
def more(n: int) -> int:
    return n + 1


@task(task_config=BATCH)
def add(a: int, b: int) -> int:
    return a + b


@task(task_config=BATCH)
def look_up(item: Item, table: dict[str, int]) -> str:
    return f"{item.name}: {table[item.name]} {item.tags}"


@task(task_config=BATCH)
def maybe(n: int) -> str | None:
    return None if n % 2 else f"even {n}"


@task(task_config=BATCH)
def half(n: int) -> int:
    if n % 2:
        raise ValueError(f"odd {n}")
    return n // 2


@task(task_config=BATCH)
def known(xs: list[str | None], ns: list[int | None]) -> str:
    return f"{[x for x in xs if x is not None]} {[n for n in ns if n is not None]}"


class Ten(NamedTuple):
    a: int
    b: str
    c: float
    d: bool
    e: list[int]
    f: dict[str, int]
    g: int | None
    h: datetime
    i: timedelta
    j: Item


@task(task_config=BATCH)
def ten(n: int) -> Ten:
    return Ten(n, str(n), n / 2, True, [n] * 3, {"n": n}, None, datetime(2024, 1, 1), timedelta(1), Item("x"))


@task(task_config=BATCH)
def swap(x: Item | Other) -> Item | Other:
    return Other(True, x.name) if isinstance(x, Item) else Item("made")


@task(task_config=BATCH)
def defaults(a: int, b: int = 4, c: list[int] | None = None) -> str:
    return f"{a} {b} {c}"


@task(task_config=BATCH)
def keywords(*, a: int, b: str = "z") -> str:
    return b * a


@task(task_config=BATCH)
def hashed(x: Annotated[str, HashMethod(str.upper)]) -> Annotated[str, HashMethod(str.upper)]:
    return x + "ünï😀"


@task(task_config=BATCH)
def following(d: date, letter: Literal["a", "b"]) -> str:
    return f"{d + timedelta(days=1)} {letter}"


@task(task_config=BATCH)
def untyped(x: dict) -> dict:  # type: ignore[type-arg]
    return {**x, "more": 1}


@task(task_config=BATCH)
def write(n: int) -> FlyteFile:
    return FlyteFile(str(a_file(scratch(), f"{n}.txt", "x" * n)))


@task(task_config=BATCH)
def sizes(files: list[FlyteFile]) -> list[int]:
    return [len(Path(file.download()).read_text()) for file in files]


@dataclass
class Held:
    file: FlyteFile
    n: int


@task(task_config=BATCH)
def hold(n: int) -> Held:
    return Held(FlyteFile(str(a_file(scratch(), f"{n}.txt", "y" * n))), n)


@task(task_config=BATCH)
def size(held: Held) -> int:
    return len(Path(held.file.download()).read_text()) * 10 + held.n


@task(task_config=BATCH)
def append(path: str, n: int) -> None:
    with Path(path).open("a") as file:
        file.write(f"{n} ")


@task(task_config=BATCH)
def lines(path: str) -> str:
    return " ".join(sorted(Path(path).read_text().split()))


@task(task_config=BATCH, retries=2)
def flaky(n: int) -> str:
    if n == 0 and os.environ.get("AWS_BATCH_JOB_ATTEMPT", "2") == "1":
        raise RuntimeError("not yet")
    return f"{n} done"


@task(task_config=BATCH, cache=Cache(version="1"))
def cached(n: int) -> int:
    return 7 * n


@task
def count_up(n: int) -> list[int]:
    return list(range(n))


@workflow
def partial_of_much() -> list[str]:
    table = {f"k{n}": n for n in range(300)}
    return map_task(partial(look_up, table=table))(item=[Item("k1"), Item("k299", ["a"])])


@workflow
def nones(ns: list[int]) -> str:
    """What is optional, and what failed and may, goes on to the next task."""
    return known(xs=map_task(maybe)(n=ns), ns=map_task(half, min_success_ratio=0.5)(n=ns))


@workflow
def in_a_branch(flag: bool, ns: list[int]) -> list[int]:
    chosen = conditional("kind").if_(flag.is_true()).then(map_task(more)(n=ns)).else_().then(count_up(n=3))  # type: ignore[attr-defined]
    return map_task(more)(n=chosen)


@workflow
def outputs(n: int) -> tuple[int, dict[str, int], Item, list[int]]:
    made = ten(n=n)
    return made.a, made.f, made.j, map_task(more)(n=made.e)


@workflow
def unions() -> tuple[Item | Other, list[Item | Other]]:
    return swap(x=Item("q")), map_task(swap)(x=[Item("a"), Other(False)])


@workflow
def arguments() -> tuple[str, str, list[str], list[str], str, list[str]]:
    return (
        defaults(a=1),
        defaults(a=1, b=2, c=[1]),
        map_task(partial(defaults, b=5))(a=[1, 2], c=[[1], [2]]),
        map_task(partial(keywords, b="w"))(a=[1, 2]),
        keywords(a=2),
        map_task(hashed)(x=["ä" * 20_000, ""]),
    )


@workflow
def times_and_dicts() -> tuple[str, list[dict]]:  # type: ignore[type-arg]
    return following(d=date(2024, 2, 28), letter="b"), map_task(untyped)(x=[{"a": 1}, {"b": [1, 2]}])


@workflow
def files() -> tuple[list[int], list[int]]:
    return sizes(files=map_task(write)(n=[1, 20])), map_task(size)(held=map_task(hold)(n=[1, 3]))


@workflow
def part(ns: list[int]) -> list[int]:
    return map_task(more)(n=ns)


@workflow
def thrice(ns: list[int]) -> list[int]:
    return part(ns=part(ns=part(ns=ns)))


@workflow
def one_task_in_three_maps(ns: list[int]) -> tuple[list[int], list[int], list[int | None]]:
    patient = map_task(more, metadata=TaskMetadata(retries=3), concurrency=2)
    return map_task(more)(n=ns), patient(n=ns), map_task(more, min_success_ratio=0.5)(n=ns)


FIXED = LaunchPlan.get_or_create(part, name="compat_mixtures.fixed", fixed_inputs={"ns": [7]})


@workflow
def plans(ns: list[int]) -> tuple[list[int], list[int]]:
    plan = LaunchPlan.get_or_create(part, name="compat_mixtures.plan", default_inputs={"ns": [1]})
    return FIXED(), plan(ns=ns)


@workflow
def tried_again() -> tuple[list[str], str]:
    return map_task(flaky)(n=[0, 1]), flaky(n=5)


@dynamic
def spread(n: int) -> list[list[int]]:
    return [map_task(more)(n=[one, one + 1]) for one in range(n)]


@workflow
def maps_in_a_loop(n: int) -> tuple[list[list[int]], list[int]]:
    run = map_task(add)(a=[n, n], b=[1, 2])
    for _ in range(2):
        run = map_task(add)(a=run, b=[10, 20])
    return spread(n=n), run


@workflow
def promises(n: int) -> tuple[list[int], list[int], int, list[int]]:
    """Results of tasks inside a list, bound, taken out of a list, and the length of one."""
    one = add(a=n, b=1)
    made = map_task(more)(n=[one, more(n=n), 5])
    return made, map_task(partial(add, b=one))(a=[1, 2]), more(n=made[1]), map_task(more)(n=count_up(n=n))


@workflow
def ordered(path: str) -> str:
    first = map_task(partial(append, path=path))(n=[1, 2])
    second = append(path=path, n=3)
    last = lines(path=path)
    first >> second
    second >> last
    return last


@workflow
def made_of_nodes(ns: list[int]) -> int:
    mapped = create_node(map_task(more), n=ns)
    single = create_node(add, a=1, b=2)
    mapped >> single
    return single.o0


@workflow
def cached_by_a_policy() -> list[int]:
    return map_task(cached)(n=[1, 2])
