"""Sessions of pytest that a test starts in processes of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def pytest_command(folder: Path, *options: str) -> list[str]:
    """Runs the tests below a folder as a user's project has them: without this project's settings. It is the topmost
    folder that pytest looks into: it would go through every folder of `/tmp` otherwise."""
    own = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}", f"--confcutdir={folder}"]
    return [sys.executable, "-m", "pytest", *own, *options, str(folder)]
