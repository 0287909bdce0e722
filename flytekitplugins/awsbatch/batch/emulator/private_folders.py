"""Directories for their user alone: everything under a home, with the directories between."""

from __future__ import annotations

from pathlib import Path

PRIVATE = 0o700


def make_private_folder(path: Path) -> Path:
    """Makes a directory and whatever is missing above it, each closed to others."""
    if not path.is_dir():
        make_private_folder(path.parent)
        path.mkdir(mode=PRIVATE, exist_ok=True)
    return path
