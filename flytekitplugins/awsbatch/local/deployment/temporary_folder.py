"""The folder that jobs of one process get as TMPDIR: short, since sockets lie in it, and gone with the process.

A process that was killed leaves its folder; the next one removes it.
"""

from __future__ import annotations

import functools
import multiprocessing.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

from ..history.process_mark import process_lives

PREFIX = "flyte-awsbatch-jobs-"


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
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{pid}-", dir=temporary))
    # Runs in a forked worker of `multiprocessing` too, which ends without what `atexit` has, and in no other fork.
    multiprocessing.util.Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=-1)
    return folder


def _remove_left_behind(temporary: str) -> None:
    for folder in Path(temporary).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not process_lives({"pid": int(owner)}) and _is_own_folder(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_own_folder(folder: Path) -> bool:
    """Whether it is there, and nobody else's: everybody may write where it lies."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
