"""Warns of what a test has replaced and a task's function uses: jobs import the modules anew, and have the original."""

from __future__ import annotations

import sys
import sysconfig
import warnings
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

from flytekitplugins.awsbatch.sdk.errors import AWSBatchWarning

INSTALLED = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")})


def warn_of_replaced_uses(task: Any) -> None:
    """Warns of each mock, and each function or class defined in a test, that the task's function names, or a
    function of the user's that it calls: a global, or an attribute of a module or class."""
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
    """Looks at the function and at those of the user's that it leads to."""
    functions = [function]
    for one in functions:
        for label, value in _uses_of(one):
            if _is_replacement(value):
                yield label
            elif type(value) is FunctionType and value not in functions and not _is_installed(value):
                functions.append(value)


def _uses_of(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What the names in a function lead to: globals, and attributes of modules and classes among them."""
    names = set(_names_in(function.__code__))
    scopes: list[tuple[str, Mapping[str, Any]]] = [(function.__module__, function.__globals__)]
    seen = {id(function.__globals__)}
    for place, scope in scopes:
        for name in names & scope.keys():
            value = scope[name]
            yield f"{place}.{name}", value
            # A lazy module, whose type is another one, is not loaded for this.
            if (type(value) is ModuleType or issubclass(type(value), type)) and id(value) not in seen:
                seen.add(id(value))
                scopes.append((name if place == function.__module__ else f"{place}.{name}", vars(value)))


def _is_installed(function: FunctionType) -> bool:
    return function.__code__.co_filename.startswith(INSTALLED)


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names_in(inner)


def _is_replacement(value: Any) -> bool:
    """Looks at types and not at `__class__`, which a mock of a class and a proxy answer as they like."""
    made = value
    if type(value) is FunctionType:
        # `autospec` makes a function that has its mock.
        made = vars(value).get("mock")
    mock = sys.modules.get("unittest.mock")
    if mock is not None and issubclass(type(made), mock.NonCallableMock):
        return True
    if type(value) is not FunctionType and not issubclass(type(value), type):
        return False
    outer, _, inner = value.__qualname__.partition(".<locals>")
    return bool(inner) and outer.rpartition(".")[2].startswith("test")
