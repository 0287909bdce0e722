"""The command's standard output: an error of writing it is told apart from those of all other files."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(Exception):
    """Standard output cannot be written, for another reason than that its reader has gone."""


class _OutputFile(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            # What is still to be written would fail again as Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            raise OutputError(f"Standard output cannot be written: {error.strerror}.") from error


def name_standard_output_in_errors() -> None:
    """From now on, this process gets an OutputError where its standard output cannot be written."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and out is sys.__stdout__:
        file = io.BufferedWriter(_OutputFile(out.fileno(), "w", closefd=False))
        sys.stdout = io.TextIOWrapper(file, out.encoding, out.errors, line_buffering=True)
