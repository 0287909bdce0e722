"""What imports depended on, beside the files of the modules themselves: the variables that code asked for, the names
that the import path was searched for, the native libraries that were loaded. Attempts for which all of that is the
same can be forked from one interpreter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import Any

# The methods that `os.environ.get`, `os.getenv`, `os.environ.copy()` and the like end in.
BETWEEN = ("os", "collections.abc", "_collections_abc")
# Means all variables: code has looked through them.
ALL = "*"


class ImportWatch:
    """Records them while it is entered.

    :param apart: prefixes of variables that no attempt has, or of which each has its own value anyway.
    :param harmless: modules, and the prefixes of the variables that they may ask for.
    """

    def __init__(self, apart: tuple[str, ...], harmless: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        self.variables: set[str] = set()
        self._sought: set[str] = set()
        noted, may = self.variables, dict(harmless)
        self._kind = kind = type(os.environ)

        class Noting(kind):  # type: ignore[valid-type,misc]
            def __getitem__(self, name: str) -> str:
                if isinstance(name, str) and not name.startswith(apart) and not name.startswith(may.get(_asking(), ())):
                    noted.add(name)
                return str(super().__getitem__(name))

            def __iter__(self) -> Any:
                if "" not in may.get(_asking(), ()):
                    noted.add(ALL)
                return super().__iter__()

        self._noting = Noting

    def __enter__(self) -> ImportWatch:
        os.environ.__class__ = self._noting
        sys.meta_path.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        os.environ.__class__ = self._kind
        sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Called as the last of the finders, for names that no other has found."""
        if path is None:
            self._sought.add(name)

    def modules(self) -> list[str]:
        """The top-level names that are imported, and those that were looked for in vain."""
        return sorted({name.partition(".")[0] for name in sys.modules} | self._sought)


def _asking() -> str:
    """The module that asks the environment for something."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in BETWEEN:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__")) if frame is not None else ""


def watch_native_libraries() -> list[str]:
    """The files of native code that this process has mapped."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        fields = [line.split(maxsplit=5) for line in file]
    return sorted({each[5].strip() for each in fields if len(each) == 6 and "x" in each[1] and each[5][:1] == "/"})
