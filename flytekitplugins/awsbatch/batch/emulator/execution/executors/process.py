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
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator import execution, private_folders
from flytekitplugins.awsbatch.batch.emulator.execution.channel import Channel
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


class ProcessExecutor:
    """An executor of commands. One supervisor serves it, started with the first attempt and again after an accident."""

    name = "process"

    def __init__(self) -> None:
        # Held while sending only: the reader must never wait for a sender that waits for it.
        self._sending = threading.Lock()
        self._channel: Channel | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        # Of what runs: the process, 0 until it is told of, and the variables by which its descendants are known.
        self._pids: dict[str, int] = {}
        self._marks: dict[str, tuple[bytes, ...]] = {}
        self._closing = False
        self._numbers = 0
        self._base: tuple[int, dict[str, str]] | None = None

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
                # Under the lock: a supervisor's end takes with it only what was given to it.
                self._marks[process.key] = marks(process.environment)
                self._pids[process.key] = 0
                channel = self._channel or self._start_supervisor()
                number, changes = self._environment(channel, process.environment)
                places = str(process.cwd), str(process.log)
                channel.send(("start", process.key, process.argv, number, changes, *places, process.memory_limit * MIB))
        except (OSError, ValueError) as error:
            self._marks.pop(process.key, None)
            if self._pids.pop(process.key, None) is not None:
                self._events(CannotStart(process.key, str(error), time.time()))

    def signal(self, key: str, number: int) -> None:
        with self._sending, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if key in self._pids and self._channel is not None:
                self._channel.send(("signal", key, int(number)))

    def close(self) -> None:
        with self._sending:
            channel, process, reader = self._channel, self._process, self._reader
            self._closing = True
        if channel is None or process is None or reader is None:
            return
        with contextlib.suppress(OSError):
            channel.link.shutdown(socket.SHUT_WR)
        reader.join(timeout=2 * KILL_TIMEOUT)
        try:
            process.wait(timeout=KILL_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
        channel.close()

    def _start_supervisor(self) -> Channel:
        mine, theirs = socket.socketpair()
        inherited = [theirs.fileno(), self._instance.lock]
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-ISB", STARTER, "executors.supervisor"),
                    *(str(theirs.fileno()), str(self._instance.journal), str(self._instance.lock)),
                ],
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._channel = channel = Channel(mine)
        self._base = None
        self._reader = threading.Thread(
            target=self._read, args=(channel, self._process), name="awsbatch-process", daemon=True
        )
        self._reader.start()
        return channel

    def _environment(self, channel: Channel, environment: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        """The children of an array differ in a few variables: the rest goes over the link once."""
        if self._base is not None:
            number, base = self._base
            changes = {name: value for name, value in environment.items() if base.get(name) != value}
            if len(changes) <= MAX_CHANGES and len(base.keys() | changes.keys()) == len(environment):
                return number, changes
        self._numbers += 1
        self._base = self._numbers, dict(environment)
        channel.send(("environment", *self._base))
        return self._numbers, {}

    def _read(self, channel: Channel, process: subprocess.Popen[bytes]) -> None:
        while (messages := channel.receive()) is not None:
            for message in messages:
                self._take(*message)
        self._forget(channel, process)

    def _take(self, name: str, key: str, *rest: Any) -> None:
        event: Event
        if name == "started":
            pid, at = rest
            self._pids[key] = pid
            event = Started(key, pid, at)
        else:
            self._pids.pop(key, None)
            self._marks.pop(key, None)
            if name == "exited":
                code, out_of_memory, at = rest
                event = Exited(key, code, at, out_of_memory)
            else:
                message, at = rest
                event = CannotStart(key, message, at)
        self._events(event)

    def _forget(self, channel: Channel, process: subprocess.Popen[bytes]) -> None:
        """The supervisor has ended. Not in order, if attempts still ran: then they are ended here."""
        with self._sending:
            left, self._pids = self._pids, {}
            traces, self._marks = self._marks, {}
            if self._channel is channel and not self._closing:
                self._channel = None
                channel.close()
        process.wait()
        for pid in left.values():
            if pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
        if left:
            kill_marked([trace for trace in traces.values() if trace])
        for key in left:
            self._events(Lost(key, f"the supervisor of the attempt ended with {process.returncode}", time.time()))


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
