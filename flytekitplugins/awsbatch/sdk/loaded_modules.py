"""A module by the name that a container imports it by."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType


def loaded_module(name: str) -> ModuleType | None:
    """The module as it is in this process: a script that runs as `__main__` is its file's module to a container
    (flytekit's `extract_task_module`), and a package `shop` is `shop.__init__`. None: this process has not imported it.
    """
    known = sys.modules.get(name) or sys.modules.get(_package_or_module(name))
    if known is not None:
        return known
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    return main if file and Path(file).stem == name.rpartition(".")[2] else None


def import_root(name: str, file: Path) -> Path | None:
    """The folder from which a module of this name is imported: as many levels above its file as the name has dots."""
    levels = _package_or_module(name).count(".") + (file.stem == "__init__")
    return file.parents[levels] if levels < len(file.parents) else None


def _package_or_module(name: str) -> str:
    """flytekit gives what stands in a package's own file the name of that file, `shop.__init__`."""
    return name.removesuffix(".__init__")
