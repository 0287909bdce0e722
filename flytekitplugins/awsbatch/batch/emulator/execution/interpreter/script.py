"""A console script, compiled once and run as `__main__` in each child, as `python <script>` runs it."""

from __future__ import annotations

import importlib.machinery
import os
import sys
import types
from types import CodeType


def load(path: str) -> CodeType:
    with open(path, "rb") as file:
        return compile(file.read(), path, "exec", dont_inherit=True)


def put_on_path(path: str) -> None:
    """As the interpreter does with the directory of the script that it is given."""
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))


def become_main(path: str) -> types.ModuleType:
    """A `__main__` as it is before the script's first line."""
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __builtins__=sys.modules["builtins"],
        __cached__=None,
        __file__=path,
        __loader__=importlib.machinery.SourceFileLoader("__main__", path),
        __annotations__={},
    )
    sys.modules["__main__"] = main
    return main


def set_arguments(path: str, arguments: tuple[str, ...]) -> None:
    sys.argv[:] = [path, *arguments]
    sys.orig_argv[1:] = sys.argv
