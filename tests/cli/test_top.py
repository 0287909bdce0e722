"""`flyte-awsbatch top`: its screen in a terminal of its own, and its lines in a pipe."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

from ui_home import WrittenHome, busy_home

TOP = [sys.executable, "-m", "flytekitplugins.awsbatch.cli.main", "top"]


def environment(home: WrittenHome) -> dict[str, str]:
    sized = {"COLUMNS": "100", "LINES": "30", "TERM": "xterm"}
    return {**os.environ, **sized, "FLYTE_AWSBATCH_HOME": str(home.home.path)}


def test_in_a_pipe_it_prints_how_an_execution_ended(tmp_path: Path) -> None:
    home = WrittenHome(tmp_path, 2)
    home.started(0, 10)
    home.started(1, 10)
    home.error(1, "ValueError: no")
    home.commit(home.ended(0, 20), home.ended(1, 20, 1))
    home.write("failed")
    done = subprocess.run(TOP, env=environment(home), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "n1 parse  failed  1 failed, 1 succeeded",
        f"{home.name}  failed  1 failed, 1 succeeded",
        "n1:1  failed  ValueError: no",
    ]


def test_keys_lead_to_a_childs_log_and_back(tmp_path: Path) -> None:
    home = busy_home(tmp_path, 300)
    leader, follower = pty.openpty()
    with subprocess.Popen(TOP, env=environment(home), stdin=follower, stdout=follower, stderr=follower) as process:
        os.close(follower)
        # Whatever goes wrong below, nothing is left running.
        watchdog = threading.Timer(90, process.kill)
        watchdog.start()
        seen = Screen(leader)
        seen.wait_for("ValueError: chunk")
        seen.wait_for("Enter its log")
        # All at once, as a slow connection delivers them.
        os.write(leader, b"\x1b[B\x1b[A\r")
        seen.wait_for("no such chunk")
        os.write(leader, b"q")
        seen.wait_for("Enter its log")
        os.write(leader, b"q")
        seen.read_rest()
        assert process.wait(20) == 0
        watchdog.cancel()
    os.close(leader)


class Screen:
    """What a program has written to its terminal since it was last asked."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._text = ""

    def wait_for(self, words: str, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while words not in self._text:
            assert time.monotonic() < until, f"{words!r} is not in {self._text[-2000:]!r}"
            self._read()
        self._text = ""

    def read_rest(self) -> None:
        while self._read():
            pass

    def _read(self) -> bool:
        if not select.select([self._terminal], [], [], 1)[0]:
            return True
        try:
            block = os.read(self._terminal, 1 << 16)
        except OSError:
            return False
        self._text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", block.decode("utf-8", "replace"))
        return bool(block)
