"""One running service on a home: a directory of its own and a lock that lives exactly as long as the service and what
it started.

Several services may share a home. Each runs its own jobs; the lock tells whose jobs have been left behind (a process
number, which the system uses again, could not).
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .... import machine_time
from .. import private_folders
from .executors.protocol import Exited

LOCK = "lock"
JOURNAL = "journal"
SCRATCH = "scratch"
SUSPENDED = "suspended"
UNFINISHED = "."


@dataclass(frozen=True)
class Instance:
    """:param lock: the descriptor that holds the lock; whoever inherits it keeps the instance alive."""

    name: str
    directory: Path
    lock: int

    @property
    def journal(self) -> Path:
        return self.directory / JOURNAL

    @property
    def scratch(self) -> Path:
        return self.directory / SCRATCH

    def suspend(self) -> None:
        """Notes that attempts are asked to end from now on: an exit with an error that follows is no failure of theirs.

        On a full disk the note is missing, and those exits count as failed attempts.
        """
        with contextlib.suppress(OSError):
            (self.directory / SUSPENDED).touch()

    def remove_instance(self) -> None:
        """Removes the instance. Any service may then take over its unfinished jobs."""
        private_folders.remove_folder(self.directory)
        self.release_instance_lock()

    def release_instance_lock(self) -> None:
        """Releases the lock and keeps the journal, for the service that takes the jobs over."""
        os.close(self.lock)


def create_instance(root: Path) -> Instance:
    """Makes the directory together with its lock: one without a lock is taken for a closed instance."""
    name = f"{time.strftime('%Y%m%d%H%M%S')}-{secrets.token_hex(4)}"
    unfinished, directory = root / f"{UNFINISHED}{name}", root / name
    private_folders.make_private_folder(unfinished)
    lock = os.open(unfinished / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unfinished.rename(directory)
    return Instance(name, directory, lock)


@contextlib.contextmanager
def instance_folder_left_behind(root: Path, name: str, wait_seconds: float) -> Iterator[Path | None]:
    """The directory of a dead instance, locked against other services that want to take over; None when it lives.

    Waits up to `wait_seconds` seconds for what it started to be gone. An instance without a directory closed in order.
    """
    directory = root / name
    try:
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield directory
        return
    try:
        until = machine_time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if machine_time.monotonic() >= until:
                    yield None
                    return
                time.sleep(0.02)
        yield directory
    finally:
        os.close(lock)


def instance_names_of_service(root: Path) -> list[str]:
    """The names of all instances, alive or left behind."""
    found = (entry.name for entry in root.iterdir()) if root.is_dir() else ()
    return sorted(name for name in found if not name.startswith(UNFINISHED))


def exits_of_instance(directory: Path) -> dict[str, Exited]:
    """The exits that an instance's supervisor has recorded, by the attempt's key. A torn last line is left out, and so
    are attempts that failed after they were asked to end.
    """
    found: dict[str, Exited] = {}
    try:
        text = (directory / JOURNAL).read_text(encoding="utf-8")
    except FileNotFoundError:
        return found
    suspended = _suspended_at(directory)
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 6 or not fields[5]:
            continue
        key, code, out_of_memory, at, peak, cpu = fields
        if code == "0" or float(at) < suspended:
            found[key] = Exited(key, int(code), float(at), out_of_memory == "1", int(peak), float(cpu))
    return found


def _suspended_at(directory: Path) -> float:
    try:
        return (directory / SUSPENDED).stat().st_mtime
    except OSError:
        return math.inf
