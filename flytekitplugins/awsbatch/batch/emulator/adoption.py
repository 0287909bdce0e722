"""Taking over the unended jobs of services that died on the same home: the first step of a restart and of resuming a
run.

Children that had ended stay ended, also those whose end the dead service could not write any more: its supervisor's
journal has them. Interrupted attempts start again, and that costs the job no attempt: on AWS the service does not die
with its callers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from .arns import DEFINITION, name_in_arn, split_arn_revision
from .clock import Clock
from .execution import instance
from .execution.executors.protocol import Exited
from .job_model import ENDED, RUNNABLE, Attempt, Job, Unit, split_job_id
from .private_folders import remove_folder
from .scheduling import retry_rules
from .scheduling.engine import Engine
from .scheduling.job_table import JobTable
from .store.database import DamagedRecordError
from .store.job_rows import JobRows

log = logging.getLogger(__name__)

Exits = dict[str, Exited]


class Adoption:
    """:param root: the directory of all instances; None when the state is in memory, which no other service shares."""

    def __init__(self, root: Path | None, table: JobTable, engine: Engine, rows: JobRows, clock: Clock) -> None:
        self._root = root
        self._table = table
        self._engine = engine
        self._rows = rows
        self._clock = clock

    def adopt(
        self,
        job_ids: Iterable[str] | None,
        timeout: float,
        remote_only: bool = False,
        end: Callable[[str], object] | None = None,
    ) -> list[str]:
        """Returns the ids of the jobs taken over, oldest first. See `LocalBatch.adopt`.

        :param end: ends a job, before anything of it begins again.
        """
        if self._root is None or not self._engine.running:
            return []
        wanted = None if job_ids is None else set(job_ids)
        adopted: list[str] = []
        by_owner: dict[str, list[str]] = {}
        for job_id, owner, remote in self._rows.unended():
            if owner == self._table.owner or (remote_only and not remote):
                continue
            if wanted is None or job_id in wanted:
                by_owner.setdefault(owner, []).append(job_id)
        for owner, ids in by_owner.items():
            with instance.instance_folder_left_behind(self._root, owner, timeout) as directory:
                if directory is not None:
                    self._engine.end_left_behind(owner, directory)
                    exits = instance.exits_of_instance(directory)
                    adopted.extend(job_id for job_id in ids if self._take_over(job_id, owner, exits, end))
                    if not self._rows.unended(owner):
                        remove_folder(directory)
        return adopted

    def _take_over(self, job_id: str, owner: str, exits: Exits, end_job: Callable[[str], object] | None) -> bool:
        try:
            job = self._rows.load_job(job_id)
        except DamagedRecordError as error:
            log.error("%s; it is not taken over", error)
            return False
        # Another service may have taken it over between the list and the lock.
        if job is None or job.ended() or job.owner != owner:
            return False
        job.owner = self._table.owner
        with self._table.lock:
            self._table.note_job_change(job)
            for unit, number, stream, end in _recorded(job, exits):
                _make_last_attempt(unit, number, stream)
                unit.current.peak_memory, unit.current.cpu_seconds = end.peak_memory, end.cpu_seconds
                self._engine.end_attempt(
                    unit, retry_rules.retry_end_by_exit(end.exit_code, end.out_of_memory), int(end.at * 1000)
                )
            # Those whose last attempt has begun and has not ended.
            for unit in [one for one in job.unended() if one.attempts and one.current.stopped is None]:
                if unit.stop is None:
                    unit.attempts.pop()
                    unit.started = None
                    self._table.set_status(unit, RUNNABLE)
                else:
                    # It was asked to stop and runs no more.
                    self._engine.end_attempt(
                        unit, retry_rules.retry_end_by_exit(retry_rules.KILLED, False), self._clock.now_ms()
                    )
            # Under the same lock: the engine starts nothing of a job that is only to be ended.
            self._engine.add_job(job)
            if end_job is not None:
                end_job(job.id)
        self._engine.write_behind.write_behind_now()
        return True


def _recorded(job: Job, exits: Exits) -> list[tuple[Unit, int, str, Exited]]:
    """The ends of this job's attempts that the store does not know, in order: (unit, attempt's number, log stream,
    exit).
    """
    definition = split_arn_revision(name_in_arn(DEFINITION, job.spec.definition) or "")[0]
    found = []
    for key, end in exits.items():
        # Executors write keys of their own as well.
        unit_id, _, rest = key.partition("#")
        number, _, task = rest.partition("#")
        if not unit_id.startswith(job.id):
            continue
        parent, index = split_job_id(unit_id)
        unit = job.unit(index) if parent == job.id else None
        stream = f"{definition}/default/{task}"
        if unit is None or unit.status in ENDED:
            continue
        if any(attempt.stream == stream and attempt.stopped is not None for attempt in unit.attempts):
            continue
        found.append((unit, int(number), stream, end))
    return found


def _make_last_attempt(unit: Unit, number: int, stream: str) -> None:
    """Makes that attempt the unit's last one."""
    del unit.attempts[number:]
    if len(unit.attempts) < number:
        unit.attempts.append(Attempt(number, stream))
    unit.current.stream = stream
