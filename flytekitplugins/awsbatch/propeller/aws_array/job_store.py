"""The job store: what AWS last said about each job and its children (`awsbatch/jobs_store.go`).

Keyed by job name. Refreshing asks for the parent and every child that has not ended, in chunks; once the parent has
ended it asks for nothing, which is where several of Flyte's hangs come from.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..propeller_settings import HandlerSettings
from .phases import TaskPhase

if TYPE_CHECKING:
    from ...batch.api import BatchCalls

# AWS's word for a job's state -> the subtask's phase. Whether a failure is permanent is the monitor's to say.
_PHASES: Mapping[str, TaskPhase] = {
    "SUBMITTED": TaskPhase.QUEUED,
    "PENDING": TaskPhase.QUEUED,
    "RUNNABLE": TaskPhase.QUEUED,
    "STARTING": TaskPhase.QUEUED,
    "RUNNING": TaskPhase.RUNNING,
    "SUCCEEDED": TaskPhase.SUCCESS,
    "FAILED": TaskPhase.RETRYABLE_FAILURE,
}


def job_store_phase(status: str) -> TaskPhase:
    """UNDEFINED for a word that AWS does not use, in another case too (`jobPhaseToPluginsPhase`)."""
    return _PHASES.get(status, TaskPhase.UNDEFINED)


Times = tuple[int | None, int | None, int | None]


@dataclass
class Job:
    """A job, or a child of one. `log_streams` has one entry per attempt, "" where it had no stream.

    :param tries: attempts as AWS lists them.
    :param known: whether AWS's last answer about it had it.
    :param has_outputs: whether outputs.pb was there when it was looked for. :param has_error: the same of error.pb.
    :param seen: how many changes the store has taken over, where a service counts them.
    :param times: when it was created, started and stopped, in milliseconds since the epoch, as AWS says.
    """

    id: str = ""
    phase: TaskPhase = TaskPhase.UNDEFINED
    message: str = ""
    log_streams: tuple[str, ...] = ()
    children: list[Job] = field(default_factory=list)
    tries: int = 0
    known: bool = True
    has_outputs: bool = False
    has_error: bool = False
    seen: int = -1
    times: Times = (None, None, None)

    @classmethod
    def submitted(cls, job_id: str, size: int) -> Job:
        """A job of which nothing is known yet, with as many children as the array has (at least none)."""
        return cls(job_id, children=[cls(phase=TaskPhase.NOT_READY) for _ in range(size)])

    @property
    def attempt_count(self) -> int:
        """Flyte's count: AWS's attempts, plus one when the current log stream belongs to none of them."""
        return len(self.log_streams)


def update_job_in_store(job: Job, detail: Mapping[str, Any]) -> None:
    """Takes over what AWS says about a job (`updateJob`).

    The current log stream counts as an attempt of its own unless an attempt has it - and so does no stream at all.
    """
    words: list[str] = []
    status = detail.get("status")
    if status is None:
        words.append("JobID in AWS BATCH has no Status")
    else:
        job.phase = job_store_phase(status)
    reason = detail.get("statusReason")
    if reason is not None:
        words.append(reason)
    streams: list[str] = []
    last = ""
    for attempt in detail.get("attempts") or ():
        stream, last = _container(attempt)
        streams.append(stream)
    current, exit_reason = _container(detail)
    if not current or current not in streams:
        streams.append(current)
    words.append(last or exit_reason)
    job.tries = len(detail.get("attempts") or ())
    job.log_streams = tuple(streams)
    job.message = " - ".join(words)
    job.times = detail.get("createdAt"), detail.get("startedAt"), detail.get("stoppedAt")


def _container(source: Mapping[str, Any]) -> tuple[str, str]:
    """(log stream, exit reason) of an attempt or of a job's current container."""
    container = source.get("container") or {}
    reason = container.get("reason") or ""
    code = container.get("exitCode")
    if code is not None:
        reason += f" exit({code})"
    return container.get("logStreamName") or "", reason


Changed = Callable[[str, int], tuple[int, list[int]] | None]


def job_store_without_change_feed(job_id: str, seen: int) -> None:
    """The answer of a service that counts no changes: every child is asked for."""


class JobStore:
    """Children that have not ended are asked for even when their parent has, but for `fidelity: strict`.

    :param changed: which children have changed (`batch.api.JobEvents.changed`): the others are not asked for, as the
        answer is known.
    """

    def __init__(
        self, client: BatchCalls, settings: HandlerSettings, changed: Changed = job_store_without_change_feed
    ) -> None:
        self._client = client
        self._settings = settings.batch.job_store_config
        self._ask_after_end = not settings.strict
        self._changed = changed
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def get(self, name: str) -> Job | None:
        job = self._jobs.get(name)
        if job is not None:
            self._jobs.move_to_end(name)
        return job

    def get_or_create(self, name: str, job_id: str, size: int) -> Job:
        """The job of this name; one of which nothing is known yet when it is not in the store."""
        job = self.get(name)
        if job is None:
            job = self._jobs[name] = Job.submitted(job_id, size)
            while len(self._jobs) > self._settings.cache_size:
                self._jobs.popitem(last=False)
        return job

    def settled(self, name: str) -> bool:
        """Whether a refresh would ask AWS for nothing."""
        job = self.get(name)
        if job is None or not job.phase.terminal:
            return job is None
        return not self._ask_after_end or all(child.phase.terminal for child in job.children)

    def refresh(self, name: str) -> None:
        """Asks AWS about one job and its children, unless the store holds the parent as ended.

        What earlier chunks said stays when a later one fails. Raises BatchError.
        """
        job = self.get(name)
        if job is None or not job.children or self.settled(name):
            return
        wanted = {} if job.phase.terminal else {job.id: job}
        news = self._changed(job.id, job.seen)
        children = range(len(job.children)) if news is None else news[1]
        for index in children:
            child = job.children[index]
            if not child.phase.terminal:
                wanted[f"{job.id}:{index}"] = child
        answered: set[str] = set()
        for chunk in _chunks(list(wanted), self._settings.batch_chunk_size):
            answer = self._client.describe_jobs(jobs=chunk)
            for detail in answer["jobs"]:
                found = wanted.get(detail["jobId"])
                if found is None:
                    continue
                answered.add(detail["jobId"])
                update_job_in_store(found, detail)
                # AWS has no arrays of one: the job itself stands for its only child.
                if len(found.children) == 1:
                    only = found.children[0]
                    only.phase, only.message = found.phase, found.message
                    only.log_streams, only.tries, only.times = found.log_streams, found.tries, found.times
        for job_id, asked in wanted.items():
            asked.known = job_id in answered
        if news is not None:
            job.seen = news[0]


def _chunks(ids: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
