"""`flyte-awsbatch ui` as a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

UI = [sys.executable, "-m", "flytekitplugins.awsbatch.cli.main", "ui", "--port", "0"]


@contextlib.contextmanager
def served(home: Path, *options: str) -> Iterator[str]:
    """The address of the home's page, without a slash at the end."""
    environment = {**os.environ, "FLYTE_AWSBATCH_HOME": str(home)}
    with subprocess.Popen([*UI, *options], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://"), address
            yield address.rstrip("/")
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
