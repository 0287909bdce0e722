"""Where the log of each attempt lies, and how it is read: CloudWatch's group `/aws/batch/job`, one file per stream.

A process writes its file itself, so a line costs the service nothing.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from .. import private_folders
from .log_times import LogTimes

GROUP = "/aws/batch/job"
STREAM = re.compile(r"(?P<definition>[A-Za-z0-9][A-Za-z0-9_-]{0,127})/default/(?P<task>[0-9a-f]{32})")
# Bytes.
MOST_OF_TAIL = 1 << 20


@dataclass(frozen=True)
class LogStream:
    """:param attempt: from 1."""

    name: str
    path: Path
    attempt: int


class Logs:
    """:ivar times: when the lines of the logs were written."""

    def __init__(self, root: Path) -> None:
        self.times = LogTimes()
        self._root = root
        self._numbers = itertools.count(secrets.randbelow(256) << 8)

    def new(self, definition: str, now: int) -> str:
        """The name of a new attempt's stream: `<definition name>/default/<task id>`. The last two digits name the
        folder of its file, which takes 256 streams before the next one is made.
        """
        folder = next(self._numbers) >> 8 & 0xFF
        return f"{definition}/default/{now:012x}{secrets.token_hex(9)}{folder:02x}"

    def make(self, stream: str) -> Path:
        """The file of a stream, ready to be written."""
        path = self.path(stream)
        private_folders.make_private_folder(path.parent)
        return path

    def path(self, stream: str) -> Path:
        """The file of a stream. Raises ValueError for what cannot be its name: no name leads out of the folder of
        logs."""
        match = STREAM.fullmatch(stream)
        if match is None:
            raise ValueError(f"{stream!r} is no log stream's name")
        return Path(f"{self._root}/{match['definition']}/{match['task'][-2:]}/{match['task']}.log")

    def streams(self, prefix: str) -> list[str]:
        """Every stream whose name begins so, by name."""
        if STREAM.fullmatch(prefix):
            return [prefix] if self.path(prefix).exists() else []
        definition, whole, _ = prefix.partition("/")
        found = []
        for each in self._root.iterdir() if self._root.is_dir() else ():
            if each.name == definition or (not whole and each.name.startswith(definition)):
                for _, _, files in os.walk(each):
                    found += [f"{each.name}/default/{file[:-4]}" for file in files if file.endswith(".log")]
        return sorted(name for name in found if name.startswith(prefix))

    def remove_streams(self, streams: list[str]) -> None:
        for stream in streams:
            with contextlib.suppress(OSError, ValueError):
                self.path(stream).unlink()


def log_tail(path: Path, lines: int) -> str:
    """The last lines of a file, at most a megabyte of it; bytes that are not UTF-8 are shown as U+FFFD. Empty when
    there is none.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_OF_TAIL))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
