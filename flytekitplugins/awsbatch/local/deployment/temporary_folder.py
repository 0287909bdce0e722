"""Folders that go with the process: the one that its jobs get as TMPDIR, which is short, since sockets lie in it, and
homes that nobody named.

A process that was killed leaves them; the next one removes the folder of the jobs, and that of a supervisor.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing.util
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from flytekitplugins.awsbatch.batch.emulator.private_folders import OF_PROCESS, remove_folder

from ..history.process_mark import process_lives

HOME_PREFIX = "flyte-awsbatch-home-"


def temporary_folder_of_process() -> Path:
    """The folder for this process's jobs, the same for all its deployments as long as it is there."""
    temporary, pid = tempfile.gettempdir(), os.getpid()
    folder = _make_temporary_folder(temporary, pid)
    if not _is_own_folder(folder):
        _make_temporary_folder.cache_clear()
        folder = _make_temporary_folder(temporary, pid)
    return folder


@functools.cache
def _make_temporary_folder(temporary: str, pid: int) -> Path:
    """Makes the folder, after removing those of dead processes: once in a process, since to look through ten thousand
    entries takes as long as a short job.
    """
    _remove_left_behind(temporary)
    return _make_folder_of_process(OF_PROCESS, temporary, pid)[0]


@contextlib.contextmanager
def temporary_home() -> Iterator[Path]:
    """A home that goes with the block. A fork of this process that leaves the block, too, takes nothing away."""
    home, remove = _make_folder_of_process(HOME_PREFIX, tempfile.gettempdir(), os.getpid())
    try:
        yield home
    finally:
        remove()


def _make_folder_of_process(prefix: str, temporary: str, pid: int) -> tuple[Path, Callable[[], object]]:
    """A folder, and what removes it: at the latest when the process ends. That is also called in a forked worker of
    `multiprocessing`, which ends without what `atexit` has, and does nothing in a fork of the process that made it.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{pid}-", dir=temporary))
    return folder, multiprocessing.util.Finalize(None, remove_folder, (folder,), exitpriority=-1)


def _remove_left_behind(temporary: str) -> None:
    for folder in Path(temporary).glob(f"{OF_PROCESS}*"):
        owner = folder.name.removeprefix(OF_PROCESS).partition("-")[0]
        # The first process of a container lives as long as there is anybody to ask.
        if owner.isdecimal() and int(owner) > 1 and not process_lives({"pid": int(owner)}) and _is_own_folder(folder):
            remove_folder(folder)


def _is_own_folder(folder: Path) -> bool:
    """Whether it is there, and nobody else's: everybody may write where it lies."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
