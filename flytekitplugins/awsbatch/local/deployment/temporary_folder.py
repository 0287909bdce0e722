"""The folder that jobs of one process get as TMPDIR: short, since sockets lie in it, and gone with the process.

A process that was killed leaves its folder; the next one removes it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
from pathlib import Path

from ..history.process_mark import process_lives

PREFIX = "flyte-awsbatch-jobs-"


def make_temporary_folder() -> Path:
    """A folder for this process's jobs, after removing those of dead ones."""
    _remove_left_behind(tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


@functools.cache
def _remove_left_behind(temporary: str) -> None:
    """Once in a process: to look through a folder of ten thousand entries takes as long as a short job."""
    for folder in Path(temporary).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not process_lives({"pid": int(owner)}):
            with contextlib.suppress(OSError):
                if folder.stat().st_uid == os.getuid() and not folder.is_symlink():
                    remove_temporary_folder(folder)


def remove_temporary_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
