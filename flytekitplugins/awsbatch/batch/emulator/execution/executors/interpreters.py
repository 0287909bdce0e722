"""The warm interpreters of this process. They outlive the services that start attempts in them: the next one whose
attempts need the same finds them ready.

A few are kept, the least recently used go first. Idle ones go after a while, and when memory is short.
"""

from __future__ import annotations

import functools
import itertools
import os
import secrets
import socket
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..... import machine_time
from ..channel import Channel, Message
from . import free_memory, supervision
from .channel_reader import Link
from .import_inputs import ImportInputs
from .protocol import CannotStart, Event, JobProcess
from .supervision import Lease, Supervision
from .warm_interpreter import InterpreterIdentity, InterpreterState, InterpreterUse, WarmInterpreter
from .warm_plan import OWN, WarmPlan

if TYPE_CHECKING:
    from .warm import WarmExecutor

# Seconds after which an interpreter that nobody uses ends.
IDLE = 300.0
# Seconds between two looks at the machine's memory while there are idle interpreters.
LOOK = 10.0
# For how many interpreters the reason is kept why nothing can be forked from them.
REFUSED = 64
WAIT_SECONDS = 15.0


class Interpreters:
    """The interpreters of one process; see `interpreters_of_this_process`.

    :ivar lock: held for every change of an interpreter and its uses; never while something is sent.
    """

    def __init__(self, supervision: Supervision) -> None:
        self.lock = threading.RLock()
        self.supervision = supervision
        # The least recently used first.
        self._alive: list[WarmInterpreter] = []
        self._spare: WarmInterpreter | None = None
        self._refused: deque[WarmInterpreter] = deque(maxlen=REFUSED)
        self._numbers = itertools.count(1)
        self._next_look = 0.0
        supervision.channel_reader.tick = self._tick

    # Called under the lock.

    def find(
        self, which: InterpreterIdentity, process: JobProcess, plan: WarmPlan
    ) -> tuple[WarmInterpreter | None, str]:
        """The interpreter for a process; or none, with a reason when there cannot be one."""
        for each in (*reversed(self._alive), *self._refused):
            if each.identity != which or each is self._spare:
                continue
            if each.state is InterpreterState.REFUSED:
                if _same_variables(each.environment, process.environment, (*OWN, *plan.never_native)):
                    return None, each.reason
                continue
            fits, reason = each.interpreter_fits(process, plan)
            if fits or reason:
                return (each if fits else None), reason
        spare = self._spare
        if spare is not None and spare.can_become_interpreter(which):
            spare.serve(which, plan)
            self._spare = None
            return spare, ""
        return None, ""

    def use_interpreter(self, interpreter: WarmInterpreter, lease: Lease, owner: WarmExecutor) -> InterpreterUse:
        if interpreter in self._alive:
            self._alive.remove(interpreter)
            self._alive.append(interpreter)
        interpreter.last_used = machine_time.monotonic()
        return interpreter.uses.setdefault(lease.number, InterpreterUse(interpreter, lease, owner))

    def interpreter_uses_of(self, lease: Lease) -> list[InterpreterUse]:
        return [each.uses[lease.number] for each in self._alive if lease.number in each.uses]

    def trim_interpreters(self, most: int) -> None:
        """Ends idle interpreters until no more than so many are left, or none is idle."""
        for each in self._alive[: max(0, len(self._alive) - most)]:
            if each.is_interpreter_idle:
                self._end(each)

    def _end(self, interpreter: WarmInterpreter) -> None:
        if interpreter.state is InterpreterState.STARTING and interpreter is not self._spare:
            # An interpreter reads nothing before its imports are done.
            self.supervision.kill_supervised_interpreter(interpreter.name)
        else:
            interpreter.state = InterpreterState.ENDED
            interpreter.end()
        self._remove(interpreter)

    def _remove(self, interpreter: WarmInterpreter) -> None:
        if interpreter in self._alive:
            self._alive.remove(interpreter)
        if self._spare is interpreter:
            self._spare = None

    def add(
        self, which: InterpreterIdentity, plan: WarmPlan, process: JobProcess, scratch: Path | None
    ) -> WarmInterpreter:
        """Adds a new interpreter, which is still to be launched.

        :param scratch: its directory, where each attempt has one of its own.
        """
        variables = {name: value for name, value in process.environment.items() if not name.startswith(OWN)}
        interpreter = self._new(which, plan, variables, scratch or process.cwd)
        interpreter.serve(which, plan)
        return interpreter

    def _new(
        self, which: InterpreterIdentity, plan: WarmPlan, variables: Mapping[str, str], cwd: Path
    ) -> WarmInterpreter:
        name = f"interpreter-{os.getpid()}-{next(self._numbers)}-{secrets.token_hex(4)}"
        mine, theirs = socket.socketpair()
        interpreter = WarmInterpreter(name, which, plan, variables, cwd, Channel(mine), theirs)
        interpreter.begin()
        self._alive.append(interpreter)
        return interpreter

    # Called without it.

    def warm_up_interpreter(
        self, which: InterpreterIdentity, plan: WarmPlan, variables: Mapping[str, str], cwd: Path
    ) -> None:
        """Starts an interpreter that imports what most jobs need, before it is known what else the first one does."""
        with self.lock:
            if self._alive:
                return
            self._spare = spare = self._new(which, plan, variables, cwd)
        self.launch(spare)

    def launch(self, interpreter: WarmInterpreter) -> None:
        """Starts its process. What it may do at once comes when that has read it."""
        try:
            directory = self.supervision.directory
            with interpreter.other_end as theirs:
                link = Link(
                    interpreter.channel,
                    lambda message: self._take(interpreter, message),
                    lambda: self._ended(interpreter),
                )
                command = interpreter.process_to_start(directory)
                self.supervision.start_supervised_interpreter(command, theirs.fileno(), self._told)
            self.supervision.channel_reader.add(link)
        except (OSError, ValueError) as error:
            interpreter.reason = str(error)
            self._ended(interpreter)
            return
        interpreter.flush()

    def release(self, use: InterpreterUse, most: int) -> None:
        """Returns when nothing of the service is left in the interpreter, which then waits for another one.

        :param most: how many may be kept.
        """
        interpreter = use.interpreter
        with self.lock:
            ends = interpreter.identity.service is not None
            if ends and interpreter.state is InterpreterState.STARTING:
                self._end(interpreter)
            use.release()
        interpreter.flush()
        if not use.released.wait(WAIT_SECONDS):
            self.supervision.kill_supervised_interpreter(interpreter.name)
            interpreter.ended.wait(WAIT_SECONDS)
        with self.lock:
            if ends and interpreter.state is InterpreterState.READY:
                self._end(interpreter)
            self.trim_interpreters(most)
        if ends:
            interpreter.ended.wait(WAIT_SECONDS)
        self.supervision.channel_reader.wake()

    # Below: what the channel reader's thread calls.

    def _take(self, interpreter: WarmInterpreter, message: Message) -> None:
        name, *values = message
        if name == "ready":
            *inputs, is_path_as_made = values
            with self.lock:
                interpreter.inputs = ImportInputs(*inputs)
                interpreter.is_fixed |= not is_path_as_made
            self._settle(interpreter, InterpreterState.READY)
        elif name == "refused":
            interpreter.reason = values[0]
            with self.lock:
                self._remove(interpreter)
                self._refused.appendleft(interpreter)
                self._settle(interpreter, InterpreterState.REFUSED)
        else:
            lease, *rest = values
            use = interpreter.uses.get(lease)
            if use is None:
                return
            if name == "released":
                with self.lock:
                    interpreter.uses.pop(lease, None)
                    interpreter.last_used = machine_time.monotonic()
                use.released.set()
            else:
                use.owner.take(use, name, tuple(rest))

    def _settle(self, interpreter: WarmInterpreter, state: InterpreterState) -> None:
        with self.lock:
            interpreter.state = state
            for use in interpreter.uses.values():
                use.owner.settled(use)

    def _ended(self, interpreter: WarmInterpreter) -> None:
        with self.lock:
            self._remove(interpreter)
            was_importing = interpreter.state is InterpreterState.STARTING
            if was_importing:
                interpreter.reason = interpreter.reason or "the interpreter ended while it imported, twice"
            if interpreter.state is not InterpreterState.REFUSED:
                interpreter.state = InterpreterState.ENDED
            for use in interpreter.uses.values():
                if was_importing:
                    use.owner.settled(use)
                lost, use.running = use.running, {}
                use.owner.ended(use, lost)
                use.released.set()
            interpreter.uses.clear()
        interpreter.channel.close_channel()
        interpreter.ended.set()

    def _told(self, event: Event) -> None:
        """Takes the supervisor's answer to a launch. The end of an interpreter shows later, by the end of its link."""
        if isinstance(event, CannotStart):
            with self.lock:
                for each in self._alive:
                    if each.name == event.key:
                        each.reason = event.message

    def _tick(self) -> float | None:
        """Ends interpreters that have been idle for too long, or when memory is short; returns the seconds until the
        next look."""
        now = machine_time.monotonic()
        with self.lock:
            unused = [
                each
                for each in self._alive
                if not each.uses and (each.state is InterpreterState.READY or each is self._spare)
            ]
            for each in [each for each in unused if now - each.last_used >= IDLE]:
                unused.remove(each)
                self._end(each)
            if unused and now >= self._next_look:
                self._next_look = now + LOOK
                if free_memory.is_memory_short():
                    self._end(unused.pop(0))
            return LOOK if unused else None


def _same_variables(mine: Mapping[str, str], theirs: Mapping[str, str], apart: tuple[str, ...]) -> bool:
    """:param apart: prefixes of the variables that may differ."""
    return all(mine.get(name) == theirs.get(name) or name.startswith(apart) for name in (*mine, *theirs))


_of = functools.lru_cache(1)(Interpreters)


def interpreters_of_this_process() -> Interpreters:
    its = supervision.supervision_of_this_process()
    with its.guard:
        return _of(its)
