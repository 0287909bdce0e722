from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import sdk_tasks
from flytekit import HashMethod, LaunchPlan, TaskMetadata, conditional, dynamic, eager, task, workflow
from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.local_cache import LocalTaskCache
from flytekit.models.literals import Literal, LiteralCollection, LiteralMap, Primitive, Scalar

from flytekitplugins.awsbatch import AWSBatchConfig, AWSBatchFunctionTask, AWSBatchMapTask, map_task
from flytekitplugins.awsbatch.local.run import composer
from flytekitplugins.awsbatch.sdk import switch

Calls = list[tuple[Any, LiteralMap]]


def integer(value: int) -> Literal:
    return Literal(scalar=Scalar(primitive=Primitive(integer=value)))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """What reached the emulation, which answers 1 for every item."""
    seen: Calls = []

    def run(called: Any, inputs: LiteralMap, unresolvable: Any) -> LiteralMap:
        assert unresolvable is None
        seen.append((called, inputs))
        if isinstance(called, AWSBatchMapTask):
            size = len(next(one.collection.literals for one in inputs.literals.values() if one.collection))
            return LiteralMap({"o0": Literal(collection=LiteralCollection([integer(1)] * size))})
        return LiteralMap({"o0": integer(1)})

    monkeypatch.setattr(composer, "compose_and_run_call", run)
    with switch.emulation_overridden(True):
        yield seen


def test_a_task_goes_to_the_emulation_with_literals(calls: Calls) -> None:
    assert sdk_tasks.square(x=7) == 1
    assert calls == [(sdk_tasks.square, LiteralMap({"x": integer(7)}))]


def test_a_map_goes_there_whole_also_over_a_plain_task(calls: Calls) -> None:
    plain, batch = map_task(sdk_tasks.double), map_task(sdk_tasks.square)
    assert (plain(x=[5, 6]), batch(x=[7])) == ([1, 1], [1])
    assert [called for called, _ in calls] == [plain, batch]


def test_a_plain_task_stays_in_process(calls: Calls) -> None:
    assert sdk_tasks.double(x=4) == 8
    assert calls == []


@workflow
def two_steps(xs: list[int]) -> int:
    squares = map_task(sdk_tasks.square)(x=xs)
    return sdk_tasks.square(x=squares[0])


@dynamic
def spread(n: int) -> list[int]:
    return map_task(sdk_tasks.square)(x=list(range(n)))


@workflow
def branching(x: int) -> int:
    return conditional("big").if_(x > 3).then(sdk_tasks.square(x=x)).else_().then(sdk_tasks.double(x=x))


@eager
async def eagerly(x: int) -> int:
    return sdk_tasks.square(x=x)


@pytest.mark.parametrize(
    ("entity", "arguments", "result", "count"),
    [
        (two_steps, {"xs": [3, 4]}, 1, 2),
        (spread, {"n": 2}, [1, 1], 1),
        (branching, {"x": 5}, 1, 1),
        (branching, {"x": 2}, 4, 0),
    ],
)
def test_workflows_send_their_aws_batch_tasks_there(
    calls: Calls, entity: Any, arguments: dict[str, Any], result: Any, count: int
) -> None:
    assert entity(**arguments) == result
    assert len(calls) == count


def test_an_eager_function_sends_them_there_from_its_own_thread(calls: Calls) -> None:
    assert asyncio.run(eagerly(x=3)) == 1
    assert len(calls) == 1


@eager
async def eagerly_on_threads(x: int) -> list[int]:
    return list(await asyncio.gather(*(asyncio.to_thread(sdk_tasks.square, x=x) for _ in range(3))))


def test_calls_that_an_eager_function_makes_on_threads_go_there_side_by_side(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3)
    answer = composer.compose_and_run_call

    def run(*call: Any) -> Any:
        together.wait(timeout=20)
        return answer(*call)

    monkeypatch.setattr(composer, "compose_and_run_call", run)
    assert asyncio.run(eagerly_on_threads(x=3)) == [1, 1, 1]
    assert len(calls) == 3


began, may_end = threading.Event(), threading.Event()


@task
def waits(x: int) -> int:
    began.set()
    assert may_end.wait(timeout=20)
    return x


@workflow
def waiting(x: int) -> int:
    return waits(x=x)


@eager
async def eagerly_beside_a_plain_task(x: int) -> None:
    plain = asyncio.create_task(asyncio.to_thread(waiting, x=x))
    await asyncio.to_thread(began.wait, timeout=20)
    try:
        assert await asyncio.to_thread(sdk_tasks.square, x=x) == 1
        await asyncio.to_thread(subworkflow, x=x)
    finally:
        may_end.set()
        await plain


def test_such_a_call_is_not_taken_for_one_in_a_plain_task_on_another_thread(calls: Calls) -> None:
    asyncio.run(eagerly_beside_a_plain_task(x=3))
    assert len(calls) == 2


@task
def calls_a_job(x: int) -> int:
    result: Any = sdk_tasks.square(x=x)
    return int(result.eval())


@task
def calls_a_map(x: int) -> list[int]:
    return map_task(sdk_tasks.square)(x=[x])  # type: ignore[no-any-return]


@task
def calls_a_workflow(x: int) -> int:
    result: Any = subworkflow(x=x)
    return int(result.eval())


@workflow
def subworkflow(x: int) -> int:
    return sdk_tasks.square(x=x)


@workflow
def around(x: int) -> tuple[int, list[int], int]:
    return calls_a_job(x=x), calls_a_map(x=x), calls_a_workflow(x=x)


@dynamic
def around_dynamically(x: int) -> tuple[int, list[int], int]:
    return calls_a_job(x=x), calls_a_map(x=x), calls_a_workflow(x=x)


@workflow
def around_a_dynamic_task(x: int) -> tuple[int, list[int], int]:
    return around_dynamically(x=x)


@pytest.mark.parametrize("entity", [around, around_dynamically, around_a_dynamic_task])
def test_a_task_called_inside_a_task_runs_in_that_tasks_process(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, entity: Any
) -> None:
    told = []
    monkeypatch.setattr(composer, "say_task_is_inside_another", told.append)
    assert calls_a_job(x=4) == 16
    assert tuple(entity(x=4)) == (16, [16], 16)
    assert calls == []
    assert set(told) == {sdk_tasks.square.name, map_task(sdk_tasks.square).name}


Hashed = Annotated[str, HashMethod(str.upper)]


@task(task_config=AWSBatchConfig())
def hashed(x: Hashed) -> int:
    return len(x)


@task(task_config=AWSBatchConfig())
def hashed_list(x: list[Hashed] | None) -> int:
    return len(x or [])


@task
def makes_hashed() -> Hashed:
    return "made"


@workflow
def with_hashes() -> tuple[int, list[int]]:
    return hashed(x="written"), map_task(hashed)(x=["written", makes_hashed()])


@dynamic
def with_hashes_dynamically() -> tuple[int, list[int]]:
    return hashed(x="written"), map_task(hashed)(x=["written", makes_hashed()])


@pytest.mark.parametrize("entity", [with_hashes, with_hashes_dynamically])
def test_a_value_that_is_written_into_a_workflow_has_no_hash(calls: Calls, entity: Any) -> None:
    entity()
    (_, single), (_, mapped) = calls
    assert [one.hash for one in (single.literals["x"], *mapped.literals["x"].collection.literals)] == [
        None,
        None,
        "MADE",
    ]


@workflow
def hashed_inside(x: Hashed, xs: list[Hashed]) -> tuple[int, list[int]]:
    return hashed(x=x), map_task(hashed)(x=xs)


@workflow
def with_hashes_in_a_subworkflow() -> tuple[int, list[int]]:
    return hashed_inside(x="written", xs=["written", makes_hashed()])  # type: ignore[no-any-return]


@workflow
def with_hashes_in_a_subworkflow_of_one(x: Hashed = "written") -> tuple[int, list[int]]:
    return hashed_inside(x=x, xs=["written", x])  # type: ignore[no-any-return]


@workflow
def with_hashes_in_a_launch_plan() -> tuple[int, list[int]]:
    plan = LaunchPlan.get_default_launch_plan(FlyteContextManager.current_context(), hashed_inside)
    return plan(x="written", xs=["written", makes_hashed()])  # type: ignore[return-value]


@workflow
def with_hashes_further_in() -> tuple[int, list[int]]:
    return with_hashes_in_a_subworkflow_of_one()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        (with_hashes_in_a_subworkflow, [None, None, "MADE"]),
        # The inputs of the workflow that is launched are values, with their hashes.
        (with_hashes_in_a_subworkflow_of_one, ["WRITTEN", None, "WRITTEN"]),
        (with_hashes_further_in, [None, None, None]),
        (with_hashes_in_a_launch_plan, [None, None, "MADE"]),
    ],
)
def test_neither_has_one_that_is_written_into_the_call_of_a_subworkflow(
    calls: Calls, entity: Any, expected: list[str | None]
) -> None:
    entity()
    (_, single), (_, mapped) = calls
    assert [one.hash for one in (single.literals["x"], *mapped.literals["x"].collection.literals)] == expected


@workflow
def with_an_optional_list() -> int:
    return hashed_list(x=["written"])


def test_neither_has_one_in_an_optional_list(calls: Calls) -> None:
    with_an_optional_list()
    ((_, given),) = calls
    (item,) = given.literals["x"].scalar.union.value.collection.literals
    assert item.hash is None


def test_the_value_of_a_task_on_its_own_has_its_hash(calls: Calls) -> None:
    hashed(x="given")
    assert calls[0][1].literals["x"].hash == "GIVEN"


def test_flytekits_local_cache_is_left_out_of_emulated_calls(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    def untouched(*_: Any) -> None:
        raise AssertionError("the local cache was asked")

    monkeypatch.setattr(LocalTaskCache, "get", untouched)
    monkeypatch.setattr(LocalTaskCache, "set", untouched)

    @task(task_config=AWSBatchConfig(lint_ignore=["AB001"]), cache=True, cache_version="1", cache_serialize=True)
    def cached(x: int) -> int:
        return x

    mapped = map_task(cached)
    assert (cached(x=1), cached(x=1), mapped(x=[1])) == (1, 1, [1])
    assert [called for called, _ in calls] == [cached, cached, mapped]
    assert cached.metadata == TaskMetadata(
        cache=True, cache_version="1", cache_serialize=True, timeout=cached.metadata.timeout
    )


def test_flytekits_local_cache_is_used_as_ever_when_nothing_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(LocalTaskCache, "get", lambda *key: asked.append(key))
    monkeypatch.setattr(LocalTaskCache, "set", lambda *_: None)

    @task(task_config=AWSBatchConfig(), cache=True, cache_version="1")
    def cached(x: int) -> int:
        return x

    assert cached(x=1) == 1
    assert len(asked) == 1


def test_without_the_switch_nothing_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composer, "compose_and_run_call", lambda *_: pytest.fail("emulated"))
    monkeypatch.setenv("FLYTE_AWSBATCH", "off")
    assert isinstance(sdk_tasks.square, AWSBatchFunctionTask)
    assert sdk_tasks.square(x=3) == 9
