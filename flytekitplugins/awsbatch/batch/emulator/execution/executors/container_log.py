"""The log file of an attempt in a container, from what the engine hands on of its two outputs. Stands for Docker's
awslogs driver.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

# The bytes after which a line is cut: Docker's own size of a log message.
LONGEST_PART = 16 * 1024


class Log:
    """Lines of stdout and stderr are kept whole, in the order in which the engine sends them."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._begun = [b"", b""]

    def write_log(self, *parts: bytes | None) -> None:
        """:param parts: what came of stdout and of stderr; a line that has not ended waits for its end."""
        for place, part in enumerate(parts):
            if not part:
                continue
            text = self._begun[place] + part
            end = text.rfind(b"\n") + 1
            if len(text) - end > LONGEST_PART:
                end = len(text)
            self._put([text[:end]])
            self._begun[place] = text[end:]

    def close(self) -> None:
        self._put(self._begun)
        os.close(self._file)

    def _put(self, texts: Iterable[bytes]) -> None:
        for text in texts:
            # What a full disk does not take is lost, as with every other log.
            with contextlib.suppress(OSError):
                rest = memoryview(text)
                while rest:
                    rest = rest[os.write(self._file, rest) :]
