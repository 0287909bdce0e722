"""Programs of a person's own that call tasks, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_caller_program(
    folder: Path, text: str, interpreter: str = sys.executable, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs `flow.py` with this text in the folder, with a home below it."""
    (folder / "flow.py").write_text(text)
    return subprocess.run(
        [interpreter, str(folder / "flow.py")],
        cwd=folder,
        env={**os.environ, "FLYTE_AWSBATCH_HOME": str(folder / "home"), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
