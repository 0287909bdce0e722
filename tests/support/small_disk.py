"""A disk that is small enough to be filled, and a folder that cannot be written."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def mounted(folder: Path, size: str) -> contextlib.AbstractContextManager[Path]:
    """A small disk of its own; skips the test where this user may not mount one."""
    return _mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")


def mounted_read_only(folder: Path, of: Path) -> contextlib.AbstractContextManager[Path]:
    """Another folder's files, which cannot be written here: modes hold nobody who is root."""
    return _mounted(folder, "-o", "bind,ro", str(of))


@contextlib.contextmanager
def _mounted(folder: Path, *how: str) -> Iterator[Path]:
    folder.mkdir()
    made = subprocess.run(["mount", *how, str(folder)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"nothing can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 16, 4096):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass
    return filler
