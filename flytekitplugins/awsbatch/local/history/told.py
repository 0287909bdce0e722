"""What a home's runs have told a person once already: one line each in a file of the home."""

from __future__ import annotations

import contextlib
import threading

from ..home import Home


class Told:
    """Safe to use from several threads; two processes may tell the same thing at the same moment."""

    def __init__(self, home: Home) -> None:
        self._path = home.path / "told"
        self._lock = threading.Lock()
        self._known: set[str] | None = None

    def first_time(self, *what: str) -> bool:
        """Whether this was not told before; it counts as told from now on, where it can be written down."""
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
