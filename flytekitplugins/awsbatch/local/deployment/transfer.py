"""Copies files of this machine into a storage, many at once and few in memory, and reports the bytes."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fsspec.callbacks import Callback

from flytekitplugins.awsbatch.propeller.aws_array.concurrently import concurrently_in_order
from flytekitplugins.awsbatch.propeller.storage import StorageError

from ... import machine_time

# s3fs sends a file of less than two chunks at once, and a longer one in pieces of which several are under way.
CHUNK = 5 * 2**20
SMALL_AT_ONCE, LARGE_AT_ONCE = 32, 2
QUIET_SECONDS, INTERVAL = 1.0, 5.0


class TransferProgress:
    """Prints how many bytes have been sent, once it has taken more than a second.

    :ivar stopped: whether nobody wants the upload any more.
    :param destination: its name in the lines that are printed.
    """

    def __init__(
        self, destination: str, say: Callable[[str], None], clock: Callable[[], float] = machine_time.monotonic
    ) -> None:
        self._destination = destination
        self._say = say
        self._clock = clock
        self._lock = threading.Lock()
        self._total = self._done = 0
        self.stopped = False
        self._began = clock()
        self._next = self._began + QUIET_SECONDS

    def begin(self, total: int) -> None:
        self._total = total

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count
            if self._clock() < self._next or self._done >= self._total:
                return
            self._next = self._clock() + INTERVAL
        self._say(f"Uploading to {self._destination}: {_size(self._done)} of {_size(self._total)}")

    def end(self) -> None:
        seconds = self._clock() - self._began
        if self._total and seconds > QUIET_SECONDS:
            self._say(f"Uploaded {_size(self._total)} to {self._destination} in {seconds:.0f} s")


class _Bytes(Callback):  # type: ignore[misc]
    """fsspec's callback for the bytes of one file, where the storage reports them."""

    def __init__(self, progress: TransferProgress, size: int) -> None:
        super().__init__()
        self._progress = progress
        self._left = size

    def relative_update(self, inc: int = 1) -> None:
        if self._progress.stopped:
            raise InterruptedError("the upload was given up")
        self._left -= inc
        self._progress.add(inc)

    def end(self) -> None:
        self._progress.add(self._left)


def _size(count: float) -> str:
    """A number of bytes in words, in units of 1000 as storages count."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def transfer_files(filesystem: Any, files: Iterable[tuple[Path, str]], progress: TransferProgress) -> None:
    """Copies files to the URLs beside them. Raises StorageError.

    :param filesystem: the storage's.
    """
    sized = [(file, url, file.stat().st_size) for file, url in files]
    progress.begin(sum(size for _, _, size in sized))
    small = [one for one in sized if one[2] < 2 * CHUNK]
    large = [one for one in sized if one[2] >= 2 * CHUNK]
    waits = bool(filesystem.async_impl)
    copy = functools.partial(_copy, filesystem, progress)
    try:
        for some, at_once in ((small, SMALL_AT_ONCE), (large, LARGE_AT_ONCE)):
            for _ in concurrently_in_order(copy, some, at_once if waits else 1):
                pass
    except BaseException:
        progress.stopped = True
        raise
    progress.end()


def _copy(filesystem: Any, progress: TransferProgress, one: tuple[Path, str, int]) -> None:
    file, url, size = one
    callback = _Bytes(progress, size)
    code = getattr(getattr(filesystem, "_put_file", None), "__code__", None)
    options = {"chunksize": CHUNK} if code is not None and "chunksize" in code.co_varnames else {}
    try:
        filesystem.put_file(str(file), url, callback=callback, **options)
    except Exception as error:
        if not file.exists():
            raise
        raise StorageError(url, str(error) or type(error).__name__) from error
    callback.end()
