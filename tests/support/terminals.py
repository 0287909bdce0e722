"""Commands run as a person runs them: on a pseudo-terminal, in a session of their own, with real signals."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

WAIT_SECONDS = 90.0
END = "<the command has ended>"
BIN = Path(sys.executable).parent
TASKS = Path(__file__).parents[1] / "reliability" / "reliability_tasks.py"


def eventually(right: Callable[[], bool], what: Callable[[], str] = str) -> None:
    limit = time.monotonic() + WAIT_SECONDS
    while not right():
        assert time.monotonic() < limit, what()
        time.sleep(0.02)


class Terminal:
    """A command with a pseudo-terminal as its controlling one.

    :ivar text: everything that it has printed so far.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
        self._master, slave = pty.openpty()
        self.modes = termios.tcgetattr(self._master)
        # The terminal's own side stays open, so that its modes can be looked at after the command has ended.
        self._slave = slave
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200", **environment},
            cwd=cwd,
        )
        self.text = ""
        self._closing = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closing:
                # A read that waits would keep the terminal open after it was closed.
                if select.select([self._master], [], [], 0.05)[0]:
                    self.text += os.read(self._master, 65536).decode("utf-8", "replace")

    @property
    def plain(self) -> str:
        """Without colours and movements of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text).replace("\r", "")

    def expect(self, words: str) -> None:
        eventually(lambda: words in self.plain, lambda: f"no {words!r} in: {self.plain[-800:]}")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def hang_up(self) -> None:
        """Closes the terminal's window: the kernel tells the session."""
        self._closing = True
        self._reader.join()
        os.close(self._slave)
        os.close(self._master)

    def modes_now(self) -> list[object]:
        return termios.tcgetattr(self._slave)

    def ended(self) -> int:
        """The exit status, once the command has ended and its output is read."""
        status = self.process.wait(WAIT_SECONDS)
        try:
            # Whatever the command has written comes before this.
            os.write(self._slave, END.encode())
        except OSError:
            # The kernel hung up the terminal when the session's leader ended: reading ends by itself.
            self._reader.join(WAIT_SECONDS)
        else:
            eventually(lambda: END in self.text)
            self.text = self.text.replace(END, "")
        return status

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        # A reader that goes on would read what comes next under the same descriptor: another terminal's output.
        self._closing = True
        self._reader.join()
        for end in (self._slave, self._master):
            with contextlib.suppress(OSError):
                os.close(end)


OpenTerminal = Callable[..., Terminal]


def pyflyte(workflow: str, *inputs: str) -> list[str]:
    return [str(BIN / "pyflyte"), "run", str(TASKS), workflow, *inputs]


def awsbatch(*words: str) -> list[str]:
    return [str(BIN / "flyte-awsbatch"), *words]


def execution_of(text: str) -> str:
    found = re.search(r"Execution ([a-z0-9]{20})", text)
    assert found, text[-800:]
    return found[1]


def starts(folder: Path) -> dict[int, int]:
    """How often each child has started."""
    return {int(file.stem): file.stat().st_size for file in folder.glob("*.starts")}


def of_home(home: Path) -> list[int]:
    """Processes that belong to jobs or to the service of a home: they have it in their command or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if os.fsencode(home) in text and state != "Z":
                    found.append(int(entry.name))
    return found
