"""Jobs in the wire's shape: what DescribeJobs and ListJobs answer."""

from __future__ import annotations

import functools
import json
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

encoded = functools.lru_cache(maxsize=1024)(json.dumps)


class Descriptions:
    """DescribeJobs' answers, as JSON text or as mappings. Called under the service's lock.

    Text is put together from parts, and what the children of an array have in common is encoded once for all of them:
    a hundred children of ten thousand must not cost a hundred times the encoding of one environment and one command.
    """

    def __init__(self, arns: Arns) -> None:
        self._arns = arns
        self._task = arns.ecs_arn("task", "")
        self._instance = arns.ecs_arn("container-instance", "")
        # By job id: the text of what never changes, up to where a container's own members follow.
        self._common: dict[str, tuple[JobSpec, str]] = {}

    def text(self, target: Job | Unit) -> str:
        """A single job, the parent of an array, or a child, as JSON."""
        job, container, members = self._parts(target)
        known = self._common.get(job.id)
        # Tags may have changed, and with them the spec.
        if known is None or known[0] is not job.spec:
            if len(self._common) >= KEPT:
                self._common.clear()
            detail = dict(job.spec.detail)
            shared = encode_compactly(detail.pop("container"))
            known = self._common[job.id] = job.spec, f'{encode_compactly(detail)[:-1]},"container":{shared[:-1]}'
        return f"{known[1]}{container}}},{members}}}"

    def mapping(self, target: Job | Unit) -> dict[str, Any]:
        """The same as a mapping."""
        job, container, members = self._parts(target)
        detail = job.spec.detail
        own = json.loads(f"{{{container[1:]}}}")
        return {**detail, **json.loads(f"{{{members}}}"), "container": {**detail["container"], **own}}

    def _parts(self, target: Job | Unit) -> tuple[Job, str, str]:
        """The job, what is added to its container (each member after a comma), and the members beside it."""
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
            job,
            container,
            f'"jobArn":"{self._arns.of(JOB, state.id)}","jobId":"{state.id}","status":"{state.status}",'
            f'"createdAt":{job.created}{_described_times(state)},"attempts":[{attempts}]{array}{stopped}',
        )

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
            text += f',"reason":{encoded(attempt.reason)}'
        return text

    def _attempt(self, attempt: Attempt, unit: Unit) -> str:
        return f'{{"container":{{"networkInterfaces":[]{self._container(attempt, unit)}}}{_described_times(attempt)}}}'


def _task_without_stream(attempt: Attempt, unit: Unit) -> str:
    """The id of a task: nothing keeps it, so it has to be the same each time."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{unit.id}#{attempt.number}").hex


def _described_times(state: Job | Unit | Attempt) -> str:
    """Why and when it started and stopped, each member after a comma."""
    reason = state.status_reason if isinstance(state, Attempt) else state.reason
    text = "" if reason is None else f',"statusReason":{encoded(reason)}'
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
    row = Summary(
        seq=job.sequence,
        id=unit.id,
        name=job.spec.name,
        definition=job.spec.definition,
        size=None,
        created=job.created,
        status=unit.status,
        reason=unit.reason,
        started=unit.started,
        stopped=unit.stopped,
        stop=unit.stop,
        exit_code=last.exit_code if last else None,
        container_reason=last.reason if last else None,
        share=job.spec.detail.get("shareIdentifier"),
    )
    return {**list_jobs_summary_of_row(row, arns), "arrayProperties": {"index": unit.index}}


def list_jobs_summary_of_row(row: Summary, arns: Arns) -> dict[str, Any]:
    """A single job or the parent of an array as ListJobs shows it."""
    summary: dict[str, Any] = {
        "jobArn": arns.of(JOB, row.id),
        "jobId": row.id,
        "jobName": row.name,
        "createdAt": row.created,
        "status": row.status,
        **_present(shareIdentifier=row.share, statusReason=row.reason, startedAt=row.started, stoppedAt=row.stopped),
    }
    container = _present(exitCode=row.exit_code, reason=row.container_reason)
    if container and row.status in ENDED:
        summary["container"] = container
    if row.size is not None:
        summary["arrayProperties"] = {"size": row.size}
    if row.stop in STOPPED:
        summary[STOPPED[row.stop]] = True
    return summary
