"""The moving part of the service: one thread that starts what fits, hears of what ends, keeps deadlines and writes
changes down.

It stands for AWS Batch's scheduler and the ECS cluster under it. Everything waits on one queue: an event, a request
or the nearest deadline wakes it, nothing is polled. Deciding lies elsewhere (`scheduler`, `attempts`,
`dependencies`).
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import queue
import secrets
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import (
    CannotStart,
    Event,
    Executor,
    Exited,
    JobProcess,
    Started,
)
from flytekitplugins.awsbatch.batch.emulator.execution.instance import Instance
from flytekitplugins.awsbatch.batch.emulator.execution.job_start import Starter
from flytekitplugins.awsbatch.batch.emulator.execution.scratch import Scratch
from flytekitplugins.awsbatch.batch.emulator.faults import CANNOT_START, HOST_LOST, FaultPlan
from flytekitplugins.awsbatch.batch.emulator.job_model import (
    CANCELLABLE,
    ENDED,
    FAILED,
    PENDING,
    RUNNABLE,
    RUNNING,
    TERMINATE,
    TIMEOUT,
    Attempt,
    Job,
    Unit,
)
from flytekitplugins.awsbatch.batch.emulator.scheduling import retry_rules
from flytekitplugins.awsbatch.batch.emulator.scheduling.capacity import Pool
from flytekitplugins.awsbatch.batch.emulator.scheduling.dependencies import Dependencies, Outcome
from flytekitplugins.awsbatch.batch.emulator.scheduling.job_table import Board
from flytekitplugins.awsbatch.batch.emulator.scheduling.ready_queue import Line
from flytekitplugins.awsbatch.batch.emulator.scheduling.submit_burst import Burst
from flytekitplugins.awsbatch.batch.emulator.scheduling.write_behind import Writing

log = logging.getLogger(__name__)

# Seconds of rest after an error that nobody foresaw.
AFTER_ERROR = 1.0

# What a deadline is for, besides the words for how a unit is asked to stop and the faults' kinds.
KILL = "kill"


@dataclass
class Running:
    """An attempt that an executor has been given."""

    unit: Unit
    attempt: Attempt
    process: JobProcess
    executor: Executor
    lost_to: str | None = None


class Engine:
    """:ivar writing: what is to be written down of the changes."""

    def __init__(
        self,
        board: Board,
        writing: Writing,
        starter: Starter,
        pool: Callable[[], Pool],
        executors: Sequence[Executor],
        faults: FaultPlan,
        clock: Clock,
        kill_grace: float,
    ) -> None:
        self._board = board
        self.writing = writing
        self._starter = starter
        self._pool = pool
        self._executors = executors
        self._kill_grace = kill_grace
        # Scratch directories of attempts that have ended.
        self._left: list[Path] = []
        self._faults = faults
        self._clock = clock
        self._inbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._line = Line(board, faults)
        self._burst = Burst()
        self._waits = Dependencies()
        self._running: dict[str, Running] = {}
        self._by_unit: dict[int, str] = {}
        self._deadlines: list[tuple[float, int, str, str]] = []
        self._deadline_number = 0
        self._woken = False
        self._closing = threading.Event()
        self._suspended = False
        self._idle = threading.Condition(board.lock)
        self._thread = threading.Thread(target=self._run, name="awsbatch-engine", daemon=True)

    # Called from any thread.

    @property
    def running(self) -> bool:
        return self._starter.scratch is not None and not self._closing.is_set()

    def start(self, instance: Instance) -> None:
        self._starter.scratch = Scratch(instance.scratch)
        for executor in self._executors:
            executor.open(instance, self._inbox.put)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and every process. Does not ask jobs to end; see `stop` and `suspend`."""
        self._closing.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join()
        for executor in self._executors:
            executor.close()
        with self._board.lock:
            self._suspended = True
            for event in self._arrived():
                self._take(event)
            self._board.tell()
        if self._starter.scratch is not None:
            self._tidy()
            self._starter.scratch.close()

    def wake(self) -> None:
        # One call to wake is enough until it is heard.
        if not self._woken:
            self._woken = True
            self._inbox.put(None)

    def add(self, job: Job) -> None:
        """Takes up a job, new or left behind by another service."""
        with self._board.lock:
            self._board.add(job)
            if job.spec.dependencies:
                outcome = self._waits.add(job, self._board.find)
                for unit in job.unended():
                    if unit.waits_for and unit.status == RUNNABLE:
                        self._board.move(unit, PENDING)
                self._settle(outcome)
            self._line.join(job.spec.queue, (unit for unit in job.units if unit.status == RUNNABLE))
            self._board.tell()
            rests = self._burst.came(self._clock.monotonic())
            # Behind a job that waits for room there is nothing to do until something ends, amid a burst until it does.
            idle = rests or self._line.held(job.spec.queue)
        if not idle:
            self.wake()

    def stop(self, units: Iterable[Unit], how: str, words: str) -> None:
        """Cancels or terminates units. What has not started fails at once; what runs is asked, then killed."""
        with self._board.lock:
            for unit in units:
                if unit.status in ENDED:
                    continue
                if unit.status in CANCELLABLE:
                    unit.stop, unit.stop_reason = how, words
                    self._fail(unit, words)
                elif how == TERMINATE and unit.stop is None:
                    # The reason is written down with it: whoever takes the job over ends it with these words.
                    unit.stop, unit.stop_reason, unit.reason = how, words, words
                    self._board.changed(unit)
                    self._ask(self._by_unit.get(id(unit)))
            self._board.tell()
        self.wake()

    def forget_misfits(self) -> None:
        """Looks again at jobs that could never fit: queues or compute environments have changed."""
        with self._board.lock:
            self._line.release_stuck()
        self.wake()

    def suspend(self) -> None:
        """Starts nothing more and asks what runs to end. What then ends without success counts as never begun: the
        units stay as they are, for whoever takes the job over.
        """
        with self._board.lock:
            self._suspended = True
            for key in self._running:
                self._ask(key)
        self.wake()

    def wait_idle(self, timeout: float) -> bool:
        """Whether nothing runs any more, at the latest after so many seconds."""
        with self._board.lock:
            return self._idle.wait_for(lambda: not self._running, timeout)

    def wait_ended(self, timeout: float) -> bool:
        """Whether every job has ended, at the latest after so many seconds."""
        with self._board.lock:
            return self._idle.wait_for(lambda: not self._board.busy, timeout)

    # The thread.

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._turn()
            except Exception:
                # Whatever it was, the other jobs go on.
                log.exception("the Batch service's thread met an error")
                self._closing.wait(AFTER_ERROR)

    def _turn(self) -> None:
        events = self._next_events()
        with self._board.lock:
            for event in events:
                self._take(event)
            self._keep_deadlines()
            starting = self._next_units()
            self._board.tell()
            if not self._running or not self._board.busy:
                self._idle.notify_all()
        self._tidy()
        for each in starting:
            self._begin(each)
        self.writing.if_due()

    def _next_units(self) -> list[Unit]:
        """Those to be started now."""
        now = self._clock.monotonic()
        if self._suspended or not self._line.any() or self._burst.rests_until(now) is not None:
            return []
        self._burst.started(now)
        return self._line.place(self._pool())

    def _tidy(self) -> None:
        """Outside the lock: a disk may take its time."""
        assert self._starter.scratch is not None
        while self._left:
            self._starter.scratch.give_back(self._left.pop())

    def _next_events(self) -> list[Event]:
        try:
            first = self._inbox.get(timeout=self._patience())
        except queue.Empty:
            return []
        return self._arrived(first)

    def _arrived(self, first: Event | None = None) -> list[Event]:
        """`first` and whatever else has come, without the calls to wake."""
        found = [first]
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._inbox.get_nowait())
        if None in found:
            self._woken = False
        return [event for event in found if event is not None]

    def _patience(self) -> float | None:
        now = self._clock.monotonic()
        with self._board.lock:
            due = [self.writing.due] if self.writing.due is not None else []
            if self._deadlines:
                due.append(self._deadlines[0][0])
            rest = self._burst.rests_until(now)
            if rest is not None:
                due.append(rest)
        return self._clock.real(max(0.0, min(due) - now)) if due else None

    def _take(self, event: Event) -> None:
        running = self._running.get(event.key)
        if running is None:
            return
        unit = running.unit
        if isinstance(event, Started):
            self._has_started(event, running)
            return
        del self._running[event.key]
        self._by_unit.pop(id(unit), None)
        if running.attempt.environment is not None:
            self._line.leave_room(unit, running.attempt.environment)
        if running.process.scratch is not None:
            self._left.append(running.process.scratch)
        if self._suspended and unit.stop is None and not (isinstance(event, Exited) and event.exit_code == 0):
            return
        if running.lost_to is not None:
            end = retry_rules.host_lost(running.lost_to)
        elif isinstance(event, Exited):
            end = retry_rules.exited(event.exit_code, event.out_of_memory)
        elif isinstance(event, CannotStart):
            # AttemptContainerDetail in the API reference: an attempt receives a log stream when it reaches RUNNING.
            running.attempt.stream = None
            running.process.log.unlink(missing_ok=True)
            end = retry_rules.could_not_start(event.message)
        else:
            end = retry_rules.host_lost(f"lost: {event.message}")
        self.conclude(unit, end, int(event.at * 1000))

    def _has_started(self, event: Started, running: Running) -> None:
        unit, now = running.unit, int(event.at * 1000)
        running.attempt.started = now
        unit.started = now
        self._board.move(unit, RUNNING)
        if unit.stop is not None or self._suspended:
            self._ask(event.key)
        timeout = unit.job.spec.timeout
        if timeout:
            self._at(timeout, event.key, TIMEOUT)
        fault = self._faults.of_attempt(HOST_LOST, unit)
        if fault is not None and fault.seconds > 0:
            self._at(fault.seconds, event.key, HOST_LOST)
        elif fault is not None:
            # Now: the news of a short attempt's end comes along with that of its start.
            self._lose(event.key, running)

    def conclude(self, unit: Unit, end: retry_rules.End, at: int) -> None:
        """Ends a unit's last attempt, and the unit with it unless it may try again."""
        attempt, spec = unit.current, unit.job.spec
        decided = retry_rules.verdict(
            end, len(unit.attempts), spec.attempts, spec.exit_rules, unit.stop, unit.stop_reason
        )
        attempt.stopped = at
        attempt.exit_code = end.exit_code
        attempt.reason = end.reason
        attempt.status_reason = retry_rules.TIMED_OUT if unit.stop == TIMEOUT else end.status_reason
        if decided.status == RUNNABLE:
            unit.started = None
            self._board.move(unit, RUNNABLE)
            self._line.join_first(unit)
        elif decided.status == FAILED:
            self._fail(unit, decided.reason, at)
        else:
            self._board.move(unit, decided.status, decided.reason, at)
            self._settle(self._waits.ended(unit))

    def _fail(self, unit: Unit, reason: str | None, at: int | None = None) -> None:
        self._board.move(unit, FAILED, reason, at)
        self._settle(self._waits.ended(unit))

    def _settle(self, outcome: Outcome) -> None:
        todo = [outcome]
        while todo:
            each = todo.pop()
            for unit in each.released:
                if unit.status == PENDING:
                    self._board.move(unit, RUNNABLE)
                    self._line.join(unit.job.spec.queue, [unit])
            for unit in each.failed:
                if unit.status not in ENDED:
                    self._board.move(unit, FAILED, retry_rules.DEPENDENCY_FAILED)
                    todo.append(self._waits.ended(unit))

    def _at(self, seconds: float, key: str, what: str) -> None:
        self._deadline_number += 1
        heapq.heappush(self._deadlines, (self._clock.monotonic() + seconds, self._deadline_number, key, what))

    def _keep_deadlines(self) -> None:
        now = self._clock.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, key, what = heapq.heappop(self._deadlines)
            running = self._running.get(key)
            if running is None:
                continue
            if what == TIMEOUT and running.unit.stop is None:
                running.unit.stop = TIMEOUT
                self._ask(key)
            elif what == HOST_LOST:
                self._lose(key, running)
            elif what == KILL:
                running.executor.signal(key, signal.SIGKILL)

    def _lose(self, key: str, running: Running) -> None:
        """Takes the host of an attempt away."""
        running.lost_to = instance_id(key)
        running.executor.signal(key, signal.SIGKILL)

    def _ask(self, key: str | None) -> None:
        """SIGTERM now, or as soon as it has started; SIGKILL when the grace has passed."""
        running = self._running.get(key) if key is not None else None
        if key is not None and running is not None:
            if running.attempt.started is not None:
                running.executor.signal(key, signal.SIGTERM)
            self._at(self._kill_grace, key, KILL)

    def _begin(self, unit: Unit) -> None:
        """Hands an attempt to an executor. Without the lock: a launch policy may take its time."""
        if self._faults.of_attempt(CANNOT_START, unit) is not None:
            image = unit.job.spec.detail["container"].get("image", "")
            self._give_up(unit, retry_rules.could_not_pull(image))
            return
        try:
            start = self._starter.prepare(unit)
        except Exception as error:
            log.exception("the launch policy or the executors refused %s", unit.id)
            self._give_up(unit, retry_rules.could_not_start(f"{type(error).__name__}: {error}"))
            return
        key = start.process.key
        with self._board.lock:
            unit.current.stream = start.stream
            self._running[key] = Running(unit, unit.current, start.process, start.executor)
            self._by_unit[id(unit)] = key
        try:
            start.executor.start(start.process)
        except Exception as error:
            # The others that were placed with it must not be lost with it.
            log.exception("%s could not start %s", start.executor.name, unit.id)
            self._inbox.put(CannotStart(key, f"{type(error).__name__}: {error}", self._clock.now() / 1000))

    def _give_up(self, unit: Unit, end: retry_rules.End) -> None:
        """Ends an attempt that no executor got to see."""
        with self._board.lock:
            self._line.leave_room(unit, unit.current.environment or "")
            self.conclude(unit, end, self._clock.now())
            self._board.tell()
        self.wake()


def instance_id(key: str) -> str:
    """An EC2 instance's id, for a machine that never was."""
    return "i-" + (key.rpartition("#")[2] or secrets.token_hex(16))[-17:]
