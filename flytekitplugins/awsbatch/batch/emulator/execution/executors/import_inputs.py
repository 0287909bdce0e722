"""What an interpreter's imports depended on, as it told, and whether a job's environment is the same in that.

Python code that asks for a variable is noticed. What native code asks for is not: a variable counts as read where its
name stands in one of the libraries.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable

from .warm_plan import WarmPlan

# Means all variables.
ALL = "*"
# Python itself and the C library read these before anybody could notice.
ALWAYS_READ = ("PYTHON", "LC_", "LANG", "LD_", "GLIBC_", "MALLOC_")
# Modules that Python imports as it starts, if they are on its path.
AT_START = ("sitecustomize", "usercustomize")
METADATA = (".dist-info", ".egg-info")


class ImportInputs:
    """:param variables: those that Python code has asked for.
    :param modules: the top-level names that were imported or looked for.
    :param libraries: the files of native code.
    """

    def __init__(self, variables: Iterable[str], modules: Iterable[str], libraries: Iterable[str]) -> None:
        self.variables = frozenset(variables)
        self._modules = frozenset(modules)
        self._libraries = tuple(libraries)
        self._in_native_code: dict[str, bool] = {}

    def imports_depend_on(self, names: Iterable[str], plan: WarmPlan) -> bool:
        """Whether an import may have read one of these variables."""
        always = (*ALWAYS_READ, *plan.always_read)
        for name in names:
            if name in self.variables or ALL in self.variables or name.startswith(always):
                return True
            if not name.startswith(plan.never_native) and self._native_code_names(name):
                return True
        return False

    def imports_same_modules(self, first: tuple[str, ...], second: tuple[str, ...]) -> bool:
        """Whether the same would have been imported with these entries of PYTHONPATH."""
        return self._significant(first) == self._significant(second)

    def _significant(self, entries: tuple[str, ...]) -> list[str]:
        """The entries that hold a module of a name that was looked for, or metadata of distributions."""
        found = []
        for entry in dict.fromkeys(map(os.path.abspath, entries)):
            names = _listing(entry)
            if names is None or any(
                name.partition(".")[0] in self._modules or name.endswith(METADATA) for name in names
            ):
                found.append(entry)
        return found

    def _native_code_names(self, name: str) -> bool:
        known = self._in_native_code.get(name)
        if known is None:
            known = self._in_native_code[name] = any(_mentions(path, name.encode()) for path in self._libraries)
        return known


def _listing(entry: str) -> list[str] | None:
    """What is in a directory of the import path; None for an entry that is no directory, such as an archive."""
    try:
        return os.listdir(entry)  # noqa: PTH208 - names are what is wanted
    except FileNotFoundError:
        return []
    except OSError:
        return None


def is_imported_at_start(entries: tuple[str, ...]) -> bool:
    """Whether Python imports something from these entries of PYTHONPATH as it starts."""
    return any(name.partition(".")[0] in AT_START for entry in entries for name in _listing(entry) or ())


def _mentions(path: str, name: bytes) -> bool:
    """Whether a file has these bytes in it; yes where it cannot be read."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123
            return data.find(name) >= 0
    except (OSError, ValueError):
        return True
