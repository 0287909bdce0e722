"""Which installed modules a task's module imports, directly and through other modules of the user's.

Read from the source of modules that this process has loaded; nothing is imported here.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from flytekitplugins.awsbatch.sdk.loaded_modules import loaded_module

KINDS = ("stdlib", "platstdlib", "purelib", "platlib")
INSTALLED = tuple(str(Path(sysconfig.get_path(kind)).resolve()) for kind in KINDS)
# Packages that are not the user's, also where they are installed as a link to a checkout.
FLYTE = ("flytekit.", "flytekitplugins.awsbatch.")
# What is imported later than the module says: by flytekit as the first task with a dataclass is declared
# (`DataclassTransformer`), 0.15 s; by pydantic for the first model, 0.03 s.
LATE = {"dataclasses": "mashumaro.jsonschema", "pydantic": "pydantic.fields"}


def installed_user_imports(task_module: str) -> tuple[str, ...]:
    """Names of loaded modules that are installed, in the order of their import. Imports inside functions are left out,
    since a job would make them when it calls the function; but for those of LATE, which each job makes.
    """
    found = _walk(task_module)[0]
    late = (name for module, name in LATE.items() if module in found and name in sys.modules)
    return (*found, *late)


def user_import_sources(task_module: str) -> tuple[tuple[str, int, int], ...]:
    """The files of the task's module and of the user's modules that it imports, as they are now: the time of their
    change in ns, their size.
    """
    found = []
    for name in _walk(task_module)[1]:
        file = getattr(loaded_module(name), "__file__", None)
        with contextlib.suppress(OSError):
            if file is not None:
                status = Path(file).stat()
                found.append((file, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _walk(task_module: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The installed modules, and the user's. A module is the user's if it is not installed, or belongs to the package
    of the task's module.
    """
    found: dict[str, None] = {}
    seen = {task_module}
    waiting = [task_module, *_parents_of_import(task_module)]
    own = task_module.partition(".")[0]
    for name in waiting:
        module = loaded_module(name)
        if module is None:
            continue
        for imported in _imports_of_user_module(module):
            if imported not in sys.modules or imported in seen:
                continue
            seen.add(imported)
            file = getattr(sys.modules[imported], "__file__", None)
            if _is_installed(imported, file) and imported.partition(".")[0] != own:
                found[imported] = None
            else:
                waiting += [imported, *(parent for parent in _parents_of_import(imported) if parent not in seen)]
    return tuple(found), tuple(dict.fromkeys(name for name in waiting if loaded_module(name)))


def _parents_of_import(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


@functools.lru_cache(maxsize=4096)
def _is_installed(name: str, file: str | None) -> bool:
    """Whether a module came with the interpreter or was installed into it."""
    if file is None:
        return name in sys.builtin_module_names
    return str(Path(file).resolve()).startswith(INSTALLED) or f"{name}.".startswith(FLYTE)


def _imports_of_user_module(module: ModuleType) -> tuple[str, ...]:
    """Every name that the module's source imports outside of functions, as far as it may be a module."""
    file = module.__file__ or ""
    try:
        status = Path(file).stat()
        return _imports(file, module.__package__ or "", status.st_mtime_ns, status.st_size)
    except (OSError, SyntaxError, ValueError):
        return ()


@functools.lru_cache(maxsize=1024)
def _imports(file: str, package: str, *_state: int) -> tuple[str, ...]:
    """Once for each state of a file: a project's sources take longer to parse than a task takes to run."""
    return tuple(_imported(ast.parse(Path(file).read_bytes()), package))


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    statements: list[ast.AST] = [tree]
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            base = package.rsplit(".", statement.level - 1)[0] if statement.level else ""
            name = ".".join(part for part in (base, statement.module) if part)
            yield name
            yield from (f"{name}.{alias.name}" for alias in statement.names)
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            statements += ast.iter_child_nodes(statement)
