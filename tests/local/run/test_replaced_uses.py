"""What a test replaces and a task's function uses does not reach its jobs, and that is said."""

from __future__ import annotations

import warnings
from typing import Any
from unittest import mock

import pytest
import stock_tasks as tasks

from flytekitplugins.awsbatch import AWSBatchWarning, map_task
from flytekitplugins.awsbatch.testing import Emulation


def as_mock(holder: Any, name: str) -> Any:
    return mock.patch.object(holder, name, return_value=-7)


def as_autospec(holder: Any, name: str) -> Any:
    return mock.patch.object(holder, name, autospec=True)


@pytest.mark.parametrize("replaced", [as_mock, as_autospec], ids=lambda one: one.__name__)
@pytest.mark.parametrize(
    ("task", "holder", "name", "use"),
    [
        (tasks.by_function, tasks, "count", "stock_tasks.count"),
        (tasks.by_class, tasks.Stock, "count", "Stock.count"),
        (tasks.by_class, tasks, "Stock", "stock_tasks.Stock"),
        (tasks.by_module, tasks.platform, "node", "platform.node"),
        (tasks.by_nested_module, tasks.urllib.parse, "quote", "urllib.parse.quote"),
        (tasks.by_another_function, tasks, "count", "stock_tasks.count"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_job_has_the_original_and_a_warning_says_so(
    awsbatch: Emulation, replaced: Any, task: Any, holder: Any, name: str, use: str
) -> None:
    words = f"{task.name} uses {use}, which a test has replaced. Its jobs import the modules anew and have the original"
    with replaced(holder, name), pytest.warns(AWSBatchWarning, match=words):
        assert task(n=7) == 7
    assert [request["jobName"][-2:] for request in awsbatch.requests] == ["-0"]


def test_a_function_of_a_test_is_a_replacement_too(awsbatch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "count", lambda n: -7)
    with pytest.warns(AWSBatchWarning, match=r"uses stock_tasks\.count"):
        assert tasks.by_function(n=7) == 7


def test_a_map_warns_of_what_its_task_uses(awsbatch: Emulation) -> None:
    with as_mock(tasks, "count"), pytest.warns(AWSBatchWarning, match=r"uses stock_tasks\.count"):
        assert map_task(tasks.by_function)(n=[7]) == [7]


class Proxy:
    """Stands for something that is not there yet."""

    @property
    def __class__(self) -> type:
        raise RuntimeError("outside of a context")


def test_nothing_is_said_of_what_is_as_the_module_has_it(awsbatch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "proxy", Proxy())
    with warnings.catch_warnings(), as_mock(tasks, "count"):
        warnings.simplefilter("error", AWSBatchWarning)
        assert tasks.by_nothing_replaced(n=7) == 7
    assert lazy_module_is_loaded(tasks.lazy) is False


def lazy_module_is_loaded(module: Any) -> bool:
    return type(module).__name__ != "_LazyModule"
