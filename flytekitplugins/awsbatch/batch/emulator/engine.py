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
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flytekitplugins.awsbatch.batch.emulator import attempts
from flytekitplugins.awsbatch.batch.emulator.arns import DEFINITION, name_of, split_revision
from flytekitplugins.awsbatch.batch.emulator.board import Board
from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.dependencies import Dependencies, Outcome
from flytekitplugins.awsbatch.batch.emulator.environments import Pool
from flytekitplugins.awsbatch.batch.emulator.executors.protocol import (
    CannotStart,
    Event,
    Executor,
    Exited,
    JobProcess,
    Started,
)
from flytekitplugins.awsbatch.batch.emulator.faults import CANNOT_START, HOST_LOST, STAY_RUNNABLE, FaultPlan
from flytekitplugins.awsbatch.batch.emulator.instance import Instance
from flytekitplugins.awsbatch.batch.emulator.launch import LaunchPolicy, LaunchRequest, compose
from flytekitplugins.awsbatch.batch.emulator.logs import Logs
from flytekitplugins.awsbatch.batch.emulator.model import (
    CANCELLABLE,
    ENDED,
    FAILED,
    PENDING,
    RUNNABLE,
    RUNNING,
    STARTING,
    TERMINATE,
    TIMEOUT,
    Attempt,
    Job,
    Unit,
)
from flytekitplugins.awsbatch.batch.emulator.scheduler import Hold, Ledger, Size, misfit
from flytekitplugins.awsbatch.batch.emulator.scratch import Scratch
from flytekitplugins.awsbatch.batch.emulator.settings import ENFORCE, BatchSettings
from flytekitplugins.awsbatch.batch.emulator.store.jobs import Changes, Jobs

log = logging.getLogger(__name__)

# Changes are written together: at the latest so many seconds after the first of them, or when so many have come
# together.
WRITE_EVERY = 0.05
WRITE_AT = 2000
RETRY_WRITE = 1.0

# What a deadline is for, besides the words for how a unit is asked to stop and the faults' kinds.
KILL = "kill"


@dataclass
class Running:
    """An attempt that an executor has been given."""

    unit: Unit
    attempt: Attempt
    process: JobProcess
    executor: Executor
    need: Size
    lost_to: str | None = None


class Engine:
    def __init__(
        self,
        board: Board,
        stored: Jobs,
        pool: Callable[[], Pool],
        settings: BatchSettings,
        launch: LaunchPolicy,
        executors: Sequence[Executor],
        logs: Logs,
        faults: FaultPlan,
        clock: Clock,
    ) -> None:
        self._board = board
        self._stored = stored
        self._pool = pool
        self._settings = settings
        self._launch = launch
        self._executors = executors
        self._scratch: Scratch | None = None
        # Of attempts that have ended.
        self._left: list[Path] = []
        self._logs = logs
        self._faults = faults
        self._clock = clock
        self._inbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._ready: dict[str, deque[Unit]] = {}
        self._stuck: dict[str, list[Unit]] = {}
        self._waits = Dependencies()
        self._ledger = Ledger({})
        self._running: dict[str, Running] = {}
        self._by_unit: dict[int, str] = {}
        self._deadlines: list[tuple[float, int, str, str]] = []
        self._deadline_number = 0
        self._woken = False
        # Queues whose first job waits for room.
        self._waiting: set[str] = set()
        self._write_due: float | None = None
        self._unwritten = Changes([], [], [])
        self._writing = threading.Lock()
        self._closing = threading.Event()
        self._suspended = False
        self._idle = threading.Condition(board.lock)
        self._thread = threading.Thread(target=self._run, name="awsbatch-engine", daemon=True)

    # Called from any thread.

    @property
    def running(self) -> bool:
        return self._scratch is not None and not self._closing.is_set()

    def start(self, instance: Instance) -> None:
        self._scratch = Scratch(instance.scratch)
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
        if self._scratch is not None:
            self._tidy()
            self._scratch.close()

    def wake(self) -> None:
        # One call to wake is enough until it is heard.
        if not self._woken:
            self._woken = True
            self._inbox.put(None)

    def add(self, job: Job) -> None:
        """Takes up a job, new or left behind by another service."""
        with self._board.lock:
            self._board.add(job)
            outcome = self._waits.add(job, self._board.find)
            for unit in job.unended():
                if unit.waits_for and unit.status == RUNNABLE:
                    self._board.move(unit, PENDING)
            self._settle(outcome)
            queue_of = self._ready.setdefault(job.spec.queue, deque())
            queue_of.extend(unit for unit in job.units if unit.status == RUNNABLE)
            self._board.tell()
            # Behind a job that waits for room there is nothing to do until something ends.
            behind = job.spec.queue in self._waiting
        if not behind:
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
            for name, units in self._stuck.items():
                self._ready.setdefault(name, deque()).extendleft(reversed(units))
            self._stuck.clear()
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

    def write(self) -> None:
        """Writes all changes down. Not to be called under the board's lock. Raises what SQLite says."""
        # One at a time: what was taken first must be written first, and who comes later finds it written.
        with self._writing:
            with self._board.lock:
                changes = self._take_changes()
            if not any(changes):
                return
            try:
                self._stored.write(changes)
            except sqlite3.Error:
                with self._board.lock:
                    self._unwritten = changes
                    self._write_due = self._clock.monotonic() + RETRY_WRITE
                raise

    def _take_changes(self) -> Changes:
        """What is to be written, after what could not be written before."""
        earlier, self._unwritten = self._unwritten, Changes([], [], [])
        later = self._board.take_changes()
        self._write_due = None
        return Changes(*(before + after for before, after in zip(earlier, later, strict=True)))

    # The thread.

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._turn()
            except Exception:
                # Whatever it was, the other jobs go on.
                log.exception("the Batch service's thread met an error")
                self._closing.wait(RETRY_WRITE)

    def _turn(self) -> None:
        events = self._next_events()
        with self._board.lock:
            for event in events:
                self._take(event)
            self._keep_deadlines()
            starting = self._schedule()
            self._board.tell()
            if not self._running or not self._board.busy:
                self._idle.notify_all()
        self._tidy()
        for each in starting:
            self._begin(each)
        self._write_if_due()

    def _tidy(self) -> None:
        """Outside the lock: a disk may take its time."""
        assert self._scratch is not None
        while self._left:
            self._scratch.give_back(self._left.pop())

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
            due = [self._write_due] if self._write_due is not None else []
            if self._deadlines:
                due.append(self._deadlines[0][0])
        return self._clock.real(max(0.0, min(due) - now)) if due else None

    def _write_if_due(self) -> None:
        with self._board.lock:
            dirty = self._board.dirty + sum(map(len, self._unwritten))
            now = self._clock.monotonic()
            if dirty and self._write_due is None:
                self._write_due = now + WRITE_EVERY
            if not dirty or (dirty < WRITE_AT and self._write_due is not None and now < self._write_due):
                return
        try:
            self.write()
            self._stored.tidy()
        except sqlite3.Error as error:
            log.error("the state of jobs could not be written (%s); it stays in memory and is tried again", error)

    def _take(self, event: Event) -> None:
        running = self._running.get(event.key)
        if running is None:
            return
        unit = running.unit
        if isinstance(event, Started):
            now = int(event.at * 1000)
            running.attempt.started = now
            unit.started = now
            self._board.move(unit, RUNNING)
            if unit.stop is not None or self._suspended:
                self._ask(event.key)
            timeout = unit.job.spec.timeout
            if timeout:
                self._at(timeout, event.key, TIMEOUT)
            fault = self._faults.of_attempt(HOST_LOST, unit)
            if fault is not None:
                self._at(fault.seconds, event.key, HOST_LOST)
            return
        del self._running[event.key]
        self._by_unit.pop(id(unit), None)
        if running.attempt.environment is not None:
            self._ledger.give_back(running.attempt.environment, running.need)
        if running.process.scratch is not None:
            self._left.append(running.process.scratch)
        if self._suspended and unit.stop is None and not (isinstance(event, Exited) and event.exit_code == 0):
            return
        if running.lost_to is not None:
            end = attempts.host_lost(running.lost_to)
        elif isinstance(event, Exited):
            end = attempts.exited(event.exit_code, event.out_of_memory)
        elif isinstance(event, CannotStart):
            end = attempts.could_not_start(event.message)
        else:
            end = attempts.host_lost(f"lost: {event.message}")
        self.conclude(unit, end, int(event.at * 1000))

    def conclude(self, unit: Unit, end: attempts.End, at: int) -> None:
        """Ends a unit's last attempt, and the unit with it unless it may try again."""
        attempt, spec = unit.current, unit.job.spec
        decided = attempts.verdict(end, len(unit.attempts), spec.attempts, spec.exit_rules, unit.stop, unit.stop_reason)
        attempt.stopped = at
        attempt.exit_code = end.exit_code
        attempt.reason = end.reason
        attempt.status_reason = attempts.TIMED_OUT if unit.stop == TIMEOUT else end.status_reason
        if decided.status == RUNNABLE:
            unit.started = None
            self._board.move(unit, RUNNABLE)
            self._ready.setdefault(spec.queue, deque()).appendleft(unit)
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
                    self._ready.setdefault(unit.job.spec.queue, deque()).append(unit)
            for unit in each.failed:
                if unit.status not in ENDED:
                    self._board.move(unit, FAILED, attempts.DEPENDENCY_FAILED)
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
                running.lost_to = instance_id(key)
                running.executor.signal(key, signal.SIGKILL)
            elif what == KILL:
                running.executor.signal(key, signal.SIGKILL)

    def _ask(self, key: str | None) -> None:
        """SIGTERM now, or as soon as it has started; SIGKILL when the grace has passed."""
        running = self._running.get(key) if key is not None else None
        if key is not None and running is not None:
            if running.attempt.started is not None:
                running.executor.signal(key, signal.SIGTERM)
            self._at(self._settings.kill_grace, key, KILL)

    def _schedule(self) -> list[tuple[Unit, str]]:
        """Moves what fits to STARTING; returns it with the compute environments chosen."""
        starting: list[tuple[Unit, str]] = []
        self._waiting.clear()
        if self._suspended or not any(self._ready.values()):
            return starting
        pool = self._pool()
        self._ledger.new_round(pool.sizes)
        for name in pool.by_priority:
            waiting, order = self._ready.get(name), pool.orders[name]
            while waiting:
                unit = waiting[0]
                if unit.status != RUNNABLE:
                    waiting.popleft()
                    continue
                if self._faults.of_attempt(STAY_RUNNABLE, unit) is not None:
                    self._stuck.setdefault(name, []).append(waiting.popleft())
                    continue
                need = need_of(unit)
                where = self._ledger.place(need, order)
                if where is Hold.WAIT:
                    self._waiting.add(name)
                    break
                waiting.popleft()
                if isinstance(where, Hold):
                    self._strand(name, unit, need, [pool.sizes[each] for each in order if each in pool.sizes])
                    continue
                unit.attempts.append(Attempt(len(unit.attempts) + 1, None, where))
                self._board.move(unit, STARTING)
                starting.append((unit, where))
        return starting

    def _strand(self, name: str, unit: Unit, need: Size, sizes: Sequence[Size]) -> None:
        unit.reason = misfit(need, sizes)
        if unit.job.size is None:
            unit.job.reason = unit.reason
            self._board.job_changed(unit.job)
        self._board.changed(unit)
        self._stuck.setdefault(name, []).append(unit)

    def _begin(self, chosen: tuple[Unit, str]) -> None:
        """Hands an attempt to an executor. Without the lock: a launch policy may take its time."""
        unit, where = chosen
        spec, attempt = unit.job.spec, unit.current
        definition = split_revision(name_of(DEFINITION, spec.definition) or "")[0]
        stream = self._logs.new(definition, self._clock.now())
        key = f"{unit.id}#{attempt.number}#{stream.rpartition('/')[2]}"
        if self._faults.of_attempt(CANNOT_START, unit) is not None:
            with self._board.lock:
                self._ledger.give_back(where, need_of(unit))
                self.conclude(
                    unit, attempts.could_not_pull(spec.detail["container"].get("image", "")), self._clock.now()
                )
                self._board.tell()
            self.wake()
            return
        try:
            process = self._process(unit, attempt, where, key, stream)
            executor = next(each for each in self._executors if each.accepts(process))
        except Exception as error:
            log.exception("the launch policy or the executors refused %s", key)
            with self._board.lock:
                self._ledger.give_back(where, need_of(unit))
                self.conclude(unit, attempts.could_not_start(f"{type(error).__name__}: {error}"), self._clock.now())
                self._board.tell()
            self.wake()
            return
        with self._board.lock:
            attempt.stream = stream
            self._running[key] = Running(unit, attempt, process, executor, need_of(unit))
            self._by_unit[id(unit)] = key
        executor.start(process)

    def _process(self, unit: Unit, attempt: Attempt, where: str, key: str, stream: str) -> JobProcess:
        spec = unit.job.spec
        request = LaunchRequest(
            job_id=unit.job.id,
            job_name=spec.name,
            index=unit.index,
            attempt=attempt.number,
            command=spec.command,
            environment=spec.environment,
            queue=spec.queue,
            compute_environment=where,
            tags=spec.tags,
            remote=unit.job.remote,
        )
        launch = self._launch(request)
        assert self._scratch is not None
        scratch = self._scratch.take() if launch.cwd is None else None
        return JobProcess(
            key=key,
            argv=spec.command,
            environment=compose(request, launch),
            cwd=launch.cwd or scratch or Path(),
            log=self._logs.make(stream),
            memory_limit=spec.memory if self._settings.memory_limit == ENFORCE else 0,
            scratch=scratch,
            hints=launch.hints,
        )


def need_of(unit: Unit) -> Size:
    spec = unit.job.spec
    return Size(spec.vcpus, spec.memory, spec.gpus)


def instance_id(key: str) -> str:
    """An EC2 instance's id, for a machine that never was."""
    return "i-" + (key.rpartition("#")[2] or secrets.token_hex(16))[-17:]
