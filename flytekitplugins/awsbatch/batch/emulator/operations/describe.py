"""Jobs in the wire's shape: what DescribeJobs and ListJobs answer."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Mapping
from typing import Any

from ..arns import JOB, Arns
from ..compact_json import encode_compactly
from ..job_model import CANCEL, ENDED, TERMINATE, Attempt, Job, JobSpec, Unit
from ..store.job_rows import Summary

# Said of a job that was, and left out of others.
STOPPED: Mapping[str | None, str] = {CANCEL: "isCancelled", TERMINATE: "isTerminated"}
# The one container instance there is: this machine.
MACHINE = uuid.uuid5(uuid.NAMESPACE_DNS, platform.node()).hex
# Of how many jobs the encoded common part is kept.
KEPT = 2000


class Descriptions:
    """DescribeJobs' answers as JSON. Called under the service's lock.

    It is put together from parts, and what the children of an array have in common is encoded once for all of them: a
    hundred children of ten thousand must not cost a hundred times the encoding of one environment and one command.
    """

    def __init__(self, arns: Arns) -> None:
        self._arns = arns
        self._task = arns.ecs_arn("task", "")
        self._instance = arns.ecs_arn("container-instance", "")
        # By job id.
        self._common: dict[str, tuple[JobSpec, str]] = {}

    def text(self, target: Job | Unit) -> str:
        """A single job, the parent of an array, or a child."""
        unit: Unit | None
        if isinstance(target, Unit):
            job, unit = target.job, target
        else:
            job, unit = target, target.units[0] if target.size is None else None
        state = unit or job
        if unit is None:
            attempts, container = "", ""
            summary = f'"statusSummary":{encode_compactly(job.counts)},"statusSummaryLastUpdatedAt":{job.counted}'
            array = f',"arrayProperties":{{"size":{job.size},{summary}}}'
        else:
            attempts = ",".join([self._attempt(each, unit) for each in unit.attempts if each.stopped is not None])
            container = self._container(unit.attempts[-1], unit) if unit.attempts else ""
            array = "" if unit.index is None else f',"arrayProperties":{{"index":{unit.index},"statusSummary":{{}}}}'
        stopped = f',"{STOPPED[state.stop]}":true' if state.stop in STOPPED else ""
        # An attempt that still runs is the job's own; the list holds those that have ended.
        return (
            f'{self._common_text(job)}{container}}},"jobArn":"{self._arns.of(JOB, state.id)}","jobId":"{state.id}",'
            f'"status":"{state.status}","createdAt":{job.created}{_described_times(state)},"attempts":[{attempts}]'
            f"{array}{stopped}}}"
        )

    def _common_text(self, job: Job) -> str:
        """What never changes, up to where a container's own members follow."""
        known = self._common.get(job.id)
        # Tags may have changed, and with them the spec.
        if known is None or known[0] is not job.spec:
            if len(self._common) >= KEPT:
                self._common.clear()
            detail = dict(job.spec.detail)
            shared = encode_compactly(detail.pop("container"))
            known = self._common[job.id] = job.spec, f'{encode_compactly(detail)[:-1]},"container":{shared[:-1]}'
        return known[1]

    def _container(self, attempt: Attempt, unit: Unit) -> str:
        """Where an attempt ran, and how it ended.

        AttemptContainerDetail: "Each container attempt receives a task ARN when they reach the STARTING status", and a
        log stream in RUNNING: one that could not start has a task and no stream.
        """
        text = ""
        if attempt.stream is not None or attempt.stopped is not None:
            cluster = f"{attempt.environment}_Batch"
            task = attempt.stream[-32:] if attempt.stream is not None else _task_without_stream(attempt, unit)
            text = f',"taskArn":"{self._task}{cluster}/{task}"'
            if attempt.stream is not None:
                text += f',"logStreamName":"{attempt.stream}"'
            if not unit.job.spec.on_fargate:
                text += f',"containerInstanceArn":"{self._instance}{cluster}/{MACHINE}"'
        if attempt.exit_code is not None:
            text += f',"exitCode":{attempt.exit_code}'
        if attempt.reason is not None:
            text += f',"reason":{encode_compactly(attempt.reason)}'
        return text

    def _attempt(self, attempt: Attempt, unit: Unit) -> str:
        return f'{{"container":{{"networkInterfaces":[]{self._container(attempt, unit)}}}{_described_times(attempt)}}}'


def _task_without_stream(attempt: Attempt, unit: Unit) -> str:
    """The id of a task: nothing keeps it, so it has to be the same each time."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{unit.id}#{attempt.number}").hex


def _described_times(state: Job | Unit | Attempt) -> str:
    """Why and when it started and stopped, each member after a comma."""
    reason = state.status_reason if isinstance(state, Attempt) else state.reason
    text = "" if reason is None else f',"statusReason":{encode_compactly(reason)}'
    if state.started is not None:
        text += f',"startedAt":{state.started}'
    if state.stopped is not None:
        text += f',"stoppedAt":{state.stopped}'
    return text


def _present(**members: Any) -> dict[str, Any]:
    """The members that have a value: AWS leaves out the others."""
    return {name: value for name, value in members.items() if value is not None}


def list_jobs_summary_of_unit(unit: Unit, arns: Arns) -> dict[str, Any]:
    """A child as ListJobs shows it."""
    job, last = unit.job, unit.attempts[-1] if unit.attempts else None
    container = _present(exitCode=last.exit_code, reason=last.reason) if last is not None else {}
    share = job.spec.detail.get("shareIdentifier")
    summary = _summary(unit, job.spec.name, job.created, share, container, arns)
    return {**summary, "arrayProperties": {"index": unit.index}}


def list_jobs_summary_of_row(row: Summary, arns: Arns) -> dict[str, Any]:
    """A single job or the parent of an array as ListJobs shows it."""
    container = _present(exitCode=row.exit_code, reason=row.container_reason)
    summary = _summary(row, row.name, row.created, row.share, container, arns)
    return summary if row.size is None else {**summary, "arrayProperties": {"size": row.size}}


def _summary(
    state: Summary | Unit, name: str, created: int, share: str | None, container: dict[str, Any], arns: Arns
) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "jobArn": arns.of(JOB, state.id),
        "jobId": state.id,
        "jobName": name,
        "createdAt": created,
        "status": state.status,
        **_present(shareIdentifier=share, statusReason=state.reason, startedAt=state.started, stoppedAt=state.stopped),
    }
    if container and state.status in ENDED:
        summary["container"] = container
    if state.stop in STOPPED:
        summary[STOPPED[state.stop]] = True
    return summary
