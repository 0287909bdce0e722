"""The messages that a home's runs print only once: a file of the home has a line for each that was printed."""

from __future__ import annotations

import contextlib
import threading

from ..home import Home


class ToldOnce:
    """Safe to use from several threads; two processes may print the same message at the same moment."""

    def __init__(self, home: Home) -> None:
        self._path = home.path / "told"
        self._lock = threading.Lock()
        self._known: set[str] | None = None

    def first_time(self, *what: str) -> bool:
        """Whether the message was not printed before. It counts as printed from now on, if the file can be written."""
        line = "\t".join(part.replace("\n", " ") for part in what)
        with self._lock:
            if self._known is None:
                try:
                    self._known = set(self._path.read_text(encoding="utf-8", errors="replace").splitlines())
                except OSError:
                    self._known = set()
            if line in self._known:
                return False
            self._known.add(line)
            with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{line}\n")
            return True
