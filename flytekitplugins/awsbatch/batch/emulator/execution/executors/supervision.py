"""The supervisor of this process, as the executors see it: one process below which everything runs that the services of
this process start, jobs and interpreters alike. It is started when it is needed and ends with this process, whichever
way that ends.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flytekitplugins.awsbatch import wire

from ..... import machine_time
from ... import execution
from ...private_folders import OF_PROCESS
from ..channel import Channel, Message
from ..instance import Instance
from ..process_tree import kill_process, process_environment_has
from ..reaper import KILL_TIMEOUT
from ..threads import begin_thread
from .channel_reader import ChannelReader, Link
from .protocol import EVENT_OF_WORD, Events, JobProcess, Lost, Started

MIB = 2**20
STARTER = str(Path(execution.__file__).with_name("__main__.py"))
# Stands before the supervisor's command: debuggers and profilers that follow subprocesses (debugpy, viztracer) rewrite
# one that begins with Python, and would start in place of the supervisor and of all that it starts.
UNFOLLOWED = ("/bin/sh", "-c", 'exec "$@"', "sh") if Path("/bin/sh").exists() else ()
UMASK = re.compile(rb"^Umask:\s*([0-7]+)$", re.MULTILINE)
USUAL_UMASK = 0o022
# The number for processes that belong to no service.
SHARED = 0


@dataclass
class Lease:
    """A service's use of this process's supervisor and interpreters.

    :param number: names the service in messages to them.
    :param umask: the umask of its attempts.
    :ivar at_end: what the supervisor runs when this process has gone: argv, environment, log.
    :ivar released: set when nothing of the service is left below the supervisor.
    """

    number: int
    journal: Path
    lock: int
    events: Events
    umask: int
    at_end: tuple[tuple[str, ...], dict[str, str], str] | None = None
    released: threading.Event = field(default_factory=threading.Event)


@dataclass
class Supervised:
    """A supervisor and what was given to it.

    :ivar attempts: by lease and key, the process, 0 until its number is known, and the variables that mark its
        descendants.
    """

    channel: Channel
    process: subprocess.Popen[bytes]
    directory: Path
    attempts: dict[tuple[int, str], tuple[int, tuple[bytes, ...]]] = field(default_factory=dict)
    leases: set[int] = field(default_factory=set)

    def start(self, lease: Lease, process: JobProcess, descriptors: Sequence[int]) -> None:
        """Raises OSError when the supervisor is gone, ValueError for what cannot be sent."""
        self._introduce(lease)
        places = str(process.cwd), str(process.log), lease.umask
        key = lease.number, process.key
        # Before the start: its end may be reported before this returns.
        self.attempts[key] = 0, _supervision_marks(process.environment)
        try:
            limit = process.memory_limit * MIB
            message = ("start", *key, process.argv, dict(process.environment), places, limit, bool(descriptors))
            self.channel.send(message, descriptors=descriptors)
        except (OSError, ValueError):
            self.attempts.pop(key, None)
            raise

    def at_end(self, lease: Lease) -> None:
        """Raises OSError when the supervisor is gone."""
        if lease.at_end is not None:
            self._introduce(lease)
            self.channel.send(("at_end", lease.number, *lease.at_end))

    def _introduce(self, lease: Lease) -> None:
        if lease.number != SHARED and lease.number not in self.leases:
            self.channel.send(("lease", lease.number, str(lease.journal)), descriptors=[lease.lock])
            self.leases.add(lease.number)


class Supervision:
    """The supervisor of one process; see `supervision_of_this_process`."""

    def __init__(self) -> None:
        # Held while sending only: the reader must never wait for a sender that waits for it.
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._leases: dict[int, Lease] = {}
        self._supervised: Supervised | None = None
        # Threads that end what dead supervisors left.
        self._losing: list[threading.Thread] = []
        self._closing = False
        # For what else there is one of in a process.
        self.guard = threading.Lock()
        self.channel_reader = ChannelReader()

    def lease(self, instance: Instance, events: Events) -> Lease:
        with self._sending:
            lease = Lease(next(self._numbers), instance.journal, instance.lock, events, _current_umask())
            self._leases[lease.number] = lease
        return lease

    def release(self, lease: Lease) -> None:
        """Kills what runs of a service, and returns when nothing does."""
        with self._sending:
            supervised, losing = self._supervised, list(self._losing)
            is_known = supervised is not None and lease.number in supervised.leases
            if supervised is not None and is_known:
                lease.released.clear()
                # If the supervisor has gone, the reader finds out.
                with contextlib.suppress(OSError):
                    supervised.channel.send(("release", lease.number))
        if is_known:
            lease.released.wait(2 * KILL_TIMEOUT)
        for thread in losing:
            thread.join(2 * KILL_TIMEOUT)
        self._leases.pop(lease.number, None)

    def start(self, lease: Lease, process: JobProcess, descriptors: Sequence[int] = ()) -> None:
        """Raises OSError, ValueError."""
        with self._sending:
            supervised = self._supervised or self._start_supervisor()
            try:
                supervised.start(lease, process, descriptors)
            except (BrokenPipeError, ConnectionResetError):
                # It was killed, and the reader has not noticed yet: this attempt never reached it.
                self._start_supervisor().start(lease, process, descriptors)

    def at_end(self, lease: Lease, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Has the supervisor run a command when this process has gone, before the service's instance can be taken
        over; a lease that is released has none. Raises OSError.
        """
        with self._sending:
            lease.at_end = tuple(argv), dict(environment), str(log)
            if self._supervised is None:
                self._start_supervisor()
            else:
                # A supervisor that was killed is replaced when the reader notices its end.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self._supervised.at_end(lease)

    def start_supervised_interpreter(self, process: JobProcess, link: int, events: Events) -> None:
        """Starts a process that belongs to no service; its command gets the descriptor as its last argument.

        Raises OSError, ValueError.
        """
        shared = self._leases.setdefault(SHARED, Lease(SHARED, Path(), -1, events, USUAL_UMASK))
        self.start(shared, process, [link])

    def signal(self, lease: Lease, key: str, number: int) -> None:
        with self._sending, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if self._supervised is not None and (lease.number, key) in self._supervised.attempts:
                self._supervised.channel.send(("signal", lease.number, key, int(number)))

    def kill_supervised_interpreter(self, name: str) -> None:
        if SHARED in self._leases:
            self.signal(self._leases[SHARED], name, signal.SIGKILL)

    @property
    def directory(self) -> Path:
        """Makes a directory that is removed with the supervisor. Raises OSError."""
        with self._sending:
            return (self._supervised or self._start_supervisor()).directory

    def end_supervisor(self) -> None:
        """Ends the supervisor and all below it."""
        with self._sending:
            supervised, self._closing = self._supervised, True
        if supervised is None:
            return
        with contextlib.suppress(OSError):
            supervised.channel.link.shutdown(socket.SHUT_WR)
        try:
            supervised.process.wait(timeout=2 * KILL_TIMEOUT)
        except subprocess.TimeoutExpired:
            supervised.process.kill()

    def forget(self) -> None:
        """In a fork of this process, which has no supervisor: leaves this one to the other."""
        self.channel_reader.forget()
        if self._supervised is not None:
            self._supervised.process.returncode = 0

    def _start_supervisor(self) -> Supervised:
        # A shell would say so only by its exit code.
        if shutil.which(sys.executable) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), sys.executable)
        # Profilers such as scalene put a script of theirs into `sys.executable`; no environment's libraries are needed.
        python = getattr(sys, "_base_executable", None) or sys.executable
        mine, theirs = socket.socketpair()
        directory = Path(tempfile.mkdtemp(prefix=f"{OF_PROCESS}{os.getpid()}-"))
        with theirs:
            process = subprocess.Popen(
                [
                    *(*UNFOLLOWED, python, "-ISB", STARTER, "executors.supervisor"),
                    *(str(theirs.fileno()), str(directory)),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._supervised = supervised = Supervised(Channel(mine), process, directory)
        self.channel_reader.add(
            Link(
                supervised.channel,
                lambda message: self._take(supervised, message),
                lambda: self._ended(supervised),
                first=True,
            )
        )
        for lease in list(self._leases.values()):
            supervised.at_end(lease)
        return supervised

    def _take(self, supervised: Supervised, message: Message) -> None:
        name, number, *rest = message
        lease = self._leases.get(number)
        if name == "released":
            supervised.leases.discard(number)
            if lease is not None:
                lease.released.set()
            return
        event = EVENT_OF_WORD[name](*rest)
        if isinstance(event, Started):
            supervised.attempts[number, event.key] = event.pid, supervised.attempts[number, event.key][1]
        else:
            supervised.attempts.pop((number, event.key), None)
        if lease is not None:
            lease.events(event)

    def _ended(self, supervised: Supervised) -> None:
        """May be slow: do not call it from the thread that reads."""
        if self._closing:
            return
        losing = begin_thread("awsbatch-lost", self._lose, supervised)
        if losing is None:
            self._lose(supervised)
        else:
            self._losing = [*(thread for thread in self._losing if thread.is_alive()), losing]

    def _lose(self, supervised: Supervised) -> None:
        """The supervisor has ended. If attempts still ran, it was killed, and they are ended here."""
        with self._sending:
            supervised.channel.close_channel()
            left, supervised.attempts = supervised.attempts, {}
            if self._supervised is supervised:
                self._supervised = None
                if any(lease.at_end is not None for lease in self._leases.values()):
                    with contextlib.suppress(OSError):
                        self._start_supervisor()
        supervised.process.wait()
        for pid, _ in left.values():
            if pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
        traces = [trace for _, trace in left.values() if trace]
        if traces:
            _kill_marked(traces)
        message = f"the supervisor of the attempt ended with {supervised.process.returncode}"
        leases = dict(self._leases)
        for number, key in left:
            if number in leases:
                leases[number].events(Lost(key, message, machine_time.wall()))
        with self._sending:
            elsewhere = self._supervised.leases if self._supervised is not None else set()
            for number in supervised.leases - elsewhere:
                if number in leases:
                    leases[number].released.set()


_of_this_process: Supervision | None = None
_lock = threading.Lock()


def supervision_of_this_process() -> Supervision:
    global _of_this_process  # noqa: PLW0603 - a process has one
    with _lock:
        if _of_this_process is None:
            _of_this_process = Supervision()
        return _of_this_process


def _close() -> None:
    if _of_this_process is not None:
        _of_this_process.end_supervisor()


def _forget() -> None:
    global _of_this_process, _lock  # noqa: PLW0603 - as above
    _lock = threading.Lock()
    if _of_this_process is not None:
        _of_this_process.forget()
        _of_this_process = None


# Registered before any deployment's own: it is called after those.
atexit.register(_close)
os.register_at_fork(after_in_child=_forget)


def _current_umask() -> int:
    """This process's umask, without changing it (Linux)."""
    try:
        found = UMASK.search(Path("/proc/self/status").read_bytes())
    except OSError:
        found = None
    return int(found[1], 8) if found is not None else USUAL_UMASK


def _kill_marked(traces: Sequence[tuple[bytes, ...]]) -> None:
    """Kills every process of this machine that has the variables of one of these attempts, however it got away."""
    until = machine_time.monotonic() + KILL_TIMEOUT
    while machine_time.monotonic() < until:
        # A dead process that has not been reaped shows no environment.
        found = [
            int(entry.name)
            for entry in Path("/proc").glob("[0-9]*")
            if any(process_environment_has(int(entry.name), trace) for trace in traces)
        ]
        if not found:
            return
        for pid in found:
            kill_process(pid, signal.SIGKILL, group=False)
        time.sleep(0.01)


def _supervision_marks(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """The variables that mark a process as part of an attempt, whatever session it is in."""
    names = (wire.AWS_JOB_ID, wire.AWS_JOB_ATTEMPT)
    return tuple(f"{name}={environment[name]}".encode() for name in names if name in environment)
