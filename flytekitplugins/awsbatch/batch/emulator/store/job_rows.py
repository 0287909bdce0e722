"""Jobs, children and attempts in the database: whole jobs in and out, and batches of changes."""

from __future__ import annotations

import dataclasses
import json
import operator
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..compact_json import encode_compactly
from ..job_model import ARRAY_SIZES, ENDED, STATUSES, Attempt, Job, Unit
from ..job_spec import job_spec_of
from .database import DamagedRecordError, Database

SINGLE = -1
# In the order of their columns.
attempt_values = operator.attrgetter(*(each.name for each in dataclasses.fields(Attempt)))
UNENDED = ", ".join(f"'{status}'" for status in STATUSES if status not in ENDED)


class Summary(NamedTuple):
    """A job as ListJobs shows it."""

    seq: int
    id: str
    name: str
    definition: str
    size: int | None
    created: int
    status: str
    reason: str | None
    started: int | None
    stopped: int | None
    stop: str | None
    exit_code: int | None
    container_reason: str | None
    share: str | None


INSERT_JOB = """
INSERT INTO jobs (id, name, queue, definition, size, created, owner, remote, detail, status, reason, stop, started,
                  stopped)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
# To search a text costs a tenth of parsing it, and few jobs have a share.
SUMMARY = """
SELECT j.seq, j.id, j.name, j.definition, j.size, j.created, j.status, j.reason, j.started, j.stopped, j.stop,
       j.exit_code, j.container_reason,
       CASE WHEN instr(j.detail, '"shareIdentifier"') THEN json_extract(j.detail, '$.shareIdentifier') END
FROM jobs j
"""


class Changes(NamedTuple):
    """Rows to write, taken from live objects under the service's lock so that they can be written outside it."""

    jobs: list[tuple[Any, ...]]
    children: list[tuple[Any, ...]]
    attempts: list[tuple[Any, ...]]


def job_row_changes(jobs: Iterable[Job], units: Iterable[Unit]) -> Changes:
    changes = Changes([], [], [])
    for job in jobs:
        # A single job is listed with the end of its last attempt.
        last = job.units[0].attempts[-1] if job.size is None and job.units[0].attempts else None
        end = (last.exit_code, last.reason) if last is not None else (None, None)
        changes.jobs.append((job.status, job.reason, job.stop, job.started, job.stopped, job.owner, *end, job.sequence))
    for unit in units:
        place = unit.job.sequence, SINGLE if unit.index is None else unit.index
        if unit.index is not None:
            changes.children.append((unit.status, unit.reason, unit.stop, unit.started, unit.stopped, *place))
        # All of them, of which AWS allows ten: several may have ended since the last write.
        changes.attempts.extend((*place, *attempt_values(attempt)) for attempt in unit.attempts)
    return changes


class JobRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add_job(self, job: Job) -> None:
        """Writes a new job, children and all, in one transaction, and gives it its sequence."""
        spec = job.spec
        values = (
            *(job.id, spec.name, spec.queue, spec.definition, job.size, job.created, job.owner, job.remote),
            *(encode_compactly(spec.detail), job.status, job.reason, job.stop, job.started, job.stopped),
        )
        with self._database.transaction() as connection:
            sequence = connection.execute(INSERT_JOB, values).lastrowid
            assert sequence is not None
            job.sequence = sequence
            connection.executemany(
                "INSERT INTO children (job, idx, status, reason, stopped) VALUES (?, ?, ?, ?, ?)",
                [
                    (sequence, unit.index, unit.status, unit.reason, unit.stopped)
                    for unit in job.units
                    if unit.index is not None
                ],
            )

    def write_changes(self, changes: Changes) -> None:
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE jobs SET status = ?, reason = ?, stop = ?, started = ?, stopped = ?, owner = ?, exit_code = ?,"
                " container_reason = ? WHERE seq = ?",
                changes.jobs,
            )
            connection.executemany(
                "UPDATE children SET status = ?, reason = ?, stop = ?, started = ?, stopped = ?"
                " WHERE job = ? AND idx = ?",
                changes.children,
            )
            connection.executemany(
                "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", changes.attempts
            )

    def checkpoint(self) -> None:
        self._database.checkpoint()

    def retag_job_row(self, sequence: int, detail: dict[str, Any]) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE jobs SET detail = ? WHERE seq = ?", (encode_compactly(detail), sequence))

    def load_job(self, job_id: str) -> Job | None:
        """A whole job as it was last written, or None. Raises DamagedRecordError."""
        with self._database.reader() as connection:
            row = connection.execute(
                "SELECT id, detail, size, created, owner, status, remote, reason, stop, started, stopped, seq FROM jobs"
                " WHERE id = ?",
                (job_id,),
            ).fetchone()
            if row is None:
                return None
            children = connection.execute(
                "SELECT idx, status, reason, stop, started, stopped FROM children WHERE job = ? ORDER BY idx",
                (row[-1],),
            ).fetchall()
            attempts = connection.execute(
                "SELECT idx, number, stream, environment, started, stopped, exit_code, reason, status_reason,"
                " peak_memory, cpu_seconds FROM attempts WHERE job = ? ORDER BY idx, number",
                (row[-1],),
            ).fetchall()
        try:
            return _assemble(row, children, attempts)
        except (LookupError, TypeError, ValueError) as error:
            raise DamagedRecordError(f"the record of job {job_id} is damaged: {error}") from error

    def child_counts(self, sequence: int) -> tuple[dict[str, int], int]:
        """How many children of an array have each status, and when one of them last started or stopped."""
        sql = "SELECT status, count(*), max(coalesce(stopped, started, 0)) FROM children WHERE job = ? GROUP BY status"
        with self._database.reader() as connection:
            rows = connection.execute(sql, (sequence,)).fetchall()
        return dict.fromkeys(STATUSES, 0) | {row[0]: row[1] for row in rows}, max((row[2] for row in rows), default=0)

    def unended(self, owner: str | None = None) -> list[tuple[str, str, bool]]:
        """(id, owner, whether it came over HTTP) of the jobs that have not ended, oldest first."""
        mine = "" if owner is None else " AND owner = ?"
        with self._database.reader() as connection:
            rows = connection.execute(
                # The sign keeps SQLite from reading every job in that order.
                f"SELECT id, owner, remote FROM jobs WHERE status IN ({UNENDED}){mine} ORDER BY +seq",  # noqa: S608
                () if owner is None else (owner,),
            ).fetchall()
        return [(job_id, who, bool(remote)) for job_id, who, remote in rows]

    def job_row_summaries(
        self, queue: str, status: str | None, where: Sequence[tuple[str, Any]], before: int, limit: int
    ) -> list[Summary]:
        """Jobs of a queue, newest first, below a sequence number.

        :param where: SQL conditions on `j` and their values, from this package's constants.
        """
        pairs = [("j.queue = ?", queue), ("j.seq < ?", before), *where]
        if status is not None:
            pairs.append(("j.status = ?", status))
        conditions, values = [condition for condition, _ in pairs], [value for _, value in pairs]
        sql = f"{SUMMARY} WHERE {' AND '.join(conditions)} ORDER BY j.seq DESC LIMIT ?"
        with self._database.reader() as connection:
            return [Summary(*row) for row in connection.execute(sql, (*values, limit))]

    def job_rows_ended_before(self, moment: int) -> list[tuple[int, str]]:
        """(sequence, id) of the jobs that ended before a time in milliseconds."""
        with self._database.reader() as connection:
            return connection.execute("SELECT seq, id FROM jobs WHERE stopped < ?", (moment,)).fetchall()

    def log_streams(self, sequence: int) -> list[str]:
        with self._database.reader() as connection:
            rows = connection.execute(
                "SELECT stream FROM attempts WHERE job = ? AND stream IS NOT NULL", (sequence,)
            ).fetchall()
        return [row[0] for row in rows]

    def remove_job(self, sequence: int) -> None:
        with self._database.transaction() as connection:
            for table, column in (("attempts", "job"), ("children", "job"), ("jobs", "seq")):
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (sequence,))  # noqa: S608 - constants


def _assemble(row: sqlite3.Row | tuple[Any, ...], children: list[Any], attempts: list[Any]) -> Job:
    job_id, detail, size, created, owner, status, remote, reason, stop, started, stopped, sequence = row
    if size is not None and size not in ARRAY_SIZES:
        raise ValueError(f"it has {size} children, and an array has {ARRAY_SIZES[0]} to {ARRAY_SIZES[-1]}")
    job = Job(job_id, job_spec_of(json.loads(detail)), size, created, owner, status, bool(remote))
    job.reason, job.stop, job.started, job.stopped, job.sequence = reason, stop, started, stopped, sequence
    if size is None:
        unit = job.units[0]
        unit.reason, unit.stop, unit.started, unit.stopped = reason, stop, started, stopped
    for index, *rest in children:
        unit = job.units[index]
        unit.status, unit.reason, unit.stop, unit.started, unit.stopped = rest
    for index, *rest in attempts:
        job.units[0 if index == SINGLE else index].attempts.append(Attempt(*rest))
    job.counts = dict.fromkeys(STATUSES, 0) | Counter(unit.status for unit in job.units)
    if len(job.counts) > len(STATUSES):
        raise ValueError(f"it has a status that is none of {', '.join(STATUSES)}")
    job.counted = max(created, *(unit.stopped or unit.started or 0 for unit in job.units))
    return job
