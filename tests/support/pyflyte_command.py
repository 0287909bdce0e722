"""`pyflyte` as a user's shell starts it: a process of its own, in a home of its own, without this interpreter's scripts
on PATH and without pytest's import path."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass, field
from pathlib import Path

SCRIPTS = Path(sys.executable).parent
SWITCH = ("--env", "FLYTE_AWSBATCH=local")


@dataclass
class Shell:
    """:ivar user: the user's home. :ivar home: what FLYTE_AWSBATCH_HOME names; made by the first emulated run."""

    user: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.user / "awsbatch"

    def write(self, name: str, text: str) -> Path:
        path = self.user / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def variables(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("LANG", "LC_", "COV_CORE_", "COVERAGE_", "TMPDIR"))
        }
        own = {"HOME": str(self.user), "PATH": "/usr/bin:/bin", "FLYTE_AWSBATCH_HOME": str(self.home), "COLUMNS": "200"}
        return kept | own | self.environment

    def run(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`pyflyte` with its output in pipes."""
        return self.command(str(SCRIPTS / "pyflyte"), *words, cwd=cwd)

    def command(self, *argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, cwd=cwd or self.user, env=self.variables(), capture_output=True, text=True, check=False
        )

    def on_a_terminal(self, *words: str) -> tuple[int, str]:
        """(exit status, what was shown) of `pyflyte` on a terminal."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [str(SCRIPTS / "pyflyte"), *words],
            cwd=self.user,
            env={**self.variables(), "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        shown: list[bytes] = []

        def read() -> None:
            try:
                while data := os.read(ours, 65536):
                    shown.append(data)
            except OSError:  # how Linux says that the other end is closed
                pass

        reader = threading.Thread(target=read)
        reader.start()
        status = process.wait()
        reader.join()
        os.close(ours)
        return status, b"".join(shown).decode()


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
