"""DescribeJobs' answer as JSON text, put together from parts: what the children of an array share is encoded once.

The same answer as `describe`, member by member (a test holds that). A hundred children of ten thousand must not cost a
hundred times the encoding of one environment and one command.
"""

from __future__ import annotations

import functools
import json

from flytekitplugins.awsbatch.batch.emulator.arns import JOB, Arns
from flytekitplugins.awsbatch.batch.emulator.compact_json import compact
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED, Attempt, Job, Unit
from flytekitplugins.awsbatch.batch.emulator.operations.describe import MACHINE, STOPPED

# Jobs whose common part is kept, and units whose whole text is (some 2 KB each).
KEPT = 2000
KEPT_TEXTS = 5000

encoded = functools.lru_cache(maxsize=1024)(json.dumps)


class Rendering:
    """What is the same in all units of a job.

    :ivar head: the members that never change, and the beginning of `container`, up to where a unit's own follow.
    """

    def __init__(self, job: Job, arns: Arns) -> None:
        detail = dict(job.spec.detail)
        # A container has members at all times: a unit's own may follow after a comma.
        container = compact(detail.pop("container"))[:-1]
        self.spec = job.spec
        self.head = f'{compact(detail)[:-1]},"createdAt":{job.created},"container":{container}'
        self.arn = arns.of(JOB, job.id)
        cluster = arns.ecs("task", "")
        self.task = f',"taskArn":"{cluster}'
        fargate = "FARGATE" in detail.get("platformCapabilities", ())
        self.instance = None if fargate else arns.ecs("container-instance", "")

    def unit(self, unit: Unit) -> str:
        """A single job, or a child of an array."""
        suffix = "" if unit.index is None else f":{unit.index}"
        parts = [self.head]
        if unit.attempts:
            parts.append(self._ran(unit.attempts[-1]))
        parts.append(f'}},"jobArn":"{self.arn}{suffix}","jobId":"{unit.job.id}{suffix}","status":"{unit.status}"')
        parts.append(self._times(unit.reason, unit.started, unit.stopped))
        ended = ",".join([self._attempt(attempt) for attempt in unit.attempts if attempt.stopped is not None])
        parts.append(f',"attempts":[{ended}]')
        if unit.index is not None:
            parts.append(f',"arrayProperties":{{"index":{unit.index}}}')
        parts.append(STOPPING[unit.stop])
        return "".join(parts)

    def parent(self, job: Job) -> str:
        """The parent of an array."""
        return "".join(
            (
                self.head,
                f'}},"jobArn":"{self.arn}","jobId":"{job.id}","status":"{job.status}"',
                self._times(job.reason, job.started, job.stopped),
                f',"attempts":[],"arrayProperties":{{"size":{job.size},"statusSummary":{compact(job.counts)}}}',
                STOPPING[job.stop],
            )
        )

    def _times(self, reason: str | None, started: int | None, stopped: int | None) -> str:
        text = "" if reason is None else f',"statusReason":{encoded(reason)}'
        if started is not None:
            text += f',"startedAt":{started}'
        if stopped is not None:
            text += f',"stoppedAt":{stopped}'
        return text

    def _ran(self, attempt: Attempt) -> str:
        """The members that an attempt adds to a container, each after a comma."""
        text = ""
        if attempt.stream is not None:
            cluster = f"{attempt.environment}_Batch"
            text = f'{self.task}{cluster}/{attempt.stream[-32:]}"'
            if self.instance is not None:
                text += f',"containerInstanceArn":"{self.instance}{cluster}/{MACHINE}"'
        if attempt.exit_code is not None:
            text += f',"exitCode":{attempt.exit_code}'
        if attempt.reason is not None:
            text += f',"reason":{encoded(attempt.reason)}'
        if attempt.stream is not None:
            text += f',"logStreamName":"{attempt.stream}"'
        return text

    def _attempt(self, attempt: Attempt) -> str:
        times = self._times(attempt.status_reason, attempt.started, attempt.stopped)
        return f'{{"container":{{"networkInterfaces":[]{self._ran(attempt)}}}{times}}}'


STOPPING = {
    stop: "".join(f',"{shown}":{"true" if stop == how else "false"}' for how, shown in STOPPED.items()) + "}"
    for stop in (None, "cancel", "terminate", "timeout")
}


class Renderer:
    """Keeps the renderings of the jobs described last. Under the service's lock."""

    def __init__(self, arns: Arns) -> None:
        self._arns = arns
        self._kept: dict[str, Rendering] = {}
        # Of ended units, which do not change any more.
        self._texts: dict[Unit, str] = {}

    def render(self, target: Job | Unit) -> str:
        job = target if isinstance(target, Job) else target.job
        kept = self._kept.get(job.id)
        # Tags may have changed, and with them the spec.
        if kept is None or kept.spec is not job.spec:
            if kept is not None:
                self._texts.clear()
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            kept = self._kept[job.id] = Rendering(job, self._arns)
        if isinstance(target, Job):
            if job.size is not None:
                return kept.parent(job)
            target = job.units[0]
        if target.status not in ENDED:
            return kept.unit(target)
        text = self._texts.get(target)
        if text is None:
            while len(self._texts) >= KEPT_TEXTS:
                del self._texts[next(iter(self._texts))]
            text = self._texts[target] = kept.unit(target)
        return text
