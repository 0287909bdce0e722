"""Jobs in the wire's shape: what DescribeJobs and ListJobs answer. Pure."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Mapping
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.arns import JOB, Arns
from flytekitplugins.awsbatch.batch.emulator.job_model import CANCEL, ENDED, TERMINATE, Attempt, Job, Unit
from flytekitplugins.awsbatch.batch.emulator.store.job_rows import Summary

STOPPED: Mapping[str | None, str] = {CANCEL: "isCancelled", TERMINATE: "isTerminated"}
# The one container instance there is: this machine.
MACHINE = uuid.uuid5(uuid.NAMESPACE_DNS, platform.node()).hex


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
    answer["attempts"] = [_attempt(attempt, job, arns) for attempt in unit.attempts if attempt.stopped is not None]
    if unit.attempts:
        answer["container"].update(_container(unit.attempts[-1], job, arns))
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
    if unit.stop in STOPPED:
        answer[STOPPED[unit.stop]] = True
    return answer


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
    if row.stop in STOPPED:
        answer[STOPPED[row.stop]] = True
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


def _container(attempt: Attempt, job: Job, arns: Arns) -> dict[str, Any]:
    """What an attempt adds to a container: where it ran, and how it ended."""
    container: dict[str, Any] = {}
    if attempt.stream is not None:
        cluster = f"{attempt.environment}_Batch"
        container["taskArn"] = arns.ecs("task", f"{cluster}/{attempt.stream.rpartition('/')[2]}")
        if "FARGATE" not in job.spec.detail.get("platformCapabilities", ()):
            container["containerInstanceArn"] = arns.ecs("container-instance", f"{cluster}/{MACHINE}")
    return put(container, exitCode=attempt.exit_code, reason=attempt.reason, logStreamName=attempt.stream)


def _attempt(attempt: Attempt, job: Job, arns: Arns) -> dict[str, Any]:
    return put(
        {"container": {**_container(attempt, job, arns), "networkInterfaces": []}},
        startedAt=attempt.started,
        stoppedAt=attempt.stopped,
        statusReason=attempt.status_reason,
    )


def _stopping(answer: dict[str, Any], stop: str | None) -> dict[str, Any]:
    """DescribeJobs says both always; ListJobs only what is so."""
    for how, shown in STOPPED.items():
        answer[shown] = stop == how
    return answer
