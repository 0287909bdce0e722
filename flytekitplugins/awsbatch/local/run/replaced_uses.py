"""What a test has replaced of that which a task's function names: jobs import the modules anew, and do not see it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from flytekitplugins.awsbatch.sdk.errors import AWSBatchWarning


def warn_of_replaced_uses(task: Any) -> None:
    """Warns of each mock, and each function or class of a test's module, that the task's function reaches by a name of
    its module, or as an attribute of a module or class that it names."""
    function = getattr(getattr(task, "run_task", task), "task_function", None)
    if not isinstance(function, FunctionType) or sys.modules.keys().isdisjoint(("unittest.mock", "_pytest")):
        return
    for use in sorted(set(_replaced_uses(function))):
        text = (
            f"{task.name} uses {use}, which a test has replaced. Its jobs import the modules anew and have the "
            "original: mock the task itself, or its function, to have it called in this process."
        )
        # As `warnings.warn` would at the function: once per place and text, unless filters say otherwise.
        registry = function.__globals__.setdefault("__warningregistry__", {})
        line = function.__code__.co_firstlineno
        warnings.warn_explicit(text, AWSBatchWarning, function.__code__.co_filename, line, registry=registry)


def _replaced_uses(function: FunctionType) -> Iterator[str]:
    names = set(_names_in(function.__code__))
    for name in names & function.__globals__.keys():
        value = function.__globals__[name]
        if _is_replacement(value, function.__module__):
            yield f"{function.__module__}.{name}"
        elif isinstance(value, ModuleType | type):
            for attribute in names & vars(value).keys():
                if _is_replacement(vars(value)[attribute], getattr(value, "__module__", value.__name__)):
                    yield f"{value.__name__}.{attribute}"


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names_in(inner)


def _is_replacement(value: Any, holder: str) -> bool:
    """:param holder: the name of the module in which it was found."""
    mock = sys.modules.get("unittest.mock")
    is_definition = issubclass(type(value), FunctionType | type)
    # `autospec` makes a function that has its mock; a mock of a class has that one's `__class__`, but not its type.
    made = vars(value).get("mock") if is_definition else value
    if mock is not None and issubclass(type(made), mock.NonCallableMock):
        return True
    module = getattr(value, "__module__", None) if is_definition else None
    return isinstance(module, str) and module != holder and _is_of_tests(module) and not _is_of_tests(holder)


def _is_of_tests(module: str) -> bool:
    last = module.rpartition(".")[2]
    return last == "conftest" or last.startswith("test_") or last.endswith("_test")
