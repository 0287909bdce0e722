"""Scratch directories of attempts, each empty and its attempt's alone while it runs.

Making and removing a directory costs milliseconds on a busy disk, so one that was left empty serves the next attempt,
also one of a later service of this process, and others are removed in the background.
"""

from __future__ import annotations

import itertools
import os
import queue
import stat
import threading
from pathlib import Path

from .. import private_folders
from .threads import begin_thread

# What closed services have left empty, by the directory that it lies in. Numbers are of the process, since services
# share such a directory.
_left: dict[Path, list[Path]] = {}
_numbers = itertools.count(1)


class Scratch:
    """Used by one thread, the engine's.

    :param outlives_service: whether `root` stays when the service closes, with the empty directories in it.
    """

    def __init__(self, root: Path, *, outlives_service: bool = False) -> None:
        self._root = root
        self._outlives_service = outlives_service
        # Who clears the machine's temporary files may have taken them.
        self._free = [path for path in _left.pop(root, ()) if _untouched(path)]
        self._rubbish: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._remover: threading.Thread | None = None

    def take(self) -> Path:
        """An empty directory."""
        while self._free:
            # Who clears the machine's temporary files may have taken it.
            if (path := self._free.pop()).is_dir():
                return path
        return private_folders.make_private_folder(self._root / str(next(_numbers)))

    def give_back(self, path: Path) -> None:
        """Takes a directory back and removes its contents."""
        if _untouched(path):
            self._free.append(path)
            return
        self._remover = self._remover or begin_thread("awsbatch-scratch", self._remove)
        if self._remover is None:
            private_folders.remove_folder(path)
        else:
            self._rubbish.put(path)

    def finish_removing(self) -> None:
        """Returns when everything that was given back is gone."""
        if self._remover is not None:
            self._rubbish.put(None)
            self._remover.join()
        if self._outlives_service:
            _left.setdefault(self._root, []).extend(self._free)
            return
        for path in self._free:
            private_folders.remove_folder(path)

    def _remove(self) -> None:
        while (path := self._rubbish.get()) is not None:
            private_folders.remove_folder(path)


def _untouched(path: Path) -> bool:
    """Whether a directory is as it was when it was made."""
    try:
        return not os.listdir(path) and stat.S_IMODE(os.stat(path).st_mode) == private_folders.PRIVATE  # noqa: PTH116, PTH208
    except OSError:
        return False
