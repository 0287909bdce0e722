"""A module by the name that a container imports it by."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType


def loaded_module(name: str) -> ModuleType | None:
    """The module as it is in this process: a script that runs as `__main__` is its file's module to a container
    (flytekit's `extract_task_module`). None: this process has not imported it.
    """
    known = sys.modules.get(name)
    if known is not None:
        return known
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    return main if file and Path(file).stem == name.rpartition(".")[2] else None
