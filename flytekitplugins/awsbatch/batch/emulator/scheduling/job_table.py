"""The jobs that the service has in memory, every change of their status, and which changes are still to be written.

All methods are called under the service's lock unless they say otherwise. It decides nothing: it keeps counts,
parents and waiting readers consistent with what it is told.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from .... import machine_time
from ..clock import Clock
from ..job_model import ENDED, FAILED, SUCCEEDED, Job, Unit
from ..store.job_rows import Changes, JobRows, job_row_changes
from .retry_rules import CHILD_FAILED

# Units of ended jobs that stay in memory to be described quickly.
KEPT_UNITS = 60_000


class JobTable:
    """:ivar owner: the instance that runs the jobs that are added; empty before the service starts.
    :ivar changes: how many there have been since the service started.
    """

    def __init__(self, rows: JobRows, clock: Clock) -> None:
        self.lock = threading.RLock()
        self.owner = ""
        self._job_changed = threading.Condition(self.lock)
        self._job_ended = threading.Condition(self.lock)
        self._rows = rows
        self._clock = clock
        self._unended: dict[str, Job] = {}
        self._ended: OrderedDict[str, Job] = OrderedDict()
        self._ended_units = 0
        self._unwritten_jobs: dict[int, Job] = {}
        self._unwritten_units: dict[int, Unit] = {}
        self._readers_know = True
        self.changes = 0
        self._closed = False

    def job_in_memory(self, job_id: str) -> Job | None:
        return self._unended.get(job_id) or self._ended.get(job_id)

    def find(self, job_id: str) -> Job | None:
        """A job of this service, or any other as it was last written."""
        job = self.job_in_memory(job_id)
        if job is None:
            job = self._rows.load_job(job_id)
            if job is not None and job.ended():
                self._keep_ended(job)
        return job

    def runs(self, job_id: str) -> bool:
        """Whether it is an unended job of this service."""
        return job_id in self._unended

    def unended(self) -> list[Job]:
        return list(self._unended.values())

    def add_job(self, job: Job) -> None:
        self._unended[job.id] = job
        self.changes += 1
        job.changes = self.changes
        self._readers_know = False
        if job.ended():
            self._end(job)

    def set_status(self, unit: Unit, status: str, reason: str | None = None, at: int | None = None) -> None:
        """Gives a unit its next status, with what follows for its job.

        :param at: when, in milliseconds since the epoch; now, if it is not given.
        """
        job = unit.job
        now = self._clock.now_ms() if at is None else at
        job.counts[unit.status] -= 1
        job.counts[status] += 1
        job.counted = now
        unit.status = status
        unit.reason = reason
        if status in ENDED:
            unit.stopped = now
        if job.size is None:
            job.status, job.reason, job.stop = status, reason, unit.stop
            job.started, job.stopped = unit.started, unit.stopped
            self.note_job_change(job)
        elif job.counts[SUCCEEDED] + job.counts[FAILED] == job.size:
            failed = job.counts[FAILED] > 0
            job.status = FAILED if failed else SUCCEEDED
            job.reason = (job.reason or CHILD_FAILED) if failed else None
            job.stopped = now
            self.note_job_change(job)
        self.note_unit_change(unit)
        if job.ended():
            self._end(job)

    def note_unit_change(self, unit: Unit) -> None:
        """The unit's change is to be written, and its readers are to be told of it."""
        self._unwritten_units[id(unit)] = unit
        self.changes += 1
        unit.changes = unit.job.changes = self.changes
        self._readers_know = False

    def note_job_change(self, job: Job) -> None:
        self._unwritten_jobs[id(job)] = job

    def notify_readers(self) -> None:
        """Wakes those who wait for changes, once for all that has changed since the last time."""
        if not self._readers_know:
            self._readers_know = True
            self._job_changed.notify_all()

    def close_to_readers(self) -> None:
        """Nothing changes any more: whoever waits, or will, returns."""
        self._closed = True
        self._job_ended.notify_all()
        self._job_changed.notify_all()

    def wait(self, job_id: str, seen: int, timeout: float, quiet: float = 0.0) -> int:
        """Called without the lock. See `batch.api.JobEvents`; a job that this service does not run does not change."""
        now = machine_time.monotonic()
        until, quiet_until = now + timeout, now + min(quiet, timeout)
        with self.lock:
            while (left := quiet_until - machine_time.monotonic()) > 0 and job_id in self._unended and not self._closed:
                self._job_ended.wait(left)
            while True:
                job = self.job_in_memory(job_id)
                changes = job.changes if job is not None else seen
                left = until - machine_time.monotonic()
                if changes != seen or left <= 0 or self._closed:
                    return changes
                self._job_changed.wait(left)

    def job_changed_since(self, job_id: str, seen: int) -> tuple[int, list[int]] | None:
        """Called without the lock. See `batch.api.JobEvents`."""
        with self.lock:
            job = self.job_in_memory(job_id)
            # A job that was read back from the disk counts anew, so that nothing follows from an older count.
            if job is None or job.size is None or seen > job.changes:
                return None
            return job.changes, [index for index, unit in enumerate(job.units) if unit.changes > seen]

    @property
    def unwritten(self) -> int:
        return len(self._unwritten_units) + len(self._unwritten_jobs)

    def take_unwritten_changes(self) -> Changes:
        """The rows to be written; they count as written from now on."""
        changes = job_row_changes(self._unwritten_jobs.values(), self._unwritten_units.values())
        self._unwritten_jobs.clear()
        self._unwritten_units.clear()
        return changes

    def forget(self, job_id: str) -> None:
        job = self._ended.pop(job_id, None)
        if job is not None:
            self._ended_units -= len(job.units)

    def _end(self, job: Job) -> None:
        self._unended.pop(job.id, None)
        self._keep_ended(job)
        self._job_ended.notify_all()

    def _keep_ended(self, job: Job) -> None:
        self.forget(job.id)
        self._ended[job.id] = job
        self._ended_units += len(job.units)
        while self._ended_units > KEPT_UNITS and len(self._ended) > 1:
            oldest = next(iter(self._ended.values()))
            if id(oldest) in self._unwritten_jobs or any(id(unit) in self._unwritten_units for unit in oldest.units):
                break
            self.forget(oldest.id)
