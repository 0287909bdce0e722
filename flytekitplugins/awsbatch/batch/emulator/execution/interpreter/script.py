"""A console script, compiled once and run as `__main__` in each child, as `python <script>` runs it."""

from __future__ import annotations

import importlib.machinery
import os
import sys
import types
from types import CodeType


def load_script(path: str) -> CodeType:
    with open(path, "rb") as file:
        return compile(file.read(), path, "exec", dont_inherit=True)


class SearchPath:
    """`sys.path` as an interpreter makes it from PYTHONPATH.

    :param entries: those of PYTHONPATH, which this process was started without; None where it was started with them
        and they stay as they are.
    """

    def __init__(self, script: str, entries: tuple[str, ...] | None) -> None:
        self._base = list(sys.path)
        self._own = entries
        sys.path[:] = self.of(script, entries or ())
        self._initial = list(sys.path)

    @property
    def is_search_path_as_made(self) -> bool:
        """Whether no import has changed it."""
        return sys.path == self._initial

    def of(self, script: str, entries: tuple[str, ...]) -> list[str]:
        """The path for a script, whose directory comes first, with these entries of PYTHONPATH."""
        first = [] if getattr(sys.flags, "safe_path", False) else [os.path.dirname(os.path.realpath(script))]
        # `site` keeps the first of two entries that are the same.
        return first + list(dict.fromkeys([*map(os.path.abspath, entries), *self._base]))

    def set(self, script: str, entries: tuple[str, ...]) -> None:
        if self._own is None:
            return
        sys.path[:] = self.of(script, entries)
        # A directory may have changed twice in one tick of the file system's clock.
        for entry in entries:
            sys.path_importer_cache.pop(os.path.abspath(entry), None)


def become_script_main(path: str) -> types.ModuleType:
    """Makes `__main__` what it is before the script's first line."""
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


def set_script_arguments(path: str, arguments: tuple[str, ...]) -> None:
    sys.argv[:] = [path, *arguments]
    sys.orig_argv[1:] = sys.argv
