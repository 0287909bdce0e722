"""The modules in a file, a folder or a module that a user names. Roots and module names are pyflyte's own.

Loading a target runs the user's code, since importing it is how `pyflyte register` finds tasks too.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flytekit.tools import module_loader
from flytekit.tools.repo import find_common_root, list_packages_and_modules

from .loadable import can_module_be_found

INIT = "__init__.py"
# In a folder that is no package, files without this word make no task, and importing them may do anything.
MARK = b"flytekit"
NEVER_LOADED = ("setup.py", "conftest.py")
NEVER_ENTERED = ("__pycache__", "node_modules", "site-packages")
VIRTUAL_ENVIRONMENT = "pyvenv.cfg"


class TargetError(Exception):
    """A target that is no file, no folder and no module."""


@dataclass(frozen=True)
class Target:
    """
    :param root: the folder that its modules are imported from.
    :param modules: their names.
    :param complete: whether these are all; else a package among them stands for what is in it.
    """

    root: Path
    modules: tuple[str, ...]
    complete: bool = False

    @contextmanager
    def importable(self) -> Iterator[None]:
        with module_loader.add_sys_path(str(self.root)):
            yield

    def load(self, module: str) -> None:
        """Raises whatever importing the module raises."""
        if self.complete:
            importlib.import_module(module)
        else:
            module_loader.just_load_modules([module])


def target_of(text: str) -> Target:
    """Raises TargetError."""
    if not text:
        raise TargetError("the name is empty, so it is neither a file or folder nor a module")
    path = Path(text)
    if path.is_dir():
        return _target_folder(path)
    if path.exists():
        if path.suffix != ".py":
            raise TargetError(f"{text} has no name that ends in .py")
        root = Path(find_common_root([text]))
        return Target(root, tuple(list_packages_and_modules(root, [text])))
    here = Path.cwd()
    if not can_module_be_found(text, os.curdir):
        raise TargetError(f"{text} is neither a file or folder nor a module that can be imported from here")
    return Target(here, (text,))


def _target_folder(path: Path) -> Target:
    """All modules below a folder, whether its folders are packages or not. The working directory is a root itself."""
    path = path.resolve()
    root = path if path == Path.cwd() and not _is_package(path) else Path(find_common_root([str(path)]))
    files = sorted(one for one in _python_files(path) if _is_package(one.parent) or _may_hold_tasks(one))
    if not files:
        raise TargetError(f"{path} holds no Python file that mentions flytekit")
    names = (".".join(one.relative_to(root).with_suffix("").parts) for one in files)
    return Target(root, tuple(name.removesuffix(".__init__") for name in names if name != "__init__"), True)


def _python_files(path: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(path):
        here = Path(folder)
        folders[:] = [one for one in folders if _is_entered(here / one)]
        yield from (here / one for one in files if one.endswith(".py") and one not in NEVER_LOADED)


def _is_entered(path: Path) -> bool:
    hidden = path.name.startswith(".") or path.name in NEVER_ENTERED
    return not hidden and "." not in path.name and not (path / VIRTUAL_ENVIRONMENT).exists()


def _is_package(path: Path) -> bool:
    return (path / INIT).exists()


def _may_hold_tasks(path: Path) -> bool:
    try:
        return MARK in path.read_bytes()
    except OSError:
        return False
