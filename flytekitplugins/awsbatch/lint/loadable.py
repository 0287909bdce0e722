"""Whether a process that starts from nothing finds a task again: it imports a module and reads a name from it."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util
import inspect
import os
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from flytekit.core.python_auto_container import DefaultTaskResolver
from flytekit.tools.module_loader import add_sys_path

from flytekitplugins.awsbatch.sdk.loaded_modules import loaded_module

# Every process has its own script by these names: what `python app.zip` and `python folder` run, and the script in a
# worker that multiprocessing has spawned.
SCRIPTS = ("__main__", "__mp_main__")
MOVE = "Define it at the top level of a module, with def and under its own name."


def why_not_loadable(task: Any, serialization: Any, root: str | os.PathLike[str] | None = None) -> str:
    """Empty when a container finds the task; else why it does not, and what to do.

    Only for flytekit's default resolver: another one knows its own ways. Imports nothing that is not imported yet.

    :param root: a folder that is on the container's import path, besides those of this process.
    """
    if not isinstance(task.task_resolver, DefaultTaskResolver):
        return ""
    _, module_name, _, name = task.task_resolver.loader_args(serialization, task)[:4]
    if name == "<lambda>":
        return f"is a lambda, which a container cannot look up by name. {MOVE}"
    if not module_name:
        return (
            "is defined in a notebook or an interactive session, which a container cannot import. Write it into a "
            "module (in a notebook: a cell that begins with %%writefile tasks.py), and import it from there."
        )
    module = None if module_name in SCRIPTS else loaded_module(module_name)
    if module is None:
        return _why_not_imported(module_name, root)
    problem = _why_not_read(task, module, module_name, name)
    return f"{problem} {MOVE}" if problem else ""


def _why_not_imported(module_name: str, root: str | os.PathLike[str] | None) -> str:
    if module_name in SCRIPTS:
        return f"is in a module, {module_name}, that cannot be imported by that name. {MOVE}"
    if can_module_be_found(module_name, root):
        return ""
    return (
        f"is in a module, {module_name}, that cannot be imported by that name, which flytekit makes of the folders "
        "around it that have an `__init__.py`. Import it by that name, or add or remove an `__init__.py`."
    )


def _why_not_read(task: Any, module: ModuleType, module_name: str, name: str) -> str:
    """Empty when a process that has imported this module finds the task by this name; else why it does not."""
    if module.__name__ == "__main__" and name in _names_of_a_script_only(_source(module)):
        return 'is defined below `if __name__ == "__main__":`, which a container does not run.'
    there = getattr(module, name, None)
    if there is task or _same_function(there, task):
        return ""
    what = "does not exist" if there is None else f"is something else ({type(there).__name__})"
    return f"would be looked up as {name} in {module_name}, and that {what}."


def can_module_be_found(name: str, root: str | os.PathLike[str] | None = None) -> bool:
    """Whether there is a module of this name to import, also from the folder `root`. Imports the packages around it."""
    try:
        with contextlib.nullcontext() if root is None else add_sys_path(root):
            return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _source(module: ModuleType) -> str:
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        return ""


@functools.lru_cache(maxsize=1)
def _names_of_a_script_only(source: str) -> frozenset[str]:
    """The names that a file gives to something only below `if __name__ == "__main__":`. Nothing where `import *` may
    give any.

    Cached, since a script's tasks are called many times.
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return frozenset()
    script: list[ast.stmt] = []
    module: list[ast.stmt] = []
    for statement in statements:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "__name__ == '__main__'":
            script += statement.body
            module += statement.orelse
        else:
            module.append(statement)
    always = _bound(module)
    return frozenset() if "*" in always else _bound(script) - always


def _bound(statements: Iterable[ast.stmt]) -> frozenset[str]:
    """All names that these statements, or functions and classes in them, give to something."""
    names: set[str] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
    return frozenset(names)


def _same_function(there: Any, task: Any) -> bool:
    """Whether two tasks run one function: a copy of a task, or the same file imported under another name."""
    mine, theirs = (getattr(getattr(one, "task_function", None), "__code__", None) for one in (task, there))
    return mine is not None and mine == theirs and mine.co_filename == theirs.co_filename
