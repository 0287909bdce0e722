"""Forks the attempts of Python commands from an interpreter that has imported what they need. Everything else, and
everything that cannot be forked safely, goes to another executor. A forked process sees what it would see if it were
started from nothing.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..... import machine_time
from ... import private_folders
from ..instance import Instance
from ..threads import begin_thread
from . import interpreters as all_interpreters
from .protocol import EVENT_OF_WORD, CannotStart, Events, Executor, Exited, JobProcess, Lost, Started
from .warm_interpreter import REMEMBERED, InterpreterIdentity, InterpreterState, InterpreterUse, interpreter_identity
from .warm_plan import Planner, WarmPlan

FORK, WORKER = "fork", "worker"
# Each holds about 70 MB.
MOST_INTERPRETERS = 4
# Interpreters of one kind that ended after they were ready, before the kind goes to the fallback; and while they
# imported.
MOST_ACCIDENTS = 3
MOST_FAILED_IMPORTS = 2
WAIT_SECONDS = 15.0

logger = logging.getLogger(__name__)


class WarmExecutor:
    """An executor in front of another. Linux; elsewhere everything goes to the other."""

    def __init__(
        self,
        planner: Planner,
        fallback: Executor,
        *,
        isolation: str = FORK,
        keep: int = MOST_INTERPRETERS,
        warn: Callable[[str], None] = logger.warning,
    ) -> None:
        """:param isolation: `fork`, one process per attempt; `worker`, processes that run many attempts each.
        :param keep: how many interpreters this process may keep for the next service when this one closes.
        :param warn: called once for each reason for which commands with a plan go to the other executor, or to an
            interpreter that imports less.
        """
        self._isolation = isolation
        self._planner = planner
        self._fallback = fallback
        self._keep = keep
        self._warn = warn
        self._accidents: dict[InterpreterIdentity, int] = {}
        self._failed_imports: dict[InterpreterIdentity, list[str]] = {}
        self._found: dict[tuple[int, int], tuple[WarmPlan, Mapping[str, str], InterpreterUse]] = {}
        self._warned: set[str] = set()
        self._scratch_number = 0
        # Threads that start what has waited for an interpreter, or what one has declined.
        self._resuming: list[threading.Thread] = []
        self._closing = False

    def open_instance(self, instance: Instance, events: Events) -> None:
        self._instance = instance
        self._events = events
        self._fallback.open_instance(instance, events)
        self._interpreters = all_interpreters.interpreters_of_this_process()
        self._lease = self._interpreters.supervision.lease(instance, events)

    def start(self, process: JobProcess) -> None:
        plan = self._planner(process) if sys.platform.startswith("linux") else None
        if plan is None:
            self._fallback.start(process)
            return
        if process.scratch is not None:
            try:
                private_folders.make_private_folder(process.scratch)
            except OSError as error:
                self._events(CannotStart(process.key, str(error), machine_time.wall()))
                return
        is_new, refused = False, ""
        with self._interpreters.lock:
            use, reason = self._find(plan, process)
            if reason and plan.otherwise is not None:
                refused, plan = reason, plan.otherwise
                use, reason = self._find(plan, process)
            if use is None and not reason:
                try:
                    use, is_new = self._new(plan, process), True
                except OSError as error:
                    reason = f"an interpreter cannot be started ({error})"
            if use is not None:
                if use.interpreter.state is InterpreterState.STARTING:
                    use.waiting[process.key] = process
                else:
                    use.start(process, plan)
        # Not under the lock: a line may take a while.
        if use is None:
            self._decline(process, reason)
            return
        self._warn_once(process, "imports its libraries in each attempt", refused)
        if is_new:
            self._interpreters.launch(use.interpreter)
        else:
            use.interpreter.flush()

    def signal(self, key: str, number: int) -> None:
        with self._interpreters.lock:
            uses = self._interpreters.interpreter_uses_of(self._lease)
            use = next((each for each in uses if key in each.running or key in each.waiting), None)
            waiting = use.waiting.pop(key, None) if use is not None else None
            if use is not None and waiting is None:
                use.signal(key, number)
        if use is None:
            self._fallback.signal(key, number)
        elif waiting is not None:
            self._events(Exited(key, 128 + int(number), machine_time.wall()))
        else:
            use.interpreter.flush()

    def end_left_behind(self, name: str, directory: Path) -> None:
        self._fallback.end_left_behind(name, directory)

    def close_instance(self) -> None:
        with self._interpreters.lock:
            self._closing = True
            uses = self._interpreters.interpreter_uses_of(self._lease)
            waiting = [key for use in uses for key in use.waiting]
            for use in uses:
                use.waiting.clear()
            resuming = list(self._resuming)
        for key in waiting:
            self._events(Exited(key, 128 + signal.SIGKILL, machine_time.wall()))
        for thread in resuming:
            thread.join(WAIT_SECONDS)
        for use in uses:
            self._interpreters.release(use, self._keep)
        self._interpreters.supervision.release(self._lease)
        self._fallback.close_instance()

    def _find(self, plan: WarmPlan, process: JobProcess) -> tuple[InterpreterUse | None, str]:
        """The interpreter for a process; or none, with a reason when there cannot be one. The same for all attempts of
        a job, as long as it lives.
        """
        which, shared = interpreter_identity(plan, process, self._isolation, self._lease), process.shared
        # The plan and the variables are kept with it: while they are, their numbers are theirs.
        known = self._found.get((id(plan), id(shared)))
        if (
            known is not None
            and known[2].interpreter.state is InterpreterState.READY
            and known[2].interpreter.identity == which
        ):
            return known[2], ""
        if self._accidents.get(which, 0) >= MOST_ACCIDENTS:
            return None, f"{MOST_ACCIDENTS} interpreters that it was forked from ended"
        failed = self._failed_imports.get(which, [])
        if len(failed) >= MOST_FAILED_IMPORTS:
            return None, failed[-1]
        interpreter, reason = self._interpreters.find(which, process, plan)
        if interpreter is None:
            return None, reason
        use = self._interpreters.use_interpreter(interpreter, self._lease, self)
        if len(self._found) >= REMEMBERED:
            self._found.clear()
        self._found[id(plan), id(shared)] = plan, shared, use
        return use, ""

    def _new(self, plan: WarmPlan, process: JobProcess) -> InterpreterUse:
        which = interpreter_identity(plan, process, self._isolation, self._lease)
        # One more has to fit in.
        self._interpreters.trim_interpreters(max(self._keep, 1) - 1)
        scratch = None
        if which.cwd is None:
            self._scratch_number += 1
            scratch = private_folders.make_private_folder(self._instance.directory / f"warm-{self._scratch_number}")
        interpreter = self._interpreters.add(which, plan, process, scratch)
        return self._interpreters.use_interpreter(interpreter, self._lease, self)

    def _decline(self, process: JobProcess, reason: str) -> None:
        self._warn_once(process, "is started anew for each attempt", reason)
        self._fallback.start(process)

    def _warn_once(self, process: JobProcess, what: str, reason: str) -> None:
        """Tells, unless there is no reason, why attempts begin more slowly."""
        line = f"{Path(process.argv[0]).name} {what}: {reason}"
        if reason and line not in self._warned:
            self._warned.add(line)
            self._warn(line)

    # Below: what the interpreters tell.

    def take(self, use: InterpreterUse, name: str, values: tuple[Any, ...]) -> None:
        """Takes a message about an attempt."""
        if name == "started":
            self._events(Started(*values))
            return
        with self._interpreters.lock:
            process = use.running.pop(values[0])
        if name == "declined":
            # Not here, for the same reason as below.
            self._apart(self._decline, process, values[1])
        else:
            self._events(EVENT_OF_WORD[name](*values))

    def settled(self, use: InterpreterUse) -> None:
        """Starts the attempts that waited until the interpreter was ready, or would never be: here or with the other
        executor."""
        interpreter = use.interpreter
        if interpreter.state is InterpreterState.ENDED:
            self._failed_imports.setdefault(interpreter.identity, []).append(interpreter.reason)
        waiting, use.waiting = use.waiting, {}
        if waiting:
            # A start may wait until it is read, and its reader until its news are: not a thread that reads those.
            self._apart(self._resume, list(waiting.values()))

    def _apart(self, call: Callable[..., None], *arguments: Any) -> None:
        """Calls a function on a thread of its own, for which `close_instance` waits."""
        with self._interpreters.lock:
            thread = begin_thread("awsbatch-warm-start", call, *arguments)
            if thread is not None:
                self._resuming = [*(each for each in self._resuming if each.is_alive()), thread]
        if thread is None:
            call(*arguments)

    def _resume(self, waiting: list[JobProcess]) -> None:
        for process in waiting:
            if self._closing:
                self._events(Exited(process.key, 128 + signal.SIGKILL, machine_time.wall()))
            else:
                self.start(process)

    def ended(self, use: InterpreterUse, lost: dict[str, JobProcess]) -> None:
        """:param lost: what ran in the interpreter, and has ended with it."""
        name, which = use.interpreter.name, use.interpreter.identity
        with self._interpreters.lock:
            if lost and not self._closing:
                self._accidents[which] = self._accidents.get(which, 0) + 1
        for key in lost:
            self._events(Lost(key, f"the interpreter that it was forked from ended ({name})", machine_time.wall()))
