"""AWS Batch in an account, or a service that answers like it at a URL: its jobs run somewhere else, outlive this
process, and log to CloudWatch.

The two are one backend. A URL says where to ask, and the settings whose the account is; AWS is asked for both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from flytekitplugins.awsbatch.account.walk import TaskNeed
from flytekitplugins.awsbatch.batch.api import BatchCalls, BatchError, UnreachableError
from flytekitplugins.awsbatch.batch.aws import AwsBatch
from flytekitplugins.awsbatch.batch.definition_reuse import ReusedDefinitions
from flytekitplugins.awsbatch.batch.job_logs import CloudWatchLogs, log_streams_of_job
from flytekitplugins.awsbatch.batch.job_watch import FIRST_LOOK, LONGEST_LOOK, JobWatch
from flytekitplugins.awsbatch.batch.rate_limits import Budgets, RateLimit
from flytekitplugins.awsbatch.propeller.node.waiting import EventWait

from ..all_settings import CONTAINER, DETACH
from ..console.stopping import JobsLeft
from .account_check import AccountCheck
from .backend import AWS, Backend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flytekitplugins.awsbatch.propeller.node.node_result import ChildFact
    from flytekitplugins.awsbatch.propeller.propeller_settings import RateLimiterSettings

    from ..all_settings import Settings
    from ..run.call import Call

# Seconds between two looks at a job of a service on this machine.
FIRST_LOCAL_LOOK, LONGEST_LOCAL_LOOK = 0.1, 2.0
# After this many of the shortest looks ListJobs surely has a job, and an ended job's last lines are in its log.
LAG = (0.5, 1.5)
LATE_LINES = 5
# After this many of the longest looks the handler has a round although nothing has changed.
ROUND_LOOKS = 4
# A job may wait for this many of the shortest looks before AWS is asked why.
LONG_IN_QUEUE = 30
NO_REASON = (
    "no child has started yet, and AWS gives no reason. It may wait for machines, or behind other jobs of its queue; "
    "`flyte-awsbatch doctor` looks at the account."
)
_NO_TAGS = "batch:TagResource"


class AccountBatch(BatchCalls):
    """The calls of a run, as `Submissions` makes them."""

    def __init__(self, client: AwsBatch, watch: JobWatch, warn: Callable[[str], None]) -> None:
        self._client = client
        self._watch = watch
        self._warn = warn

    @property
    def region(self) -> str:
        return self._client.region

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._watch.call(operation, request)
        except BatchError as error:
            if operation != "SubmitJob" or "tags" not in request or _NO_TAGS not in error.message:
                raise
        self._warn(f"These credentials lack the permission {_NO_TAGS}: jobs are sent without tags.")
        untagged = {name: value for name, value in request.items() if name != "tags"}
        return self._watch.call(operation, untagged)


class AccountBackend(Backend):
    """:param endpoint: `aws`, or the URL of a service."""

    def __init__(self, endpoint: str, settings: Settings, warn: Callable[[str], None]) -> None:
        url = None if endpoint == AWS else endpoint
        plugin = settings.handler.batch
        self._client = AwsBatch(
            settings.batch.region,
            endpoint_url=url,
            budgets=Budgets(_limit(plugin.get_rate_limiter), _limit(plugin.default_rate_limiter)),
            retries=settings.handler.aws.retries,
            warn=warn,
        )
        first, longest = _looks_of(self._client)
        self._watch = JobWatch(ReusedDefinitions(self._client), first=first, longest=longest)
        self._check = AccountCheck(settings, url)
        self._logs = CloudWatchLogs(self._client.call_cloudwatch_logs)
        self._warn = warn
        self._look = first
        self._detach = settings.local.on_interrupt == DETACH
        self._lost = threading.Event()
        self._stopped = threading.Event()
        # When to ask again why a job has not started, by its id: each time after twice as long.
        self._why_at: dict[str, float] = {}
        super().__init__(
            AccountBatch(self._client, self._watch, warn),
            EventWait(self._watch, timeout=ROUND_LOOKS * longest, sleep=self._stopped.wait),
            self._watch.changed,
            endpoint=endpoint,
            lag=account_backend_lag(self._client),
            elsewhere=not self._client.local,
        )
        # Behind a URL, and on this machine, an image is a name unless the settings say that jobs run in containers.
        self.from_images = (endpoint == AWS and self.elsewhere) or settings.local.isolation == CONTAINER

    @property
    def jobs_left(self) -> JobsLeft:
        return JobsLeft.RUNNING if self._detach or self._lost.is_set() else JobsLeft.TERMINATED

    def check_queues(self, queues: Sequence[str]) -> None:
        self._check.check_queues(queues)

    def check_task(self, need: TaskNeed, role: str) -> None:
        self._check.check_task(need, role)

    def hurry(self) -> None:
        self._client.hurry()

    def lose(self) -> None:
        self._lost.set()

    def stop(self, calls: Iterable[Call]) -> None:
        self._stopped.set()
        self.hurry()
        refused = False
        for call in calls:
            if self.jobs_left is JobsLeft.RUNNING:
                return
            try:
                call.abort()
            except UnreachableError as error:
                self.lose()
                self._warn(f"{error}. Its jobs could not be terminated.")
            except BatchError as error:
                refused = True
                self._warn(f"{call.label}: its job could not be terminated: {error}")
        if refused:
            self.lose()

    def resume_job(self, job_id: str) -> str:
        for seconds in (*self.lag, None):
            if self._client.describe_jobs(jobs=[job_id])["jobs"]:
                return ""
            if seconds is not None:
                time.sleep(seconds)
        return "AWS Batch does not know its job any more"

    def children_by_status(self, job_id: str) -> Mapping[str, int]:
        return self._watch.summary(job_id)

    def why_queued(self, job_id: str, queue: str, seconds: float) -> str:
        if seconds < self._why_at.get(job_id, LONG_IN_QUEUE * self._look):
            return ""
        self._why_at[job_id] = 2 * seconds
        first = f"{job_id}:0" if self._watch.summary(job_id) else job_id
        try:
            known = self._client.describe_jobs(jobs=[first])["jobs"]
        except BatchError:
            return ""
        if not known or known[0]["status"] not in ("PENDING", "RUNNABLE"):
            return ""
        return known[0].get("statusReason") or next(iter(self._check.faults(queue)), NO_REASON)

    def log_tail(self, child: ChildFact, lines: int) -> tuple[str, str] | None:
        try:
            known = self._client.describe_jobs(jobs=[child.job_id])["jobs"]
            streams = log_streams_of_job(known[0]) if known else []
            if not streams or streams[-1].elsewhere:
                return None
            stream = streams[-1]
            found = self._logs.tail_of_job_log(stream, lines)
            for _ in range(LATE_LINES):
                if found:
                    break
                time.sleep(self._look)
                found = self._logs.tail_of_job_log(stream, lines)
        except (BatchError, UnreachableError) as error:
            self._warn(f"The log of a job could not be read: {error}")
            return None
        return f"CloudWatch {stream.group} {stream.name}", "\n".join(found)

    def console_link(self, job_id: str, children: int) -> str:
        if self.endpoint != AWS:
            return ""
        page = "array-job" if children > 1 else "detail"
        region = self._client.region
        return f"https://{region}.console.aws.amazon.com/batch/home?region={region}#jobs/{page}/{job_id}"


def _looks_of(client: AwsBatch) -> tuple[float, float]:
    """The shortest and the longest time between two looks at a job, in seconds."""
    return (FIRST_LOCAL_LOOK, LONGEST_LOCAL_LOOK) if client.local else (FIRST_LOOK, LONGEST_LOOK)


def account_backend_lag(client: AwsBatch) -> list[float]:
    """See `Submissions`."""
    return [looks * _looks_of(client)[0] for looks in LAG]


def _limit(settings: RateLimiterSettings) -> RateLimit:
    return RateLimit(settings.rate, settings.burst)
