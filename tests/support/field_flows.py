"""Workflows that hand on a field of a dataclass or pydantic model, in each of the ways that flytekit has."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flytekit import task, workflow
from pydantic import BaseModel

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

batch_task: Any = functools.partial(task, task_config=AWSBatchConfig(), retries=1)


class Fruit(BaseModel):
    name: str = "fig"
    weight: int = 1


class Basket(BaseModel):
    fruits: list[Fruit] = [Fruit(weight=3), Fruit(weight=4)]
    nothing: list[Fruit] = []
    best: Fruit | None = None
    price: float | None = 2.5


@dataclass
class Shelf:
    widths: list[int]


@dataclass
class Store:
    prices: list[int] = field(default_factory=lambda: [1, 2, 3])
    shelf: Shelf = field(default_factory=lambda: Shelf([10, 20]))
    stock: dict[str, list[int]] = field(default_factory=lambda: {"figs": [4, 5]})
    factor: int = 2
    owner: str = "Ann"
    is_open: bool = True
    holidays: list[datetime] = field(default_factory=lambda: [datetime(2026, 5, 1), datetime(2026, 12, 26)])


@dataclass
class Rates:
    """Whole numbers in fields that are floats, as people write them: msgpack has integers."""

    low: float = 1
    high: float = 2


STORE = Store()


class Large(BaseModel):
    number: int = 2**63


@task
def large() -> Large:
    return Large()


@task
def named() -> dict[str, int]:
    return {"a": 1}


@task
def store() -> Store:
    return Store()


@task
def basket() -> Basket:
    return Basket()


@task
def rates() -> Rates:
    return Rates()


@batch_task(cache=True, cache_version="1", cache_ignore_input_vars=())
def multiply(x: int, by: int) -> int:
    return x * by


@batch_task()
def double(x: int) -> int:
    return 2 * x


@batch_task()
def halve(x: float) -> float:
    return x / 2


@batch_task()
def day(date: datetime) -> str:
    return f"{date:%d %B}"


@batch_task()
def total(fruits: list[Fruit]) -> int:
    return sum(fruit.weight for fruit in fruits)


@batch_task()
def weight(fruit: Fruit) -> int:
    return fruit.weight


@batch_task()
def describe(owner: str, is_open: bool, price: float | None, best: Fruit | None, width: int | str) -> str:
    return f"{owner} {is_open} {price} {best} {width}"


@batch_task()
def add_up(numbers: list[int], named: dict[str, int]) -> int:
    return sum(numbers) + sum(named.values())


@workflow
def list_field_of_an_output() -> list[int]:
    return map_task(double)(x=store().prices)


@workflow
def list_field_of_an_input(store: Store = STORE) -> list[int]:
    return map_task(double)(x=store.shelf.widths)


@workflow
def dates_of_an_output() -> list[str]:
    return map_task(day)(date=store().holidays)


@workflow
def cached_list_field() -> list[int]:
    return map_task(functools.partial(multiply, by=2))(x=store().prices)


@workflow
def list_under_a_key() -> list[int]:
    return map_task(double)(x=store().stock["figs"])


@workflow
def mapped(numbers: list[int]) -> list[int]:
    return map_task(double)(x=numbers)


@workflow
def list_field_through_a_subworkflow() -> list[int]:
    return mapped(numbers=store().prices)


@workflow
def models() -> tuple[int, int, list[int]]:
    made = basket()
    return total(fruits=made.fruits), total(fruits=made.nothing), map_task(weight)(fruit=made.fruits)


@workflow
def scalars() -> str:
    shop, made = store(), basket()
    return describe(
        owner=shop.owner, is_open=shop.is_open, price=made.price, best=made.best, width=shop.shelf.widths[1]
    )


@workflow
def one_by_one() -> int:
    shop = store()
    return add_up(numbers=[shop.prices[0], shop.factor, 40], named={"a": shop.shelf.widths[0]})


@workflow
def scalar_field() -> int:
    return double(x=store().factor)


@workflow
def missing_key() -> int:
    return double(x=named()["b"])


@workflow
def index_beyond_the_end() -> int:
    return add_up(numbers=[1, store().prices[3]], named={})


@workflow
def missing_key_of_an_input(names: dict[str, int] = {"a": 1}) -> int:  # noqa: B006 - flytekit's way
    return double(x=names["b"])


@workflow
def number_beyond_int64() -> int:
    return double(x=large().number)


@workflow
def bound_value() -> list[int]:
    return map_task(functools.partial(multiply, by=2))(x=[1, 2])


@workflow
def bound_field() -> list[int]:
    return map_task(functools.partial(multiply, by=store().factor))(x=[1, 2])


@workflow
def halved(numbers: list[float]) -> list[float]:
    return map_task(halve)(x=numbers)


@workflow
def halved_pair(first: float, second: float) -> list[float]:
    return map_task(halve)(x=[first, second])


@batch_task()
def add_up_halves(numbers: list[float] | None) -> float:
    return sum(numbers or []) / 2


@workflow
def optional_halves(numbers: list[float] | None) -> float:
    return add_up_halves(numbers=numbers)


@workflow
def fields_in_an_optional_list() -> tuple[float, float]:
    found = rates()
    return add_up_halves(numbers=[found.low, found.high]), optional_halves(numbers=[found.low, found.high])


@workflow
def fields_in_a_list_into_a_subworkflow() -> list[float]:
    found = rates()
    return halved(numbers=[found.low, found.high])


@workflow
def fields_through_a_subworkflow_in_a_list() -> list[float]:
    found = rates()
    return halved_pair(first=found.low, second=found.high)


@workflow
def weighed(fruits: list[Fruit]) -> list[int]:
    return map_task(weight)(fruit=fruits)


@workflow
def weighed_in_turn(lists: list[list[Fruit]]) -> list[int]:
    return map_task(total)(fruits=lists)


@workflow
def models_through_a_subworkflow() -> tuple[list[int], list[int], list[int]]:
    made = basket()
    return (
        weighed(fruits=made.fruits),
        weighed(fruits=[made.fruits[1], made.fruits[0]]),
        weighed_in_turn(lists=[made.fruits, [made.fruits[0]]]),
    )


@workflow
def multiplied(numbers: list[int]) -> list[int]:
    return map_task(functools.partial(multiply, by=2))(x=numbers)


@workflow
def cached_fields_in_a_list() -> list[int]:
    prices = store().prices
    return multiplied(numbers=[prices[0], prices[1]])
