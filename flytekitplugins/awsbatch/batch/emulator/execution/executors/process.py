"""Runs each attempt as a process of its own, started from nothing, through a supervisor that outlives the service
just long enough to leave nothing behind. Stands for the ECS agent on a container instance; images, volumes and
networks are not its business.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator import execution, private_folders
from flytekitplugins.awsbatch.batch.emulator.execution.channel import Channel, Message
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import (
    CannotStart,
    Event,
    Events,
    Exited,
    JobProcess,
    Lost,
    Started,
)
from flytekitplugins.awsbatch.batch.emulator.execution.instance import Instance
from flytekitplugins.awsbatch.batch.emulator.execution.reaper import KILL_TIMEOUT, environment_has, kill

MIB = 2**20
STARTER = str(Path(execution.__file__).with_name("__main__.py"))
# Beyond so many differing variables a whole environment is sent anew.
MAX_CHANGES = 16


@dataclass
class Supervised:
    """A supervisor and what was given to it.

    :ivar attempts: by key, the process, 0 until it is told of, and the variables by which its descendants are known.
    """

    channel: Channel
    process: subprocess.Popen[bytes]
    attempts: dict[str, tuple[int, tuple[bytes, ...]]] = field(default_factory=dict)
    environment: tuple[int, dict[str, str]] | None = None

    def start(self, process: JobProcess) -> None:
        """Raises OSError when the supervisor is gone, ValueError for what cannot be sent."""
        places = str(process.cwd), str(process.log)
        # First: its news may come before this returns.
        self.attempts[process.key] = 0, marks(process.environment)
        try:
            environment = self._environment(process.environment)
            self.channel.send(("start", process.key, process.argv, *environment, *places, process.memory_limit * MIB))
        except (OSError, ValueError):
            del self.attempts[process.key]
            raise

    def _environment(self, environment: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        """The children of an array differ in a few variables: the rest is sent once."""
        number = 0
        if self.environment is not None:
            number, base = self.environment
            changes = {name: value for name, value in environment.items() if base.get(name) != value}
            if len(changes) <= MAX_CHANGES and len(base.keys() | changes.keys()) == len(environment):
                return number, changes
        self.environment = number + 1, dict(environment)
        self.channel.send(("environment", *self.environment))
        return number + 1, {}


class ProcessExecutor:
    """An executor of commands. One supervisor serves it, started with the first attempt and again after an accident."""

    name = "process"

    def __init__(self) -> None:
        # Held while sending only: the reader must never wait for a sender that waits for it.
        self._sending = threading.Lock()
        self._supervised: Supervised | None = None
        self._reader: threading.Thread | None = None
        self._closing = False
        self._at_end: Message | None = None

    def open(self, instance: Instance, events: Events) -> None:
        self._instance = instance
        self._events = events

    def accepts(self, process: JobProcess) -> bool:
        return bool(process.argv)

    def start(self, process: JobProcess) -> None:
        try:
            if process.scratch is not None:
                private_folders.make(process.scratch)
            with self._sending:
                supervised = self._supervised or self._start_supervisor()
                try:
                    supervised.start(process)
                except (BrokenPipeError, ConnectionResetError):
                    # It was killed, and its reader has not heard of that yet: this attempt never reached it.
                    self._start_supervisor().start(process)
        except (OSError, ValueError) as error:
            self._events(CannotStart(process.key, str(error), time.time()))

    def signal(self, key: str, number: int) -> None:
        with self._sending, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if self._supervised is not None and key in self._supervised.attempts:
                self._supervised.channel.send(("signal", key, int(number)))

    def end_left_behind(self, name: str, directory: Path) -> None:
        """Nothing: the system ends a supervisor's processes with it."""

    def at_end(self, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Has the supervisor run a command when this process has gone, before the instance can be taken over.

        Raises OSError. An empty command takes it back.
        """
        with self._sending:
            self._at_end = ("at_end", tuple(argv), dict(environment), str(log)) if argv else None
            if self._supervised is not None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self._supervised.channel.send(self._at_end or ("at_end", (), {}, ""))
            elif argv:
                self._start_supervisor()

    def close(self) -> None:
        with self._sending:
            supervised, reader = self._supervised, self._reader
            self._closing = True
        if supervised is None or reader is None:
            return
        with contextlib.suppress(OSError):
            supervised.channel.link.shutdown(socket.SHUT_WR)
        reader.join(timeout=2 * KILL_TIMEOUT)
        try:
            supervised.process.wait(timeout=KILL_TIMEOUT)
        except subprocess.TimeoutExpired:
            supervised.process.kill()
        supervised.channel.close()

    def _start_supervisor(self) -> Supervised:
        mine, theirs = socket.socketpair()
        inherited = [theirs.fileno(), self._instance.lock]
        with theirs:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-ISB", STARTER, "executors.supervisor"),
                    *(str(theirs.fileno()), str(self._instance.journal), str(self._instance.lock)),
                ],
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._supervised = supervised = Supervised(Channel(mine), process)
        self._reader = threading.Thread(target=self._read, args=(supervised,), name="awsbatch-process", daemon=True)
        self._reader.start()
        if self._at_end is not None:
            supervised.channel.send(self._at_end)
        return supervised

    def _read(self, supervised: Supervised) -> None:
        while (messages := supervised.channel.receive()) is not None:
            for message in messages:
                self._take(supervised, *message)
        self._forget(supervised)

    def _take(self, supervised: Supervised, name: str, key: str, *rest: Any) -> None:
        event: Event
        if name == "started":
            pid, at = rest
            supervised.attempts[key] = pid, supervised.attempts[key][1]
            event = Started(key, pid, at)
        else:
            del supervised.attempts[key]
            if name == "exited":
                code, out_of_memory, at, peak, cpu = rest
                event = Exited(key, code, at, out_of_memory, peak, cpu)
            else:
                message, at = rest
                event = CannotStart(key, message, at)
        self._events(event)

    def _forget(self, supervised: Supervised) -> None:
        """The supervisor has ended. Not in order, if attempts still ran: then they are ended here."""
        with self._sending:
            left, supervised.attempts = supervised.attempts, {}
            if self._supervised is supervised and not self._closing:
                self._supervised = None
            if not self._closing:
                supervised.channel.close()
                if self._at_end is not None and self._supervised is None:
                    with contextlib.suppress(OSError):
                        self._start_supervisor()
        supervised.process.wait()
        for pid, _ in left.values():
            if pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
        if left:
            kill_marked([trace for _, trace in left.values() if trace])
        for key in left:
            message = f"the supervisor of the attempt ended with {supervised.process.returncode}"
            self._events(Lost(key, message, time.time()))


def kill_marked(traces: Sequence[tuple[bytes, ...]]) -> None:
    """Kills every process of this machine that has the variables of one of these attempts, however it got away."""
    until = time.monotonic() + KILL_TIMEOUT
    while time.monotonic() < until:
        # A dead one that nobody has reaped shows no environment.
        found = [
            int(entry.name)
            for entry in Path("/proc").glob("[0-9]*")
            if any(environment_has(int(entry.name), trace) for trace in traces)
        ]
        if not found:
            return
        for pid in found:
            kill(pid, signal.SIGKILL, group=False)
        time.sleep(0.01)


def marks(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """The variables by which a process is known to belong to an attempt, whatever session it is in."""
    names = (wire.AWS_JOB_ID, wire.AWS_JOB_ATTEMPT)
    return tuple(f"{name}={environment[name]}".encode() for name in names if name in environment)
