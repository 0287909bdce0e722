"""Watches the jobs of an account, which does not report changes by itself, with few calls.

One look per job: DescribeJobs of the parent, whose `statusSummary` says whether anything changed. All jobs that are
waited for share it. Looks come every two seconds while things change and slow down to one in thirty. Which children
have changed is asked only when there is something to learn: ListJobs by status, then DescribeJobs of those alone. A
child that failed is looked up at once; what succeeded is listed when so much has that the pages cost little per child.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import machine_time
from .api import BatchCalls, BatchError

FIRST_LOOK, LONGEST_LOOK, SLOWER = 2.0, 30.0, 1.5
# The most that DescribeJobs and a page of ListJobs hold.
CHUNK = 100
# ListJobs pages a child that looks for what succeeded may cost by the time the child has ended.
PAGES_A_CHILD = 0.03
SUCCEEDED, FAILED, RUNNING = "SUCCEEDED", "FAILED", "RUNNING"
ENDED = (SUCCEEDED, FAILED)


@dataclass
class _Watched:
    """
    :ivar changes: how often its summary has changed.
    :ivar size: of an array; 0 for a single job, and before the first look.
    :ivar mark: what the last look saw; None before the first.
    :ivar known: children whose end DescribeJobs has reported.
    :ivar listed: how many of a status there were when they were last listed.
    :ivar pages: of ListJobs that looking for what succeeded has cost.
    """

    changes: int = 0
    status: str = ""
    size: int = 0
    summary: Mapping[str, int] = field(default_factory=dict)
    mark: object = None
    pause: float = 0.0
    due: float = 0.0
    waiting: int = 0
    known: set[int] = field(default_factory=set)
    listed: dict[str, int] = field(default_factory=dict)
    pages: int = 0

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def small(self) -> bool:
        """Whether one call describes the job and all its children."""
        return self.size < CHUNK

    def unknown(self) -> list[int]:
        """The children whose end is not known yet."""
        return [index for index in range(self.size) if index not in self.known]


class JobWatch(BatchCalls):
    """Passes calls on to `batch`. Implements `batch.api.JobEvents` too; any thread may use it.

    :param first, longest: seconds between two looks.
    """

    def __init__(
        self,
        batch: BatchCalls,
        *,
        first: float = FIRST_LOOK,
        longest: float = LONGEST_LOOK,
        clock: Callable[[], float] = machine_time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._batch = batch
        self._first = first
        self._longest = longest
        self._clock = clock
        self._sleep = sleep
        # Held during a look, so that one look serves all who wait.
        self._looking = threading.Lock()
        self._jobs: dict[str, _Watched] = {}
        # Answers of the last looks. Each is used once, in the round that follows.
        self._fresh: dict[str, tuple[float, dict[str, Any]]] = {}

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation == "DescribeJobs":
            return {"jobs": list(self._described(request["jobs"]))}
        if operation == "TerminateJob" and (job := self._jobs.get(request["jobId"])) is not None and job.ended:
            # AWS would do nothing; propeller terminates every job that it is done with.
            return {}
        return self._batch.call(operation, request)

    def summary(self, job_id: str) -> Mapping[str, int]:
        """How many children of an array are in which status, as of the last look; empty for anything else."""
        job = self._jobs.get(job_id)
        return job.summary if job is not None else {}

    def wait(self, job_id: str, seen: int, timeout: float, quiet: float = 0.0) -> int:
        """See `batch.api.JobEvents`. Raises UnreachableError."""
        job = self._job(job_id)
        until = self._clock() + timeout
        # A caller that asks for the first time has just looked.
        seen = job.changes if seen < 0 else seen
        job.waiting += 1
        try:
            while job.changes == seen:
                now = self._clock()
                if job.due >= until:
                    self._sleep(max(until - now, 0.0))
                    break
                if job.due > now:
                    self._sleep(job.due - now)
                with self._looking:
                    if job.due <= self._clock() and not self._look(job_id, job):
                        # The round that follows meets the refusal itself.
                        return seen + 1
        finally:
            job.waiting -= 1
        return job.changes

    def changed(self, job_id: str, seen: int) -> tuple[int, list[int]] | None:
        """See `batch.api.JobEvents`. Raises BatchError, UnreachableError."""
        job = self._job(job_id)
        if job.mark is None:
            with self._looking:
                self._look(job_id, job)
        if job.small:
            return None
        changes = job.changes
        if job.ended:
            return changes, job.unknown()
        try:
            return changes, sorted(self._news(job_id, job))
        except BatchError as error:
            if error.transient:
                raise
            # These credentials may not list jobs: all children are asked for.
            return changes, job.unknown()

    def _news(self, job_id: str, job: _Watched) -> set[int]:
        """The children that ListJobs says have ended, or run beside one that failed, and whose end is not known."""
        news: set[int] = set()
        counts = {status: job.summary.get(status, 0) for status in ENDED}
        if counts[FAILED] > job.listed.get(FAILED, 0):
            news.update(self._listed(job_id, FAILED))
            job.listed[FAILED] = counts[FAILED]
            if 0 < job.summary.get(RUNNING, 0) < CHUNK:
                news.update(self._listed(job_id, RUNNING))
        pages = -(-counts[SUCCEEDED] // CHUNK)
        allowed = PAGES_A_CHILD * sum(counts.values())
        if counts[SUCCEEDED] > job.listed.get(SUCCEEDED, 0) and job.pages + pages <= allowed:
            news.update(self._listed(job_id, SUCCEEDED))
            job.listed[SUCCEEDED] = counts[SUCCEEDED]
            job.pages += pages
        return news - job.known

    def _listed(self, job_id: str, status: str) -> Iterator[int]:
        asked: dict[str, Any] = {"arrayJobId": job_id, "jobStatus": status, "maxResults": CHUNK}
        for page in self._batch.all_pages("ListJobs", asked):
            yield from (int(one["arrayProperties"]["index"]) for one in page["jobSummaryList"])

    def _job(self, job_id: str) -> _Watched:
        return self._jobs.setdefault(job_id, _Watched())

    def _look(self, job_id: str, job: _Watched) -> bool:
        """Asks about a job, its children where they are few, and other jobs that somebody waits for. False when AWS
        refused; what it could not answer is asked again at the next look."""
        soon = self._clock() + self._first / 4
        others = [
            one for one, other in list(self._jobs.items()) if other.waiting and other.due <= soon and one != job_id
        ]
        ids = [job_id]
        for one in (job_id, *others):
            of_one = self._jobs[one]
            children = [f"{one}:{index}" for index in of_one.unknown()] if of_one.small else []
            more = [*([] if one == job_id else [one]), *children]
            if len(ids) + len(more) <= CHUNK:
                ids += more
        try:
            answer = self._batch.call("DescribeJobs", {"jobs": ids})
        except BatchError as error:
            self._put_off(job)
            return error.transient
        now = self._clock()
        self._fresh = {detail["jobId"]: (now, detail) for detail in answer["jobs"]}
        for detail in answer["jobs"]:
            self._take_over(detail)
        if job.due <= now:
            # AWS does not know it (yet).
            self._put_off(job)
        return True

    def _described(self, ids: Collection[str]) -> Iterator[dict[str, Any]]:
        """What the last look said of some jobs where that has just been, and else what AWS says now."""
        oldest = self._clock() - self._first
        with self._looking:
            found = {one: self._fresh.pop(one) for one in ids if one in self._fresh}
        known = {one: detail for one, (at, detail) in found.items() if at >= oldest}
        asked = [one for one in ids if one not in known and not self._is_no_job(one)]
        if asked:
            answer = self._batch.call("DescribeJobs", {"jobs": asked})
            with self._looking:
                for detail in answer["jobs"]:
                    self._take_over(detail)
                    known[detail["jobId"]] = detail
        return (known[one] for one in ids if one in known)

    def _is_no_job(self, job_id: str) -> bool:
        """Whether it names a child of a job that is no array, as the handler's store does."""
        name, colon, _ = job_id.partition(":")
        job = self._jobs.get(name)
        return bool(colon) and job is not None and job.mark is not None and not job.size

    def _take_over(self, detail: Mapping[str, Any]) -> None:
        job_id, _, index = detail["jobId"].partition(":")
        job = self._jobs.get(job_id)
        if job is None:
            return
        if index:
            if detail["status"] in ENDED:
                job.known.add(int(index))
            return
        properties = detail.get("arrayProperties") or {}
        job.size = int(properties.get("size", 0))
        job.status = detail["status"]
        job.summary = {status: count for status, count in properties.get("statusSummary", {}).items() if count}
        attempt_count = len(detail.get("attempts") or ())
        mark = (job.status, job.summary, attempt_count, detail.get("startedAt"), detail.get("statusReason"))
        if mark != job.mark:
            job.changes += job.mark is not None
            job.mark = mark
            job.pause = self._first
            job.due = self._clock() + job.pause
        else:
            self._put_off(job)

    def _put_off(self, job: _Watched) -> None:
        """The next look comes later than the last one did."""
        job.pause = min(max(job.pause * SLOWER, self._first), self._longest)
        job.due = self._clock() + job.pause
