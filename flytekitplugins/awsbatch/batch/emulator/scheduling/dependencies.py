"""Which units wait for which: the dependencies of jobs on jobs, of children on children (N_TO_N) and of an array on
itself (SEQUENTIAL).

It only counts, and says which units are released and which fail; the engine gives them their status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..job_model import ENDED, SUCCEEDED, Job, Unit, split_job_id

SEQUENTIAL = "SEQUENTIAL"
N_TO_N = "N_TO_N"


@dataclass
class Outcome:
    """Units whose last dependency has succeeded, and units one of whose dependencies has failed."""

    released: list[Unit] = field(default_factory=list)
    failed: list[Unit] = field(default_factory=list)


class Dependencies:
    def __init__(self) -> None:
        # By the id of the job or unit that is waited for: the jobs that wait.
        self._on_job: dict[str, list[Job]] = {}
        self._child_wise: dict[str, list[Job]] = {}

    def add_job(self, job: Job, find: Callable[[str], Job | None]) -> Outcome:
        """Counts the dependencies that the units of a job still wait for. A job that was removed counts as succeeded.

        :param find: a job by its id.
        """
        outcome = Outcome()
        waiting = list(job.unended())
        for unit in waiting:
            unit.waits_for = 0
        for dependency in job.spec.dependencies:
            job_id = dependency.get("jobId")
            if not job_id:
                self._count(((unit, self._before(unit)) for unit in waiting), outcome)
                continue
            parent, index = split_job_id(job_id)
            other = find(parent)
            if other is None:
                continue
            if dependency.get("type") == N_TO_N and other.size is not None:
                self._count(((unit, other.unit(unit.index)) for unit in waiting), outcome)
                self._child_wise.setdefault(parent, []).append(job)
            else:
                one: Job | Unit | None = other if index is None else other.unit(index)
                self._count(((unit, one) for unit in waiting), outcome)
                if one is not None and one.status not in ENDED:
                    self._on_job.setdefault(job_id, []).append(job)
        failed = set(map(id, outcome.failed))
        outcome.released = [unit for unit in waiting if unit.waits_for == 0 and id(unit) not in failed]
        return outcome

    def ended(self, unit: Unit) -> Outcome:
        """A unit has ended (and, if it was the last of its job, so has the job)."""
        outcome = Outcome()
        job = unit.job
        good = unit.status == SUCCEEDED
        for waiting in self._on_job.pop(unit.id, ()) if job.size is not None else ():
            self._settle(waiting.unended(), good, outcome)
        if unit.index is not None:
            for other in self._child_wise.get(job.id, ()):
                self._settle([other.unit(unit.index)], good, outcome)
            if any(not dependency.get("jobId") for dependency in job.spec.dependencies):
                self._settle([job.unit(unit.index + 1)], good, outcome)
        if job.ended():
            self._child_wise.pop(job.id, None)
            for waiting in self._on_job.pop(job.id, ()):
                self._settle(waiting.unended(), job.status == SUCCEEDED, outcome)
        return outcome

    def _before(self, unit: Unit) -> Unit | None:
        return unit.job.unit(unit.index - 1) if unit.index else None

    def _count(self, pairs: Iterable[tuple[Unit, Job | Unit | None]], outcome: Outcome) -> None:
        for unit, other in pairs:
            if other is None or other.status == SUCCEEDED:
                continue
            if other.status in ENDED:
                outcome.failed.append(unit)
            else:
                unit.waits_for += 1

    def _settle(self, units: Iterable[Unit | None], good: bool, outcome: Outcome) -> None:
        for unit in units:
            if unit is None or unit.status in ENDED:
                continue
            if not good:
                outcome.failed.append(unit)
                continue
            unit.waits_for -= 1
            if unit.waits_for == 0:
                outcome.released.append(unit)
