"""Sessions of pytest that a test starts in processes of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def pytest_command(folder: Path, *options: str) -> list[str]:
    """Runs the tests below a folder as a user's project has them: without this project's settings."""
    own = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}"]
    return [sys.executable, "-m", "pytest", *own, *options, str(folder)]
