"""pyflyte as a user runs it, in a folder of the test's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

IMAGE = "example.com/team/app:v1"


def pyflyte_process(
    project: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "pyflyte"), *arguments],
        cwd=project,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("FLYTE")},
            "HOME": str(project.parent),
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )
