"""Jobs in the wire's shape: what DescribeJobs and ListJobs answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.arns import JOB, Arns
from flytekitplugins.awsbatch.batch.emulator.model import CANCEL, ENDED, TERMINATE, Attempt, Job, Unit
from flytekitplugins.awsbatch.batch.emulator.store.jobs import Summary


def put(target: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Adds what there is; AWS leaves out what there is not."""
    target.update((name, value) for name, value in values.items() if value is not None)
    return target


def of_job(job: Job, arns: Arns) -> dict[str, Any]:
    """A single job, or the parent of an array."""
    if job.size is None:
        return of_unit(job.units[0], arns)
    answer = _common(job, job.id, job.status, arns)
    put(answer, statusReason=job.reason, startedAt=job.started, stoppedAt=job.stopped)
    answer["attempts"] = []
    answer["arrayProperties"] = {"size": job.size, "statusSummary": dict(job.counts)}
    return _stopping(answer, job.stop)


def of_unit(unit: Unit, arns: Arns) -> dict[str, Any]:
    """A single job, or a child of an array."""
    job = unit.job
    answer = _common(job, unit.id, unit.status, arns)
    put(answer, statusReason=unit.reason, startedAt=unit.started, stoppedAt=unit.stopped)
    # An attempt that still runs is the job's own; the list holds those that have ended.
    answer["attempts"] = [_attempt(attempt) for attempt in unit.attempts if attempt.stopped is not None]
    if unit.attempts:
        last = unit.attempts[-1]
        put(answer["container"], logStreamName=last.stream, exitCode=last.exit_code, reason=last.reason)
    if unit.index is not None:
        answer["arrayProperties"] = {"index": unit.index}
    return _stopping(answer, unit.stop)


def summary_of_unit(unit: Unit, arns: Arns) -> dict[str, Any]:
    job = unit.job
    answer: dict[str, Any] = {
        "jobArn": arns.of(JOB, unit.id),
        "jobId": unit.id,
        "jobName": job.spec.name,
        "createdAt": job.created,
        "status": unit.status,
        "jobDefinition": job.spec.definition,
    }
    put(answer, statusReason=unit.reason, startedAt=unit.started, stoppedAt=unit.stopped)
    if unit.attempts and unit.status in ENDED:
        last = unit.attempts[-1]
        answer["container"] = put({}, exitCode=last.exit_code, reason=last.reason)
    if unit.index is not None:
        answer["arrayProperties"] = {"index": unit.index}
    return _stopping(answer, unit.stop)


def summary_of_row(row: Summary, arns: Arns) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "jobArn": arns.of(JOB, row.id),
        "jobId": row.id,
        "jobName": row.name,
        "createdAt": row.created,
        "status": row.status,
        "jobDefinition": row.definition,
    }
    put(answer, statusReason=row.reason, startedAt=row.started, stoppedAt=row.stopped)
    if row.status in ENDED and row.size is None:
        container = put({}, exitCode=row.exit_code, reason=row.container_reason)
        if container:
            answer["container"] = container
    if row.size is not None:
        answer["arrayProperties"] = {"size": row.size}
    return answer


def _common(job: Job, job_id: str, status: str, arns: Arns) -> dict[str, Any]:
    answer = dict(job.spec.detail)
    container: Mapping[str, Any] = answer["container"]
    answer["container"] = dict(container)
    answer["jobArn"] = arns.of(JOB, job_id)
    answer["jobId"] = job_id
    answer["status"] = status
    answer["createdAt"] = job.created
    return answer


def _attempt(attempt: Attempt) -> dict[str, Any]:
    container = put({}, exitCode=attempt.exit_code, reason=attempt.reason, logStreamName=attempt.stream)
    return put(
        {"container": container},
        startedAt=attempt.started,
        stoppedAt=attempt.stopped,
        statusReason=attempt.status_reason,
    )


def _stopping(answer: dict[str, Any], stop: str | None) -> dict[str, Any]:
    answer["isCancelled"] = stop == CANCEL
    answer["isTerminated"] = stop == TERMINATE
    return answer
