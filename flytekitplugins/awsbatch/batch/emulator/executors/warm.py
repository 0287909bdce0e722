"""Forks the attempts of Python commands from an interpreter that has imported what they need, and gives everything
else, and everything that cannot be forked safely, to another executor. What a process sees is what it would see
started from nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from flytekitplugins.awsbatch.batch.emulator.executors.protocol import (
    CannotStart,
    Event,
    Events,
    Executor,
    Exited,
    JobProcess,
    Lost,
    Started,
)
from flytekitplugins.awsbatch.batch.emulator.executors.warm_plan import Planner, WarmPlan
from flytekitplugins.awsbatch.batch.emulator.executors.warm_zygote import (
    Identity,
    State,
    Zygote,
    identity,
    shared_environment,
)
from flytekitplugins.awsbatch.batch.emulator.instance import Instance
from flytekitplugins.awsbatch.batch.emulator.zygote.channel import Channel, Message

SOCKET = "warm"
# Each holds about 100 MB; one that nothing runs in makes room for a new one.
MOST_ZYGOTES = 4
# Zygotes of one kind that ended after they were ready, before the kind goes to the fallback.
MOST_ACCIDENTS = 3
PATIENCE = 15.0

logger = logging.getLogger(__name__)


class WarmExecutor:
    """An executor in front of another. Linux; elsewhere everything goes to the other."""

    name = "warm"

    def __init__(self, planner: Planner, fallback: Executor, *, warn: Callable[[str], None] = logger.warning) -> None:
        self._planner = planner
        self._fallback = fallback
        self._warn = warn
        self._lock = threading.RLock()
        self._zygotes: dict[Identity, Zygote] = {}
        self._by_name: dict[str, Zygote] = {}
        self._owners: dict[str, Zygote] = {}
        self._accidents: dict[Identity, int] = {}
        self._warned: set[str] = set()
        self._reader: threading.Thread | None = None
        self._closing = False

    def open(self, instance: Instance, events: Events) -> None:
        self._instance = instance
        self._events = events
        self._fallback.open(instance, self._fallback_event)

    def accepts(self, process: JobProcess) -> bool:
        return self._fallback.accepts(process)

    def expect(self, process: JobProcess) -> None:
        """Starts the interpreter for such processes, so that it is there when the first one comes."""
        plan = self._plan(process)
        if plan is not None:
            self._zygote(process, plan)

    def start(self, process: JobProcess) -> None:
        plan = self._plan(process)
        zygote = None if plan is None else self._zygote(process, plan)
        if plan is None or zygote is None:
            self._fallback.start(process)
            return
        if process.scratch is not None:
            try:
                process.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                self._events(CannotStart(process.key, str(error), time.time()))
                return
        with self._lock:
            if zygote.state is State.STARTING:
                self._owners[process.key] = zygote
                zygote.waiting[process.key] = (process, plan)
                return
            reason = self._unfit(zygote, process)
            if not reason:
                self._owners[process.key] = zygote
                zygote.add(process, plan)
        if reason:
            self._decline(process, reason)
        else:
            zygote.flush()

    def signal(self, key: str, number: int) -> None:
        with self._lock:
            zygote = self._owners.get(key)
            if zygote is None:
                self._fallback.signal(key, number)
                return
            waiting = zygote.waiting.pop(key, None)
            if waiting is not None:
                del self._owners[key]
            else:
                zygote.add_signal(key, number)
        if waiting is not None:
            self._events(Exited(key, 128 + int(number), time.time()))
        else:
            zygote.flush()

    def close(self) -> None:
        with self._lock:
            self._closing = True
            zygotes = list(self._by_name.values())
            for zygote in zygotes:
                if zygote.channel is not None:
                    with contextlib.suppress(OSError):
                        zygote.channel.link.shutdown(socket.SHUT_WR)
        if self._reader is not None:
            self._wake()
            if all(zygote.channel is not None for zygote in zygotes):
                self._reader.join(PATIENCE)
        self._fallback.close()
        if self._reader is not None:
            self._reader.join(PATIENCE)

    def _plan(self, process: JobProcess) -> WarmPlan | None:
        return self._planner(process) if sys.platform.startswith("linux") else None

    def _zygote(self, process: JobProcess, plan: WarmPlan) -> Zygote | None:
        """The one for a process, started when there is none; None when that kind is refused."""
        shared = shared_environment(plan, process.environment)
        which = identity(plan, process, shared)
        with self._lock:
            zygote = self._zygotes.get(which)
            if zygote is not None and zygote.state is not State.ENDED:
                return None if zygote.state is State.REFUSED else zygote
            if self._accidents.get(which, 0) >= MOST_ACCIDENTS:
                return None
            self._make_room()
            number = len(self._by_name) + 1
            name = f"zygote-{self._instance.name}-{number}"
            scratch = self._instance.directory / f"{SOCKET}-{number}" if which.cwd is None else None
            zygote = Zygote(name, plan, shared, which.cwd or scratch or process.cwd, scratch)
            self._zygotes[which] = self._by_name[name] = zygote
            if self._reader is None:
                self._listen()
        self._fallback.start(zygote.process(self._instance.directory, SOCKET, self._instance.journal))
        return zygote

    def _make_room(self) -> None:
        alive = [each for each in self._zygotes.items() if each[1].state in (State.STARTING, State.READY)]
        for which, zygote in alive[: max(0, len(alive) + 1 - MOST_ZYGOTES)]:
            if zygote.state is State.READY and not zygote.running and zygote.channel is not None:
                del self._zygotes[which]
                with contextlib.suppress(OSError):
                    zygote.channel.link.shutdown(socket.SHUT_WR)

    def _unfit(self, zygote: Zygote, process: JobProcess) -> str:
        """Why a process cannot come out of a zygote after all."""
        if zygote.state is not State.READY:
            return zygote.reason
        asked = sorted(zygote.reads & process.environment.keys())
        return f"an import reads {', '.join(asked)}, which differs between attempts" if asked else ""

    def _decline(self, process: JobProcess, reason: str) -> None:
        line = f"{Path(process.argv[0]).name} is started anew for each attempt: {reason}"
        if line not in self._warned:
            self._warned.add(line)
            self._warn(line)
        self._fallback.start(process)

    # Below: the reader's thread.

    def _listen(self) -> None:
        listening = socket.socket(socket.AF_UNIX)
        reach = os.open(self._instance.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # A socket's path has at most 107 bytes, a home's may have more.
            listening.bind(f"/proc/self/fd/{reach}/{SOCKET}")
        finally:
            os.close(reach)
        listening.listen(64)
        awake, self._waker = socket.socketpair()
        self._reader = threading.Thread(target=self._read, args=(listening, awake), name="awsbatch-warm", daemon=True)
        self._reader.start()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b"x")

    def _read(self, listening: socket.socket, awake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, listening, awake:
            selector.register(listening, selectors.EVENT_READ)
            selector.register(awake, selectors.EVENT_READ)
            links = 0
            while links or not self._closing:
                for key, _ in selector.select():
                    if key.fileobj is awake:
                        awake.recv(64)
                    elif key.fileobj is listening:
                        link, _ = listening.accept()
                        selector.register(link, selectors.EVENT_READ, [Channel(link), None])
                        links += 1
                    else:
                        links -= self._hear(selector, key.data)

    def _hear(self, selector: selectors.BaseSelector, link: list[object]) -> bool:
        """Takes what came over one link; whether that was its end."""
        channel, zygote = link
        assert isinstance(channel, Channel)
        messages = channel.receive()
        if messages is None:
            selector.unregister(channel.link)
            channel.close()
            if isinstance(zygote, Zygote):
                self._ended(zygote)
            return True
        for message in messages:
            if isinstance(zygote, Zygote):
                self._take(zygote, message)
            else:
                link[1] = zygote = self._greet(channel, message)
        return False

    def _greet(self, channel: Channel, message: Message) -> Zygote | None:
        name, who = message
        with self._lock:
            zygote = self._by_name.get(who) if name == "hello" else None
            if zygote is None:
                return None
            zygote.channel = channel
            if self._closing:
                channel.link.shutdown(socket.SHUT_WR)
            else:
                channel.send(zygote.preload_message())
        return zygote

    def _take(self, zygote: Zygote, message: Message) -> None:
        name, *rest = message
        event: Event
        if name == "ready":
            self._ready(zygote, frozenset(rest[0]))
            return
        if name == "refused":
            zygote.reason = rest[0]
            self._give_up(zygote, State.REFUSED)
            return
        key = rest[0]
        if name == "started":
            event = Started(*rest)
        else:
            with self._lock:
                process = zygote.running.pop(key)
                self._owners.pop(key, None)
            if name == "declined":
                self._decline(process, rest[1])
                return
            if name == "exited":
                _, code, out_of_memory, at = rest
                event = Exited(key, code, at, out_of_memory)
            else:
                event = CannotStart(*rest)
        self._events(event)

    def _ready(self, zygote: Zygote, reads: frozenset[str]) -> None:
        unfit: list[tuple[JobProcess, str]] = []
        with self._lock:
            zygote.state = State.READY
            zygote.reads = reads
            waiting, zygote.waiting = zygote.waiting, {}
            for key, (process, plan) in waiting.items():
                reason = self._unfit(zygote, process)
                if reason:
                    del self._owners[key]
                    unfit.append((process, reason))
                else:
                    zygote.add(process, plan)
        zygote.flush()
        for process, reason in unfit:
            self._decline(process, reason)

    def _give_up(self, zygote: Zygote, state: State) -> None:
        """Before it was ready: those who waited go to the fallback."""
        with self._lock:
            zygote.state = state
            waiting, zygote.waiting = zygote.waiting, {}
            for key in waiting:
                del self._owners[key]
            closing = self._closing
        for process, _ in waiting.values():
            if closing:
                self._events(Exited(process.key, 128 + 9, time.time()))
            else:
                self._decline(process, zygote.reason)

    def _ended(self, zygote: Zygote) -> None:
        if zygote.state is State.STARTING:
            zygote.reason = zygote.reason or "the interpreter ended while it imported"
            self._give_up(zygote, State.REFUSED)
            return
        with self._lock:
            if zygote.state is State.READY:
                zygote.state = State.ENDED
            lost, zygote.running = zygote.running, {}
            for key in lost:
                self._owners.pop(key, None)
            if lost and not self._closing:
                for which, each in self._zygotes.items():
                    if each is zygote:
                        self._accidents[which] = self._accidents.get(which, 0) + 1
        for key in lost:
            self._events(Lost(key, f"the interpreter that it was forked from ended ({zygote.name})", time.time()))

    def _fallback_event(self, event: Event) -> None:
        """The fallback runs the zygotes too, and tells how they end."""
        zygote = self._by_name.get(event.key)
        if zygote is None:
            self._events(event)
        elif isinstance(event, Exited | CannotStart | Lost):
            if isinstance(event, CannotStart):
                zygote.reason = event.message
            # One that has a link is done with when everything that it said has been heard.
            if zygote.channel is None:
                self._ended(zygote)
