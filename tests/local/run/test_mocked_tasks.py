"""A task that a test mocks is not run: the mock is called, in this process, for as long as it is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import batch_tasks
import pytest
from batch_tasks import double, plain_triple
from flytekit import dynamic, workflow
from flytekit.core.base_task import PythonTask
from flytekit.core.python_function_task import PythonFunctionTask
from flytekit.testing import patch, task_mock

from flytekitplugins.awsbatch import AWSBatchFunctionTask, AWSBatchMapTask, map_task
from flytekitplugins.awsbatch.sdk.emulated_calls import STEPS
from flytekitplugins.awsbatch.testing import Emulation, emulation


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with emulation(tmp_path_factory.mktemp("batch"), quiet=True) as running:
        yield running


@pytest.fixture(autouse=True)
def task_as_it_was() -> Iterator[None]:
    """task_mock leaves the task's own method on the task, which a mock of the class does not reach."""
    yield
    vars(double).pop("execute", None)


@workflow
def nested(ns: list[int]) -> tuple[int, list[int]]:
    return inner(n=7), map_task(double)(n=ns)


@workflow
def inner(n: int) -> int:
    return double(n=n)


@dynamic
def spread(count: int) -> list[int]:
    one = double(n=count)
    return [one, double(n=count)]


def as_task_mock() -> Any:
    return task_mock(double)


def as_patch_object() -> Any:
    return mock.patch.object(double, "execute")


def as_class_patch() -> Any:
    return mock.patch.object(AWSBatchFunctionTask, "execute")


def as_function_on_the_class() -> Any:
    return mock.patch.object(AWSBatchFunctionTask, "execute", autospec=True)


def as_task_function() -> Any:
    # flytekit names a map by the function.
    fake = mock.MagicMock(__name__="double", __module__=batch_tasks.__name__)
    return mock.patch.object(double, "_task_function", fake)


@pytest.mark.parametrize(
    "mocked",
    [as_task_mock, as_patch_object, as_class_patch, as_function_on_the_class, as_task_function],
    ids=lambda one: one.__name__,
)
@pytest.mark.parametrize(
    ("call", "expected", "calls"),
    [
        (lambda: double(n=4), -7, 1),
        (lambda: map_task(double)(n=[4, 5]), [-7, -7], 2),
        (lambda: tuple(nested(ns=[4, 5])), (-7, [-7, -7]), 3),
        (lambda: spread(count=2), [-7, -7], 2),
    ],
    ids=["a call", "a map", "nested workflows", "a dynamic"],
)
def test_the_mock_is_called_and_no_job_is_submitted(
    batch: Emulation, mocked: Any, call: Any, expected: Any, calls: int
) -> None:
    before = len(batch.requests)
    with mocked() as fake:
        fake.return_value = -7
        assert call() == expected
    assert (fake.call_count, len(batch.requests)) == (calls, before)


def test_flytekits_patch_decorator_takes_effect(batch: Emulation) -> None:
    @patch(double)
    def mocked(fake: mock.MagicMock) -> None:
        fake.side_effect = lambda n: 100 + n
        assert (double(n=1), map_task(double)(n=[2, 3])) == (101, [102, 103])

    before = len(batch.requests)
    mocked()
    assert len(batch.requests) == before


def test_a_mocked_map_is_called_with_the_lists(batch: Emulation) -> None:
    mapped = map_task(double)
    before = len(batch.requests)
    with task_mock(mapped) as fake:
        fake.return_value = [1, 2]
        assert mapped(n=[3, 4]) == [1, 2]
    fake.assert_called_once_with(n=[3, 4])
    assert len(batch.requests) == before


def test_a_map_over_a_mocked_task_of_another_kind_stays_too(batch: Emulation) -> None:
    before = len(batch.requests)
    with task_mock(plain_triple) as fake:
        fake.return_value = 1
        assert map_task(plain_triple)(n=[3, 4]) == [1, 1]
    vars(plain_triple).pop("execute", None)
    with mock.patch.object(plain_triple, "_task_function", lambda n: n - 1):
        assert map_task(plain_triple)(n=[3, 4]) == [2, 3]
    assert len(batch.requests) == before


def test_other_tasks_of_the_workflow_are_jobs_and_so_is_the_task_once_the_mock_has_gone(batch: Emulation) -> None:
    before = len(batch.requests)
    with task_mock(double) as fake:
        fake.return_value = 3
        assert batch_tasks.greet(name=str(double(n=1))) == "Hello, 3!"
    assert double(n=4) == 8
    assert map_task(double)(n=[1]) == [2]
    assert len(batch.requests) == before + 3


def test_an_error_of_the_mock_is_the_calls_error(batch: Emulation) -> None:
    with task_mock(double) as fake:
        fake.side_effect = LookupError("no such bucket")
        with pytest.raises(LookupError, match="no such bucket"):
            double(n=1)


@pytest.mark.parametrize(
    ("on", "step"),
    [
        *((double, step) for step in (*STEPS[1:], "sandbox_execute")),
        *((AWSBatchFunctionTask, step) for step in (*STEPS, "sandbox_execute")),
        (PythonFunctionTask, "execute"),
        (PythonTask, "dispatch_execute"),
    ],
)
def test_a_mock_of_another_step_of_a_call_takes_effect_too(batch: Emulation, on: Any, step: str) -> None:
    before = len(batch.requests)
    with (
        mock.patch.object(on, step, side_effect=LookupError("no such bucket")) as fake,
        pytest.raises(LookupError, match="no such bucket"),
    ):
        double(n=1)
    assert len(batch.requests) == before
    if step == "sandbox_execute":
        # What flytekit's own has: a function in its place may have no other parameters.
        assert len(fake.call_args.args) == 2


@pytest.mark.parametrize("step", ["dispatch_execute", "pre_execute"])
def test_a_mock_of_a_step_of_all_maps_takes_effect_too(batch: Emulation, step: str) -> None:
    before = len(batch.requests)
    mapped = map_task(double)
    with mock.patch.object(AWSBatchMapTask, step, side_effect=LookupError("no such bucket")):
        for one in (mapped, map_task(double)):
            with pytest.raises(LookupError, match="no such bucket"):
                one(n=[1])
    assert len(batch.requests) == before


@pytest.mark.parametrize("step", ["execute", "dispatch_execute", "pre_execute"])
def test_a_function_in_the_place_of_a_step_takes_effect_in_maps_made_meanwhile(batch: Emulation, step: str) -> None:
    before = len(batch.requests)

    def missing(*_args: Any, **_inputs: Any) -> Any:
        raise LookupError("no such bucket")

    with mock.patch.object(AWSBatchMapTask, step, missing):
        mapped = map_task(double)
        with pytest.raises(LookupError, match="no such bucket"):
            mapped(n=[1])
    assert len(batch.requests) == before
    assert mapped(n=[1]) == [2]
    assert len(batch.requests) == before + 1


def test_a_person_is_told_once(batch: Emulation) -> None:
    with mock.patch.object(batch_tasks.greet, "execute") as fake:
        fake.return_value = "mocked"
        for _ in range(2):
            assert batch_tasks.greet(name="x") == "mocked"
    assert batch.printed.count("batch_tasks.greet is called in this process, not as a job") == 1
