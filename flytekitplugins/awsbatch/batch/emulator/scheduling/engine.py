"""The moving part of the service: one thread that starts the jobs that fit, learns of attempts that end, keeps
deadlines and writes changes to the store.

It stands for AWS Batch's scheduler and the ECS cluster under it. It waits on one queue: an event, a request or the
nearest deadline wakes it, nothing is polled. The decisions are made elsewhere (`placement`, `retry_rules`,
`dependencies`, `time_limits`).
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..clock import Clock
from ..execution.executors.protocol import CANNOT_PULL, CannotStart, Event, Executor, Exited, JobProcess, Lost, Started
from ..execution.instance import Instance, exits_of_instance
from ..execution.job_start import Starter
from ..execution.scratch import Scratch
from ..faults import CANNOT_START, HOST_LOST, FaultPlan
from ..job_model import (
    CANCEL,
    CANCELLABLE,
    ENDED,
    FAILED,
    PENDING,
    RUNNABLE,
    RUNNING,
    TERMINATE,
    TIMEOUT,
    Job,
    Unit,
)
from . import retry_rules
from .capacity import Capacity
from .dependencies import Dependencies, Outcome
from .job_table import JobTable
from .ready_queue import ReadyQueue
from .time_limits import TimeLimits
from .write_behind import WriteBehind

log = logging.getLogger(__name__)

# Seconds of rest after an unexpected error.
AFTER_ERROR = 1.0
# Seconds after which it looks at its deadlines anew: the system's clocks do not take any number.
LONGEST_WAIT = 3600.0

# What a deadline is for, besides the words for how a unit is asked to stop and the faults' kinds.
KILL = "kill"


@dataclass
class Running:
    """An attempt that the executor has been given."""

    unit: Unit
    process: JobProcess
    lost_to: str | None = None


class Engine:
    """:ivar write_behind: the changes that are to be written."""

    def __init__(
        self,
        table: JobTable,
        write_behind: WriteBehind,
        starter: Starter,
        capacity: Callable[[], Capacity],
        executor: Executor,
        faults: FaultPlan,
        clock: Clock,
        kill_grace: float,
    ) -> None:
        self._table = table
        self.write_behind = write_behind
        self._starter = starter
        self._capacity = capacity
        self._executor = executor
        self._kill_grace = kill_grace
        # Scratch directories of attempts that have ended.
        self._ended: list[JobProcess] = []
        self._faults = faults
        self._clock = clock
        self._inbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        # What an error may have kept a turn from doing: events to be handled, attempts to be started.
        self._events: deque[Event] = deque()
        self._starting: deque[Unit] = deque()
        self._ready = ReadyQueue(table, faults)
        self._time_limits = TimeLimits()
        self._dependencies = Dependencies()
        self._running: dict[str, Running] = {}
        self._deadlines: list[tuple[float, str, str]] = []
        self._closing = threading.Event()
        self._suspended = False
        self._idle = threading.Condition(table.lock)
        self._thread = threading.Thread(target=self._run, name="awsbatch-engine", daemon=True)

    # Called from any thread.

    @property
    def running(self) -> bool:
        return self._starter.scratch is not None and not self._closing.is_set()

    def start_engine(self, instance: Instance) -> None:
        self._starter.scratch = Scratch(instance.scratch)
        self._instance = instance
        self._executor.open_instance(instance, self._inbox.put)
        self._thread.start()

    def stop_engine(self) -> None:
        """Ends the thread and every process. Does not ask jobs to end; see `stop_units` and `suspend`."""
        self._closing.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join()
        self._executor.close_instance()
        with self._table.lock:
            self._suspended = True
            for event in [*self._events, *self._arrived()]:
                self._handle(event)
            self._table.close_to_readers()
        if self._starter.scratch is not None:
            self._return_scratch()
            self._starter.finish_removing_scratch()

    def wake(self) -> None:
        self._inbox.put(None)

    def add_job(self, job: Job, unstartable: str | None = None) -> None:
        """Adds a job, new or left behind by another service.

        :param unstartable: why it fails without an attempt.
        """
        with self._table.lock:
            self._table.add_job(job)
            for unit in job.units if unstartable is not None else ():
                self._table.set_status(unit, FAILED, unstartable)
            if job.spec.dependencies:
                outcome = self._dependencies.add_job(job, self._table.find)
                for unit in job.unended():
                    if unit.waits_for and unit.status == RUNNABLE:
                        self._table.set_status(unit, PENDING)
                self._apply(outcome)
            self._ready.append(unit for unit in job.units if unit.status == RUNNABLE)
            self._table.notify_readers()
            blocked = self._ready.is_queue_blocked_for(job)
        if not blocked:
            self.wake()

    def stop_units(self, units: Iterable[Unit], how: str, words: str) -> None:
        """Cancels or terminates units. Those that have not started fail at once; those that run are asked to end, then
        killed.
        """
        with self._table.lock:
            asked = set()
            for unit in units:
                if unit.status in CANCELLABLE:
                    unit.stop = how
                    self._end_unit(unit, FAILED, words)
                elif unit.status not in ENDED and how == TERMINATE and unit.stop is None:
                    unit.stop = how
                    # The reason is written with it: a service that takes the job over ends it with these words.
                    self._table.set_status(unit, unit.status, words)
                    asked.add(unit)
            for key, running in self._running.items():
                if running.unit in asked:
                    self._ask_to_end(key, running)
            self._table.notify_readers()
        self.wake()

    def try_misfits_again(self) -> None:
        """Looks again at jobs that could never fit: queues or compute environments have changed."""
        with self._table.lock:
            self._ready.try_misfits_again()
        self.wake()

    def suspend(self, timeout: float) -> None:
        """Starts no more attempts, asks the running ones to end, and waits until they have, for so many seconds. Those
        that then end without success count as never begun: their units stay as they are, for the service that takes
        the job over.
        """
        with self._table.lock:
            self._suspended = True
            for key, running in self._running.items():
                self._ask_to_end(key, running)
            self.wake()
            self._idle.wait_for(lambda: not self._running, timeout)

    def end_left_behind(self, name: str, directory: Path) -> None:
        """See `Executor.end_left_behind`."""
        self._executor.end_left_behind(name, directory)

    def wait_ended(self, timeout: float) -> None:
        """Returns when every job has ended, at the latest after so many seconds."""
        with self._table.lock:
            self._idle.wait_for(lambda: not self._table.unended(), timeout)

    # The thread.

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._turn()
            except Exception:
                # Whatever it was (a full disk, a locked database), the next turn does what this one did not.
                log.exception("the Batch service's thread met an error")
                self._closing.wait(AFTER_ERROR)
                self.wake()

    def _turn(self) -> None:
        self._events.extend(self._next_events())
        with self._table.lock:
            while self._events:
                self._handle(self._events.popleft())
            self._act_on_deadlines()
            self._starting.extend(self._place())
            self._table.notify_readers()
            if not self._running or not self._table.unended():
                self._idle.notify_all()
        while self._starting:
            self._start_attempt(self._starting.popleft())
        self._return_scratch()
        self.write_behind.write_behind_if_due()

    def _place(self) -> list[Unit]:
        """The units to be started now. Jobs that have waited too long at the head of their queue are cancelled."""
        if self._suspended or not self._ready.any():
            self._time_limits.next_due = None
            return []
        capacity, now = self._capacity(), self._clock.monotonic()
        starting = self._ready.place(capacity)
        for unit, reason in self._time_limits.overdue_units(self._ready.queue_heads(), capacity.time_limits, now):
            self.stop_units([unit], CANCEL, reason)
        return starting

    def _return_scratch(self) -> None:
        """Outside the lock: a disk may take its time."""
        while self._ended:
            self._starter.give_back(self._ended.pop())

    def _next_events(self) -> list[Event]:
        try:
            first = self._inbox.get(timeout=self._seconds_to_deadline())
        except queue.Empty:
            return []
        return self._arrived(first)

    def _arrived(self, first: Event | None = None) -> list[Event]:
        """`first` and whatever else has come, without the calls to wake."""
        found = [first]
        while not self._inbox.empty():
            found.append(self._inbox.get())
        return [event for event in found if event is not None]

    def _seconds_to_deadline(self) -> float | None:
        with self._table.lock:
            due = [each for each in (self.write_behind.due, self._time_limits.next_due) if each is not None]
            due += [each[0] for each in self._deadlines[:1]]
        if not due:
            return None
        seconds = self._clock.real_seconds(min(due) - self._clock.monotonic())
        return min(max(0.0, seconds), LONGEST_WAIT)

    def _handle(self, event: Event) -> None:
        running = self._running.get(event.key)
        if running is None:
            return
        unit, attempt = running.unit, running.unit.current
        if isinstance(event, Started):
            self._handle_start(event, running)
            return
        if isinstance(event, Lost):
            # What watched the attempt may have been killed between writing down its end and telling of it.
            event = exits_of_instance(self._instance.directory).get(event.key, event)
        del self._running[event.key]
        self._ready.give_back(unit)
        self._ended.append(running.process)
        if self._suspended and unit.stop is None and not (isinstance(event, Exited) and event.exit_code == 0):
            return
        if running.lost_to is not None:
            outcome = retry_rules.retry_end_host_lost(running.lost_to)
        elif isinstance(event, Exited):
            outcome = retry_rules.retry_end_by_exit(event.exit_code, event.out_of_memory)
        elif isinstance(event, CannotStart):
            # AttemptContainerDetail in the API reference: an attempt receives a log stream when it reaches RUNNING.
            attempt.stream = None
            with contextlib.suppress(OSError):
                running.process.log.unlink()
            outcome = retry_rules.retry_end_not_started(event.message, event.error)
        else:
            outcome = retry_rules.retry_end_host_lost(f"lost: {event.message}")
        if isinstance(event, Exited):
            attempt.peak_memory, attempt.cpu_seconds = event.peak_memory, event.cpu_seconds
        self.end_attempt(unit, outcome, int(event.at * 1000))

    def _handle_start(self, event: Started, running: Running) -> None:
        unit, now = running.unit, int(event.at * 1000)
        unit.started = unit.current.started = now
        self._starter.note_start(running.process, now)
        self._table.set_status(unit, RUNNING, unit.reason)
        if unit.stop is not None or self._suspended:
            self._ask_to_end(event.key, running)
        timeout = unit.job.spec.timeout
        if timeout:
            self._set_deadline(timeout, event.key, TIMEOUT)
        fault = self._faults.fault_of_attempt(HOST_LOST, unit)
        if fault is not None and fault.seconds > 0:
            self._set_deadline(fault.seconds, event.key, HOST_LOST)
        elif fault is not None:
            # Now: the news of a short attempt's end comes along with that of its start.
            self._lose_host(event.key, running)

    def end_attempt(self, unit: Unit, end: retry_rules.End, at: int) -> None:
        """Ends a unit's last attempt, and the unit with it unless it may try again."""
        attempt = unit.current
        status, reason = retry_rules.retry_verdict(end, unit)
        attempt.stopped = at
        attempt.exit_code = end.exit_code
        attempt.reason = end.reason
        attempt.status_reason = retry_rules.TIMED_OUT if unit.stop == TIMEOUT else end.status_reason
        if status == RUNNABLE:
            unit.started = None
            self._table.set_status(unit, RUNNABLE)
            self._ready.append([unit])
        else:
            self._end_unit(unit, status, reason, at)

    def _end_unit(self, unit: Unit, status: str, reason: str | None, at: int | None = None) -> None:
        self._table.set_status(unit, status, reason, at)
        self._apply(self._dependencies.ended(unit))

    def _apply(self, outcome: Outcome) -> None:
        """Releases and fails what waited for others."""
        todo = [outcome]
        while todo:
            each = todo.pop()
            for unit in each.released:
                if unit.status == PENDING:
                    self._table.set_status(unit, RUNNABLE)
                    self._ready.append([unit])
            for unit in each.failed:
                if unit.status not in ENDED:
                    self._table.set_status(unit, FAILED, retry_rules.DEPENDENCY_FAILED)
                    todo.append(self._dependencies.ended(unit))

    def _set_deadline(self, seconds: float, key: str, what: str) -> None:
        heapq.heappush(self._deadlines, (self._clock.monotonic() + seconds, key, what))

    def _act_on_deadlines(self) -> None:
        now = self._clock.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, key, what = heapq.heappop(self._deadlines)
            running = self._running.get(key)
            if running is None:
                continue
            if what == TIMEOUT and running.unit.stop is None:
                running.unit.stop = TIMEOUT
                self._table.set_status(running.unit, RUNNING)
                self._ask_to_end(key, running)
            elif what == HOST_LOST:
                self._lose_host(key, running)
            elif what == KILL:
                self._executor.signal(key, signal.SIGKILL)

    def _lose_host(self, key: str, running: Running) -> None:
        """Takes the host of an attempt away."""
        # An EC2 instance's id, for a machine that never was.
        running.lost_to = f"i-{key[-17:]}"
        self._executor.signal(key, signal.SIGKILL)

    def _ask_to_end(self, key: str, running: Running) -> None:
        """SIGTERM now, or as soon as it has started; SIGKILL when the grace has passed."""
        if running.unit.current.started is not None:
            self._executor.signal(key, signal.SIGTERM)
        self._set_deadline(self._kill_grace, key, KILL)

    def _start_attempt(self, unit: Unit) -> None:
        """Hands an attempt to the executor. Without the lock: a launch policy may take its time."""
        if self._faults.fault_of_attempt(CANNOT_START, unit) is not None:
            image = unit.job.spec.detail["container"].get("image", "")
            message = f"image {image} could not be pulled"
            self._end_unstarted(unit, retry_rules.retry_end_not_started(message, CANNOT_PULL))
            return
        try:
            process, stream = self._starter.prepare(unit)
        except Exception as error:
            log.exception("the launch policy refused %s", unit.id)
            self._end_unstarted(unit, retry_rules.retry_end_not_started(f"{type(error).__name__}: {error}"))
            return
        with self._table.lock:
            unit.current.stream = stream
            self._running[process.key] = Running(unit, process)
        try:
            self._executor.start(process)
        except Exception as error:
            # The others that were placed with it must not be lost with it.
            log.exception("%s could not be started", unit.id)
            self._inbox.put(CannotStart(process.key, f"{type(error).__name__}: {error}", self._clock.now_ms() / 1000))

    def _end_unstarted(self, unit: Unit, end: retry_rules.End) -> None:
        """Ends an attempt that the executor never got to see."""
        with self._table.lock:
            self._ready.give_back(unit)
            self.end_attempt(unit, end, self._clock.now_ms())
            self._table.notify_readers()
        self.wake()
