"""The jobs that the service has in memory, every change of their status, and what of it is still to be written.

All methods are called under the service's lock unless they say otherwise. It decides nothing: it keeps counts,
parents and waiting readers consistent with what it is told.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.job_model import (
    ENDED,
    FAILED,
    PENDING,
    RUNNABLE,
    STARTING,
    SUCCEEDED,
    Job,
    Unit,
)
from flytekitplugins.awsbatch.batch.emulator.scheduling.retry_rules import CHILD_FAILED
from flytekitplugins.awsbatch.batch.emulator.store.job_rows import Changes, Jobs, changes_of

# Units of ended jobs that stay in memory to be described quickly.
KEPT_UNITS = 60_000


class Board:
    def __init__(self, jobs: Jobs, clock: Clock) -> None:
        self.lock = threading.RLock()
        # The instance that runs what is added; none before the service starts.
        self.owner = ""
        self._changed = threading.Condition(self.lock)
        self._one_ended = threading.Condition(self.lock)
        self._stored = jobs
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._ended: OrderedDict[str, Job] = OrderedDict()
        self._ended_units = 0
        self._dirty_jobs: dict[int, Job] = {}
        self._dirty_units: dict[int, Unit] = {}
        self._quiet = True
        self._counter = 0

    def find(self, job_id: str) -> Job | None:
        """A job of this service, or any other as it was last written."""
        job = self._jobs.get(job_id) or self._ended.get(job_id)
        if job is None:
            job = self._stored.load(job_id)
            if job is not None and job.ended():
                self._keep(job)
        return job

    def mine(self, job_id: str) -> Job | None:
        """An unended job of this service."""
        return self._jobs.get(job_id)

    def unended(self) -> list[Job]:
        return list(self._jobs.values())

    @property
    def busy(self) -> bool:
        return bool(self._jobs)

    def add(self, job: Job) -> None:
        self._jobs[job.id] = job
        self._counter += 1
        job.changes = self._counter
        self._quiet = False
        if job.ended():
            self._end(job)

    def now(self) -> int:
        return self._clock.now()

    def move(self, unit: Unit, status: str, reason: str | None = None, at: int | None = None) -> None:
        """Gives a unit its next status, with what follows for its job.

        :param at: when, in milliseconds since the epoch; now, if it is not given.
        """
        job = unit.job
        now = self._clock.now() if at is None else at
        job.counts[unit.status] -= 1
        job.counts[status] += 1
        unit.status = status
        unit.reason = reason
        if status in ENDED:
            unit.stopped = now
        if job.size is None:
            job.status, job.reason, job.stop = status, reason, unit.stop
            job.started, job.stopped = unit.started, unit.stopped
            self._dirty_jobs[id(job)] = job
        elif status in ENDED:
            if job.counts[SUCCEEDED] + job.counts[FAILED] == job.size:
                failed = job.counts[FAILED] > 0
                job.status = FAILED if failed else SUCCEEDED
                job.reason = (job.reason or CHILD_FAILED) if failed else None
                job.stopped = now
                self._dirty_jobs[id(job)] = job
        elif job.status != PENDING and status in (RUNNABLE, STARTING):
            job.status = PENDING
            self._dirty_jobs[id(job)] = job
        self.changed(unit)
        if job.ended():
            self._end(job)

    def changed(self, unit: Unit) -> None:
        """A unit has something new to be written and to be told."""
        self._dirty_units[id(unit)] = unit
        self._counter += 1
        unit.changes = unit.job.changes = self._counter
        self._quiet = False

    def job_changed(self, job: Job) -> None:
        self._dirty_jobs[id(job)] = job

    def tell(self) -> None:
        """Wakes those who wait for changes, once for all that has changed since the last time."""
        if not self._quiet:
            self._quiet = True
            self._changed.notify_all()

    def wait(self, job_id: str, seen: int, timeout: float, quiet: float = 0.0) -> int:
        """Called without the lock. See `batch.api.JobEvents`; a job that this service does not run does not change."""
        now = time.monotonic()
        until, loud = now + timeout, now + min(quiet, timeout)
        with self.lock:
            while (left := loud - time.monotonic()) > 0 and job_id in self._jobs:
                self._one_ended.wait(left)
            while True:
                job = self._jobs.get(job_id) or self._ended.get(job_id)
                changes = job.changes if job is not None else seen
                left = until - time.monotonic()
                if changes != seen or left <= 0:
                    return changes
                self._changed.wait(left)

    def changed_since(self, job_id: str, seen: int) -> tuple[int, list[int]] | None:
        """Called without the lock. See `batch.api.JobEvents`."""
        with self.lock:
            job = self._jobs.get(job_id) or self._ended.get(job_id)
            # One that was read back from the disk counts anew, so that nothing follows from an older count.
            if job is None or job.size is None or seen > job.changes:
                return None
            return job.changes, [index for index, unit in enumerate(job.units) if unit.changes > seen]

    @property
    def dirty(self) -> int:
        return len(self._dirty_units) + len(self._dirty_jobs)

    def take_changes(self) -> Changes:
        """What is to be written; it counts as written from now on."""
        changes = changes_of(self._dirty_jobs.values(), self._dirty_units.values())
        self._dirty_jobs.clear()
        self._dirty_units.clear()
        return changes

    def forget(self, job_id: str) -> None:
        job = self._ended.pop(job_id, None)
        if job is not None:
            self._ended_units -= len(job.units)

    def _end(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        self._keep(job)
        self._one_ended.notify_all()

    def _keep(self, job: Job) -> None:
        if job.id not in self._ended:
            self._ended_units += len(job.units)
        self._ended[job.id] = job
        while self._ended_units > KEPT_UNITS and len(self._ended) > 1:
            oldest, gone = next(iter(self._ended.items()))
            if id(gone) in self._dirty_jobs or any(id(unit) in self._dirty_units for unit in gone.units):
                break
            del self._ended[oldest]
            self._ended_units -= len(gone.units)
