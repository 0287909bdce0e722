"""One zygote as the executor sees it: what it was started for, what it waits for, what runs in it."""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator import zygote as package
from flytekitplugins.awsbatch.batch.emulator.executors.protocol import JobProcess
from flytekitplugins.awsbatch.batch.emulator.executors.warm_plan import Hook, WarmPlan
from flytekitplugins.awsbatch.batch.emulator.zygote.channel import Channel

AWS_PREFIX = "AWS_BATCH_"
MIB = 2**20


class State(enum.Enum):
    STARTING = "starting"
    READY = "ready"
    REFUSED = "refused"
    ENDED = "ended"


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


def shared_environment(plan: WarmPlan, environment: Mapping[str, str]) -> dict[str, str]:
    """What a zygote may know of a job's environment: all that is not an attempt's own."""
    withheld = (AWS_PREFIX, *plan.withheld)
    return {name: value for name, value in environment.items() if not name.startswith(withheld)}


def identity(plan: WarmPlan, process: JobProcess, shared: Mapping[str, str]) -> Identity:
    return Identity(
        interpreter=plan.interpreter,
        cwd=None if process.scratch == process.cwd else process.cwd,
        scripts=str(Path(plan.script).parent),
        preload=plan.preload,
        install=plan.install,
        environment=frozenset(shared.items()),
    )


def with_python_path(environment: Mapping[str, str], directories: tuple[str, ...], cwd: Path) -> dict[str, str]:
    """PYTHONPATH with the plan's directories, those that are relative below `cwd`, as its last entries."""
    if not directories:
        return dict(environment)
    entries = [entry for entry in (environment.get("PYTHONPATH"),) if entry is not None]
    entries += [os.path.realpath(cwd / Path(directory).expanduser()) for directory in directories]
    return {**environment, "PYTHONPATH": os.pathsep.join(entries)}


class Zygote:
    """Its methods are called under the executor's lock, `flush` outside of it."""

    def __init__(self, name: str, plan: WarmPlan, shared: Mapping[str, str], cwd: Path, scratch: Path | None) -> None:
        self.name = name
        self.plan = plan
        self.cwd = cwd
        self.scratch = scratch
        self.environment = with_python_path(shared, plan.python_path, cwd)
        self.state = State.STARTING
        self.reason = ""
        self.reads: frozenset[str] = frozenset()
        self.channel: Channel | None = None
        self.waiting: dict[str, tuple[JobProcess, WarmPlan]] = {}
        self.running: dict[str, JobProcess] = {}
        self._outbox: list[tuple[Any, ...]] = []
        self._sending = threading.Lock()
        self._kinds: dict[tuple[Any, ...], int] = {}

    def process(self, directory: Path, socket_name: str, journal: Path) -> JobProcess:
        """What the fallback executor is asked to start. It is known by its own job id, should it leave anything
        behind.
        """
        script = str(Path(package.__file__).parent / "__main__.py")
        return JobProcess(
            key=self.name,
            argv=(self.plan.interpreter, script, str(directory), socket_name, self.name, str(journal)),
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
            (AWS_PREFIX, *plan.withheld),
            plan.preload,
            tuple(map(plain, plan.settle)),
            None if plan.install is None else plain(plan.install),
        )

    def add(self, process: JobProcess, plan: WarmPlan) -> None:
        """Puts a start in the outbox."""
        kind = self._kind(plan)
        job = with_python_path(process.environment, plan.python_path, process.cwd)
        mine = self.environment
        changes: dict[str, str | None] = {name: value for name, value in job.items() if mine.get(name) != value}
        changes.update({name: None for name in mine if name not in job})
        self.running[process.key] = process
        self._outbox.append(
            ("start", process.key, kind, changes, str(process.cwd), str(process.log), process.memory_limit * MIB)
        )

    def _kind(self, plan: WarmPlan) -> int:
        values = (plan.script, plan.arguments, tuple(map(plain, plan.prepare)), self._copied(plan))
        number = self._kinds.get(values)
        if number is None:
            number = self._kinds[values] = len(self._kinds)
            self._outbox.append(("kind", number, *values))
        return number

    def _copied(self, plan: WarmPlan) -> tuple[str, ...]:
        """What was installed into the zygote's scratch directory, each attempt has in its own."""
        if self.scratch is None or plan.install is None:
            return ()
        return tuple(each for each in plan.python_path if not Path(each).expanduser().is_absolute())

    def add_signal(self, key: str, number: int) -> None:
        self._outbox.append(("signal", key, int(number)))

    def flush(self) -> None:
        """Sends what is in the outbox. That the other end is gone, the reader finds out."""
        with self._sending:
            messages, self._outbox = self._outbox, []
            if messages and self.channel is not None:
                try:
                    self.channel.send(*messages)
                except OSError:
                    return


def plain(hook: Hook) -> tuple[str, tuple[str, ...]]:
    return hook.target, hook.arguments
