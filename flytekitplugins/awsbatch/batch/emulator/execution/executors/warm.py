"""Forks the attempts of Python commands from an interpreter that has imported what they need, and gives everything
else, and everything that cannot be forked safely, to another executor. What a process sees is what it would see started
from nothing.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from flytekitplugins.awsbatch.batch.emulator import private_folders
from flytekitplugins.awsbatch.batch.emulator.execution.channel import Channel, Message
from flytekitplugins.awsbatch.batch.emulator.execution.executors.interpreter_handle import (
    REMEMBERED,
    Fit,
    Identity,
    State,
    Zygote,
    identity,
)
from flytekitplugins.awsbatch.batch.emulator.execution.executors.interpreter_links import Links
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import (
    CannotStart,
    Event,
    Events,
    Executor,
    Exited,
    JobProcess,
    Lost,
    Started,
)
from flytekitplugins.awsbatch.batch.emulator.execution.executors.warm_plan import Planner, WarmPlan
from flytekitplugins.awsbatch.batch.emulator.execution.instance import Instance

FORK, WORKER = "fork", "worker"
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

    def __init__(
        self,
        planner: Planner,
        fallback: Executor,
        *,
        isolation: str = FORK,
        warn: Callable[[str], None] = logger.warning,
    ) -> None:
        """:param isolation: `fork`, a process an attempt; `worker`, processes that run many attempts each.
        :param warn: is told, once each, why commands that were planned for are given to the other executor.
        """
        self._isolation = isolation
        self._planner = planner
        self._fallback = fallback
        self._warn = warn
        self._lock = threading.RLock()
        self._zygotes: dict[Identity, list[Zygote]] = {}
        self._by_name: dict[str, Zygote] = {}
        self._owners: dict[str, Zygote] = {}
        self._accidents: dict[Identity, int] = {}
        # Those of which an interpreter ended while it imported, and said nothing: killed, or by what it imported.
        self._cut_short: set[Identity] = set()
        self._identities: dict[tuple[int, int, bool], tuple[WarmPlan, Mapping[str, str], Identity]] = {}
        self._warned: set[str] = set()
        self._links = Links(self._greet, self._take, self._ended)
        # Threads that start what has waited for a zygote: at most one a zygote.
        self._going_on: list[threading.Thread] = []
        self._closing = False

    def open(self, instance: Instance, events: Events) -> None:
        self._instance = instance
        self._events = events
        self._fallback.open(instance, self._fallback_event)

    def accepts(self, process: JobProcess) -> bool:
        return self._fallback.accepts(process)

    def start(self, process: JobProcess) -> None:
        plan = self._plan(process)
        if plan is None:
            self._fallback.start(process)
            return
        if process.scratch is not None:
            try:
                private_folders.make(process.scratch)
            except OSError as error:
                self._events(CannotStart(process.key, str(error), time.time()))
                return
        new = False
        with self._lock:
            which = self._identity(plan, process)
            zygote, reason = self._choose(which, process)
            if zygote is None and not reason:
                try:
                    zygote = self._new(which, plan, process)
                    new = True
                except OSError as error:
                    reason = f"interpreters cannot reach this process ({error})"
            if zygote is not None:
                self._owners[process.key] = zygote
                if zygote.state is State.STARTING:
                    zygote.waiting[process.key] = (process, plan)
                else:
                    zygote.add(process, plan)
        if zygote is None:
            self._decline(process, reason)
        elif new:
            self._launch(zygote)
        else:
            zygote.flush()

    def signal(self, key: str, number: int) -> None:
        with self._lock:
            zygote = self._owners.get(key)
            waiting = zygote.waiting.pop(key, None) if zygote is not None else None
            if waiting is not None:
                del self._owners[key]
            elif zygote is not None:
                zygote.add_signal(key, number)
        if zygote is None:
            self._fallback.signal(key, number)
        elif waiting is not None:
            self._events(Exited(key, 128 + int(number), time.time()))
        else:
            zygote.flush()

    def end_left_behind(self, name: str, directory: Path) -> None:
        self._fallback.end_left_behind(name, directory)

    def close(self) -> None:
        with self._lock:
            self._closing = True
            zygotes = list(self._by_name.values())
            for zygote in zygotes:
                zygote.end()
            going_on = list(self._going_on)
        for thread in going_on:
            thread.join(PATIENCE)
        # One that has not yet come to say hello cannot be asked; it is killed with all else.
        if all(zygote.channel is not None for zygote in zygotes):
            self._links.close(PATIENCE)
        self._fallback.close()
        self._links.close(PATIENCE)

    def _plan(self, process: JobProcess) -> WarmPlan | None:
        return self._planner(process) if sys.platform.startswith("linux") else None

    def _identity(self, plan: WarmPlan, process: JobProcess) -> Identity:
        """Worked out once for all attempts of a job."""
        shared = process.shared
        if shared is None:
            return identity(plan, process)
        key = id(plan), id(shared), process.scratch == process.cwd
        known = self._identities.get(key)
        # The plan and the variables are kept with it: while they are, their numbers are theirs.
        if known is None or known[2].cwd not in (None, process.cwd):
            if len(self._identities) >= REMEMBERED:
                self._identities.clear()
            known = self._identities[key] = plan, shared, identity(plan, process)
        return known[2]

    def _choose(self, which: Identity, process: JobProcess) -> tuple[Zygote | None, str]:
        """The zygote for a process; or none, with a reason when there cannot be one."""
        for zygote in self._zygotes.get(which, ()):
            if zygote.state is State.STARTING:
                return zygote, ""
            if zygote.state is not State.ENDED:
                fit, reason = zygote.fit(process)
                if fit is not Fit.ELSEWHERE:
                    return (zygote if fit is Fit.HERE else None), reason
        if self._accidents.get(which, 0) >= MOST_ACCIDENTS:
            return None, f"{MOST_ACCIDENTS} interpreters that it was forked from ended"
        return None, ""

    def _new(self, which: Identity, plan: WarmPlan, process: JobProcess) -> Zygote:
        """Raises OSError when zygotes could not reach this process."""
        self._links.listen(self._instance.directory, SOCKET)
        self._make_room()
        number = len(self._by_name) + 1
        scratch = self._instance.directory / f"{SOCKET}-{number}" if which.cwd is None else None
        zygote = Zygote(f"zygote-{self._instance.name}-{number}", plan, process, scratch, self._isolation)
        self._zygotes.setdefault(which, []).append(zygote)
        self._by_name[zygote.name] = zygote
        return zygote

    def _launch(self, zygote: Zygote) -> None:
        self._fallback.start(zygote.process(self._instance.directory, SOCKET, self._instance.journal))

    def _make_room(self) -> None:
        alive = [each for each in self._by_name.values() if each.state in (State.STARTING, State.READY)]
        for zygote in alive[: max(0, len(alive) + 1 - MOST_ZYGOTES)]:
            if zygote.state is State.READY and not zygote.running:
                zygote.state = State.ENDED
                zygote.end()

    def _decline(self, process: JobProcess, reason: str) -> None:
        line = f"{Path(process.argv[0]).name} is started anew for each attempt: {reason}"
        if line not in self._warned:
            self._warned.add(line)
            self._warn(line)
        self._fallback.start(process)

    # Below: what the thread of the links calls.

    def _greet(self, channel: Channel, message: Message) -> Zygote | None:
        name, who = message
        with self._lock:
            zygote = self._by_name.get(who) if name == "hello" else None
            if zygote is None:
                return None
            zygote.channel = channel
            if self._closing:
                zygote.end()
            else:
                # One that has gone meanwhile is heard of by its link's end.
                with contextlib.suppress(OSError):
                    channel.send(zygote.preload_message())
        return zygote

    def _take(self, zygote: Zygote, message: Message) -> None:
        name, *rest = message
        if name == "ready":
            zygote.reads = frozenset(rest[0])
            self._settle(zygote, State.READY)
        elif name == "refused":
            zygote.reason = rest[0]
            self._settle(zygote, State.REFUSED)
        elif name == "started":
            self._events(Started(*rest))
        else:
            with self._lock:
                process = zygote.running.pop(rest[0])
                self._owners.pop(process.key, None)
            if name == "exited":
                key, code, out_of_memory, at, peak, cpu = rest
                self._events(Exited(key, code, at, out_of_memory, peak, cpu))
            elif name == "cannot":
                self._events(CannotStart(*rest))
            else:
                self._decline(process, rest[1])

    def _settle(self, zygote: Zygote, state: State) -> None:
        """It is known what becomes of a zygote: those who waited for it go on, into it or elsewhere."""
        with self._lock:
            zygote.state = state
            waiting, zygote.waiting = zygote.waiting, {}
            for key in waiting:
                self._owners.pop(key, None)
            if waiting:
                # A start may wait until it is read, and its reader until its news are: not a thread that reads those.
                going_on = threading.Thread(
                    target=self._go_on, args=(list(waiting.values()),), name="awsbatch-warm-start", daemon=True
                )
                self._going_on.append(going_on)
                going_on.start()

    def _go_on(self, waiting: list[tuple[JobProcess, WarmPlan]]) -> None:
        for process, _ in waiting:
            if self._closing:
                self._events(Exited(process.key, 128 + signal.SIGKILL, time.time()))
            else:
                self.start(process)

    def _ended(self, zygote: Zygote) -> None:
        if zygote.state is State.STARTING:
            which = self._identity_of(zygote)
            again = not zygote.reason and which not in self._cut_short
            self._cut_short.add(which)
            zygote.reason = zygote.reason or "the interpreter ended while it imported, twice"
            self._settle(zygote, State.ENDED if again else State.REFUSED)
            return
        with self._lock:
            if zygote.state is State.READY:
                zygote.state = State.ENDED
            lost, zygote.running = zygote.running, {}
            for key in lost:
                self._owners.pop(key, None)
            if lost and not self._closing:
                which = self._identity_of(zygote)
                self._accidents[which] = self._accidents.get(which, 0) + 1
        for key in lost:
            self._events(Lost(key, f"the interpreter that it was forked from ended ({zygote.name})", time.time()))

    def _identity_of(self, zygote: Zygote) -> Identity:
        with self._lock:
            return next(each for each, zygotes in self._zygotes.items() if zygote in zygotes)

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
