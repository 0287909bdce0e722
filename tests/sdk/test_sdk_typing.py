from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_users_who_check_strictly_get_the_types_and_the_mistakes_they_should() -> None:
    """An unused `type: ignore` is an error in strict mode, so that the mistakes in the file have to be found."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", "/dev/null"),
            # flytekit itself is not typed for its users.
            *("--config-file", "", "--ignore-missing-imports", "--allow-untyped-decorators"),
            *("--namespace-packages", "--explicit-package-bases", "--follow-imports=silent"),
            str(HERE / "sdk_typing.py"),
        ],
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Success: no issues found in 1 source file")
