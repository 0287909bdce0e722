"""Writes a file of this machine in one piece."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets

# In the names of files that are not finished. One that a killed process has left keeps nobody from writing, though a
# later process may have its number; forked processes have the same token, and other numbers.
_TOKEN = secrets.token_hex(4)
_numbers = itertools.count()


def replace_file(path: str, data: bytes, folder_mode: int = 0o777) -> None:
    """Replaces the file, for its user only, and makes the folder where it is missing. It is written beside and renamed,
    so that a reader and a killed writer never leave half of one. Raises OSError.
    """
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name}.{_TOKEN}-{os.getpid()}-{next(_numbers)}")  # noqa: PTH118
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        handle = os.open(beside, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(folder, mode=folder_mode, exist_ok=True)  # noqa: PTH103 - as fast as can be, as all of this
        handle = os.open(beside, flags, 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
        finally:
            os.close(handle)
        os.replace(beside, path)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)  # noqa: PTH108
        raise
