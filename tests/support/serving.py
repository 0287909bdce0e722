"""`flyte-awsbatch serve` in a process of its own."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SERVE = Path(sysconfig.get_path("scripts"), "flyte-awsbatch")


@contextlib.contextmanager
def serving(home: Path, *options: str, **how: Any) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its address, and the process. :param how: arguments of Popen."""
    home.parent.mkdir(parents=True, exist_ok=True)
    log = home.with_name(f"{home.name}.log")
    with log.open("w") as errors:
        process = subprocess.Popen(
            [SERVE, "serve", "--home", home, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            **how,
        )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None, log.read_text()
        yield found.group(), process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
