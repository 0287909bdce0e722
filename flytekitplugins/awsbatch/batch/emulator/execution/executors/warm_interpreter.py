"""One warm interpreter as the executors of this process see it: what it was started for, what its imports depended on,
which services use it, what runs in it.
"""

from __future__ import annotations

import contextlib
import enum
import itertools
import os
import socket
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flytekitplugins.awsbatch import wire

from ..... import machine_time
from ..channel import Channel
from .import_inputs import ImportInputs, is_imported_at_start
from .protocol import JobProcess
from .supervision import MIB, STARTER, Lease
from .warm_plan import AWS_PREFIX, OWN, PreloadHook, WarmPlan

if TYPE_CHECKING:
    from .warm import WarmExecutor

PYTHONPATH = "PYTHONPATH"
# For how many jobs an interpreter keeps what their attempts have in common.
REMEMBERED = 64


class InterpreterState(enum.Enum):
    STARTING = "starting"
    READY = "ready"
    REFUSED = "refused"
    ENDED = "ended"


@dataclass(frozen=True)
class InterpreterIdentity:
    """What two attempts must have in common to be forked from one interpreter, before it is known what its imports
    depend on.

    :param cwd: None for a scratch directory.
    :param service: the number of its lease, where the directory or the code is of no use to another service.
    """

    interpreter: str
    cwd: Path | None
    scripts: str
    preload: tuple[str, ...]
    sources: tuple[tuple[str, int, int], ...]
    install: PreloadHook | None
    isolation: str
    service: int | None


def interpreter_identity(plan: WarmPlan, process: JobProcess, isolation: str, lease: Lease) -> InterpreterIdentity:
    in_scratch = process.scratch == process.cwd
    return InterpreterIdentity(
        interpreter=plan.interpreter,
        cwd=None if in_scratch else process.cwd,
        scripts=os.path.dirname(plan.script),  # noqa: PTH120 - for every attempt
        preload=plan.preload,
        sources=plan.sources,
        install=plan.install,
        isolation=isolation,
        service=lease.number if in_scratch or plan.install is not None else None,
    )


def common_interpreter_identity(plan: WarmPlan, cwd: Path) -> InterpreterIdentity:
    """The identity of an interpreter that can become any one in this directory which imports more than the plan
    says."""
    scripts = os.path.dirname(plan.script)  # noqa: PTH120 - as above
    return InterpreterIdentity(plan.interpreter, cwd, scripts, plan.preload, plan.sources, None, "", None)


def _with_python_path(environment: Mapping[str, str], plan: WarmPlan, cwd: Path) -> Mapping[str, str]:
    """PYTHONPATH with the plan's directories, those that are relative below `cwd`, as its last entries."""
    if not plan.python_path:
        return environment
    entries = [entry for entry in (environment.get(PYTHONPATH),) if entry is not None]
    entries += [os.path.realpath(cwd / Path(directory).expanduser()) for directory in plan.python_path]
    return {**environment, PYTHONPATH: os.pathsep.join(entries)}


def _interpreter_python_path(environment: Mapping[str, str]) -> tuple[str, ...]:
    value = environment.get(PYTHONPATH)
    return tuple(value.split(os.pathsep)) if value else ()


class WarmInterpreter:
    """Its methods are called under the lock of all interpreters, `flush` outside of it.

    :param environment: the variables that its imports see.
    :param other_end: of its channel, for its process.
    :ivar uses: by the numbers of the services' leases.
    :ivar inputs: known when it is ready.
    :ivar ended: set when it has ended.
    """

    def __init__(
        self,
        name: str,
        which: InterpreterIdentity,
        plan: WarmPlan,
        environment: Mapping[str, str],
        cwd: Path,
        channel: Channel,
        other_end: socket.socket,
    ) -> None:
        self.name = name
        self.identity = which
        self.plan = plan
        self.cwd = cwd
        self.environment = _with_python_path(environment, plan, cwd)
        # Whether its import path must be set from its first moment, and stays as it is.
        self.is_fixed = plan.install is not None or is_imported_at_start(_interpreter_python_path(self.environment))
        self.state = InterpreterState.STARTING
        self.reason = ""
        self.inputs: ImportInputs | None = None
        self.channel = channel
        self.other_end = other_end
        self.uses: dict[int, InterpreterUse] = {}
        self.last_used = machine_time.monotonic()
        self.ended = threading.Event()
        self.setup_numbers = itertools.count(1)
        self._outbox: deque[tuple[Any, ...]] = deque()
        self._sending = threading.Lock()

    @property
    def is_interpreter_idle(self) -> bool:
        return not any(use.running or use.waiting for use in self.uses.values())

    def process_to_start(self, directory: Path) -> JobProcess:
        """The command for the supervisor. A job id of its own marks what it may leave behind.

        :param directory: for its log and its temporary files.
        """
        environment = {**self.environment, wire.AWS_JOB_ID: self.name, "TMPDIR": str(directory)}
        if not self.is_fixed:
            environment.pop(PYTHONPATH, None)
        return JobProcess(
            key=self.name,
            argv=(self.plan.interpreter, STARTER, "interpreter.fork_server"),
            environment=environment,
            shared=environment,
            cwd=self.cwd,
            log=directory / f"{self.name}.log",
        )

    def begin(self) -> None:
        """Puts the imports in the outbox."""
        plan = self.plan
        path = None if self.is_fixed else _interpreter_python_path(self.environment)
        self.put(("begin", plan.script, AWS_PREFIX, plan.harmless, path, wire.WARMING, plan.install))
        self.put(("import", *plan.preload))

    def can_become_interpreter(self, which: InterpreterIdentity) -> bool:
        """Whether what this one imports is the first part of what one for others imports."""
        mine = self.identity
        return mine == replace(
            which,
            preload=which.preload[: len(mine.preload)],
            sources=which.sources[: len(mine.sources)],
            isolation=mine.isolation,
        )

    def serve(self, which: InterpreterIdentity, plan: WarmPlan) -> None:
        """Puts the rest of the imports in the outbox; then it is ready for attempts of this kind."""
        self.put(("import", *plan.preload[len(self.identity.preload) :]))
        self.put(("serve", plan.settle, which.isolation))
        self.identity, self.plan = which, plan

    def interpreter_fits(self, process: JobProcess, plan: WarmPlan) -> tuple[bool, str]:
        """Whether a process can be forked from it; if from no other of its kind either, with the reason."""
        if self.inputs is None:
            return True, ""
        job = _with_python_path(process.environment, plan, self.cwd)
        mine = self.environment
        names = {name for name in (*job, *mine) if job.get(name) != mine.get(name)}
        never = sorted(name for name in names & self.inputs.variables if name.startswith(AWS_PREFIX))
        if never:
            return False, f"an import reads {', '.join(never)}, which differs between attempts"
        names = {name for name in names if not name.startswith(OWN)}
        if PYTHONPATH in names:
            names.discard(PYTHONPATH)
            mine_first, theirs_first = _interpreter_python_path(mine), _interpreter_python_path(job)
            if self.is_fixed or not self.inputs.imports_same_modules(mine_first, theirs_first):
                return False, ""
        return not self.inputs.imports_depend_on(names, plan), ""

    def put(self, message: tuple[Any, ...]) -> None:
        self._outbox.append(message)

    def flush(self) -> None:
        """Sends the outbox. If the other end is gone, the reader finds out."""
        with self._sending:
            messages = []
            # What another thread adds meanwhile is sent by this call or by its own, and never lost with an old list.
            while self._outbox:
                messages.append(self._outbox.popleft())
            if messages:
                with contextlib.suppress(OSError):
                    self.channel.send(*messages)

    def end(self) -> None:
        """Asks it to kill its attempts and to end."""
        with contextlib.suppress(OSError):
            self.channel.link.shutdown(socket.SHUT_WR)


class InterpreterUse:
    """A service's use of an interpreter.

    :param owner: starts the service's attempts in it.
    :ivar waiting: the attempts that start when it is ready.
    :ivar released: set when nothing of the service is left in it.
    """

    def __init__(self, interpreter: WarmInterpreter, lease: Lease, owner: WarmExecutor) -> None:
        self.interpreter = interpreter
        self.lease = lease
        self.owner = owner
        self.waiting: dict[str, JobProcess] = {}
        self.running: dict[str, JobProcess] = {}
        self.released = threading.Event()
        self._setups: dict[tuple[Any, ...], int] = {}
        self._known: dict[tuple[int, int], tuple[WarmPlan, Mapping[str, str], int]] = {}

    def start(self, process: JobProcess, plan: WarmPlan) -> None:
        """Puts a start in the interpreter's outbox."""
        interpreter = self.interpreter
        if not self._setups:
            # Its first one for this service.
            interpreter.put(("lease", self.lease.number, str(self.lease.journal)))
        own = {name: value for name, value in process.environment.items() if name.startswith(OWN)}
        if self._copied(plan):
            # Each attempt has the code in its own scratch directory.
            path = {name: value for name, value in process.environment.items() if name == PYTHONPATH}
            own.update(_with_python_path(path, plan, process.cwd))
        self.running[process.key] = process
        setup = self._setup_of(process, plan)
        places = str(process.cwd), str(process.log)
        interpreter.put(("start", process.key, setup, own, *places, process.memory_limit * MIB))

    def release(self) -> None:
        """Puts the release in the outbox; `released` is set when the interpreter has answered it."""
        if self._setups:
            self.interpreter.put(("release", self.lease.number))
        else:
            self.interpreter.uses.pop(self.lease.number, None)
            self.released.set()

    def signal(self, key: str, number: int) -> None:
        self.interpreter.put(("signal", self.lease.number, key, int(number)))

    def _setup_of(self, process: JobProcess, plan: WarmPlan) -> int:
        shared = process.shared
        # Kept together with the objects whose ids they are: an id means nothing once its object is gone.
        known = self._known.get((id(plan), id(shared)))
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[id(plan), id(shared)] = plan, shared, self._setup(shared, plan)
        return known[2]

    def _setup(self, environment: Mapping[str, str], plan: WarmPlan) -> int:
        interpreter = self.interpreter
        copied = self._copied(plan)
        job = environment if copied else _with_python_path(environment, plan, interpreter.cwd)
        changes = self._changes(job)
        which = (plan.script, plan.arguments, plan.prepare, tuple(changes.items()))
        number = self._setups.get(which)
        if number is None:
            number = self._setups[which] = next(interpreter.setup_numbers)
            said = (plan.script, plan.arguments, plan.prepare, changes, _interpreter_python_path(job), copied)
            interpreter.put(("setup", number, self.lease.number, *said, self.lease.umask))
        return number

    def _changes(self, job: Mapping[str, str]) -> dict[str, str | None]:
        """What differs from the interpreter's own variables; None for one that is missing. Without those of an
        attempt."""
        mine = self.interpreter.environment
        found: dict[str, str | None] = {
            name: value for name, value in job.items() if mine.get(name) != value and not name.startswith(OWN)
        }
        found.update({name: None for name in mine if name not in job and not name.startswith(OWN)})
        return found

    def _copied(self, plan: WarmPlan) -> tuple[str, ...]:
        """The directories of code in the interpreter's scratch directory: each attempt gets a copy in its own."""
        if self.interpreter.identity.cwd is not None or plan.install is None:
            return ()
        return tuple(each for each in plan.python_path if not Path(each).expanduser().is_absolute())
