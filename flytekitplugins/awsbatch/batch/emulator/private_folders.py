"""Directories for their user alone: everything under a home, with the directories between."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

PRIVATE = 0o700
# Of a temporary folder, before the number of the process that it goes with: a later process removes those of dead ones.
# Short: the path of a socket has at most 107 bytes, and ray puts its own 60 bytes below a job's TMPDIR.
OF_PROCESS = "flyte-jobs-"


def make_private_folder(path: Path) -> Path:
    """Makes a directory and whatever is missing above it, each closed to others."""
    if not path.is_dir():
        make_private_folder(path.parent)
        path.mkdir(mode=PRIVATE, exist_ok=True)
    return path


def remove_folder(path: Path) -> None:
    """Removes what can be removed of a directory."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if path.is_dir() and not path.is_symlink():
        # A task may have nested folders deeper than Python's way down, which takes a descriptor for each.
        with contextlib.suppress(OSError):
            subprocess.run(["rm", "-rf", "--", str(path)], check=False, stderr=subprocess.DEVNULL)
