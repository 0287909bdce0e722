"""Directories for their user alone: everything under a home, with the directories between."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PRIVATE = 0o700


def make_private_folder(path: Path) -> Path:
    """Makes a directory and whatever is missing above it, each closed to others."""
    if not path.is_dir():
        make_private_folder(path.parent)
        path.mkdir(mode=PRIVATE, exist_ok=True)
    return path


def remove_folder(path: Path) -> None:
    """Removes what can be removed of a directory."""
    try:
        shutil.rmtree(path, ignore_errors=True)
    except RecursionError:
        # A task may have nested folders deeper than Python's own way down (up to 3.12).
        subprocess.run(["rm", "-rf", "--", str(path)], check=False, stderr=subprocess.DEVNULL)
