"""One zygote as the executor sees it: what it was started for, what it waits for, what runs in it."""

from __future__ import annotations

import contextlib
import enum
import functools
import os
import socket
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator.execution.channel import Channel
from flytekitplugins.awsbatch.batch.emulator.execution.executors.process import STARTER
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import JobProcess
from flytekitplugins.awsbatch.batch.emulator.execution.executors.warm_plan import Hook, WarmPlan

AWS_PREFIX = "AWS_BATCH_"
PYTHONPATH = "PYTHONPATH"
MIB = 2**20
# Jobs of which it is kept what their attempts have in common.
REMEMBERED = 64


class State(enum.Enum):
    STARTING = "starting"
    READY = "ready"
    REFUSED = "refused"
    ENDED = "ended"


class Fit(enum.Enum):
    """Whether a process can come out of a zygote: yes, out of another of its kind, or out of none."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    NOWHERE = "nowhere"


# Variables that each attempt has its own value of.
OWN = (AWS_PREFIX, "TMPDIR")


@dataclass(frozen=True)
class Identity:
    """What two attempts must have in common to be forked from one interpreter.

    :param cwd: None for a scratch directory.
    """

    interpreter: str
    cwd: Path | None
    scripts: str
    preload: tuple[str, ...]
    install: Hook | None
    environment: frozenset[tuple[str, str]]


def identity(plan: WarmPlan, process: JobProcess) -> Identity:
    own = (*OWN, *plan.withheld)
    return Identity(
        interpreter=plan.interpreter,
        cwd=None if process.scratch == process.cwd else process.cwd,
        scripts=os.path.dirname(plan.script),  # noqa: PTH120 - for every attempt
        preload=plan.preload,
        install=plan.install,
        environment=frozenset(item for item in process.environment.items() if not item[0].startswith(own)),
    )


def with_python_path(environment: Mapping[str, str], directories: tuple[str, ...], cwd: Path) -> Mapping[str, str]:
    """PYTHONPATH with the plan's directories, those that are relative below `cwd`, as its last entries."""
    if not directories:
        return environment
    entries = [entry for entry in (environment.get(PYTHONPATH),) if entry is not None]
    entries += [os.path.realpath(cwd / Path(directory).expanduser()) for directory in directories]
    return {**environment, PYTHONPATH: os.pathsep.join(entries)}


def only(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name]} if name in environment else {}


@functools.lru_cache
def relative(directories: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in directories if not Path(each).expanduser().is_absolute())


class Zygote:
    """Its methods are called under the executor's lock, `flush` outside of it."""

    def __init__(self, name: str, plan: WarmPlan, process: JobProcess, scratch: Path | None, isolation: str) -> None:
        self.name = name
        self.isolation = isolation
        self.plan = plan
        self.scratch = scratch
        self.cwd = scratch or process.cwd
        shared = {name: value for name, value in process.environment.items() if not name.startswith(AWS_PREFIX)}
        # Not the attempt's: the interpreter outlives it.
        shared |= only("TMPDIR", process.shared or {})
        self.environment = with_python_path(shared, plan.python_path, self.cwd)
        self.state = State.STARTING
        self.reason = ""
        self.reads: frozenset[str] = frozenset()
        self.channel: Channel | None = None
        self.waiting: dict[str, tuple[JobProcess, WarmPlan]] = {}
        self.running: dict[str, JobProcess] = {}
        self._outbox: deque[tuple[Any, ...]] = deque()
        self._sending = threading.Lock()
        self._kinds: dict[tuple[Any, ...], int] = {}
        self._known: dict[tuple[int, int], tuple[WarmPlan, Mapping[str, str], int]] = {}

    def process(self, directory: Path, socket_name: str, journal: Path) -> JobProcess:
        """What the fallback executor is asked to start. Known by a job id of its own, should it leave anything."""
        return JobProcess(
            key=self.name,
            argv=(
                *(self.plan.interpreter, STARTER, "interpreter.serve"),
                *(str(directory), socket_name, self.name, str(journal)),
            ),
            environment={**self.environment, wire.AWS_JOB_ID: self.name},
            cwd=self.cwd,
            log=directory / f"{self.name}.log",
            scratch=self.scratch,
        )

    def preload_message(self) -> tuple[Any, ...]:
        plan = self.plan
        return (
            "preload",
            plan.script,
            plan.arguments,
            AWS_PREFIX,
            plan.withheld,
            plan.harmless,
            plan.preload,
            tuple(map(plain, plan.settle)),
            None if plan.install is None else plain(plan.install),
            self.isolation,
        )

    def fit(self, process: JobProcess) -> tuple[Fit, str]:
        """With a reason, unless it is here."""
        if self.state is State.REFUSED:
            return Fit.NOWHERE, self.reason
        if not self.reads:
            return Fit.HERE, ""
        other = [name for name in self.reads if process.environment.get(name) != self.environment.get(name)]
        never = sorted(name for name in other if name.startswith(AWS_PREFIX))
        if never:
            return Fit.NOWHERE, f"an import reads {', '.join(never)}, which differs between attempts"
        return (Fit.ELSEWHERE if other else Fit.HERE), ""

    def add(self, process: JobProcess, plan: WarmPlan) -> None:
        """Puts a start in the outbox."""
        own = {name: value for name, value in process.environment.items() if name.startswith(OWN)}
        if self._in_scratch(plan):
            # Each attempt has the code in its own scratch directory.
            own.update(with_python_path(only(PYTHONPATH, process.environment), plan.python_path, process.cwd))
        self.running[process.key] = process
        kind = self._kind_of(process, plan)
        self._outbox.append(
            ("start", process.key, kind, own, str(process.cwd), str(process.log), process.memory_limit * MIB)
        )

    def _kind_of(self, process: JobProcess, plan: WarmPlan) -> int:
        shared = process.shared
        if shared is None:
            return self._kind(plan, self._differences(process.environment, plan))
        # Kept with what they are the numbers of: those mean nothing once it is gone.
        known = self._known.get((id(plan), id(shared)))
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            number = self._kind(plan, self._differences(shared, plan))
            known = self._known[id(plan), id(shared)] = plan, shared, number
        return known[2]

    def _differences(self, environment: Mapping[str, str], plan: WarmPlan) -> dict[str, str | None]:
        """From the zygote's own; None for what is not there. Without what belongs to an attempt."""
        mine = self.environment
        job = environment if self._in_scratch(plan) else with_python_path(environment, plan.python_path, self.cwd)
        found: dict[str, str | None] = {
            name: value for name, value in job.items() if mine.get(name) != value and not name.startswith(OWN)
        }
        found.update({name: None for name in mine if name not in job})
        return found

    def _kind(self, plan: WarmPlan, environment: dict[str, str | None]) -> int:
        which = (plan.script, plan.arguments, plan.prepare, tuple(environment.items()))
        number = self._kinds.get(which)
        if number is None:
            number = self._kinds[which] = len(self._kinds)
            prepare = tuple(map(plain, plan.prepare))
            self._outbox.append(("kind", number, plan.script, plan.arguments, prepare, environment, self._copied(plan)))
        return number

    def _copied(self, plan: WarmPlan) -> tuple[str, ...]:
        """What was installed into the zygote's scratch directory, each attempt has in its own."""
        return relative(plan.python_path) if self._in_scratch(plan) else ()

    def _in_scratch(self, plan: WarmPlan) -> bool:
        return self.scratch is not None and plan.install is not None and bool(relative(plan.python_path))

    def add_signal(self, key: str, number: int) -> None:
        self._outbox.append(("signal", key, int(number)))

    def flush(self) -> None:
        """Sends what is in the outbox. That the other end is gone, the reader finds out."""
        with self._sending:
            messages = []
            # What another thread adds meanwhile is taken now or by its own call, and never left in a list let go of.
            with contextlib.suppress(IndexError):
                while True:
                    messages.append(self._outbox.popleft())
            if messages and self.channel is not None:
                with contextlib.suppress(OSError):
                    self.channel.send(*messages)

    def end(self) -> None:
        """Asks it to kill what runs in it and to end."""
        if self.channel is not None:
            with contextlib.suppress(OSError):
                self.channel.link.shutdown(socket.SHUT_WR)


def plain(hook: Hook) -> tuple[str, tuple[str, ...]]:
    return hook.target, hook.arguments
