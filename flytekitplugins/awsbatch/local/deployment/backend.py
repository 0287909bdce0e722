"""The AWS Batch service behind a deployment: one in this process, or (`account_backend`) one somewhere else.

The rest of `local` asks a Backend and never which of the two it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from flytekitplugins.awsbatch.batch.api import BatchCalls
from flytekitplugins.awsbatch.batch.emulator.execution.executors.process import ProcessExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import Executor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.warm import WarmExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.launch import LaunchPolicy
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.propeller.aws_array.handler import ABORTED
from flytekitplugins.awsbatch.propeller.aws_array.job_store import Changed, job_store_without_change_feed
from flytekitplugins.awsbatch.propeller.node.waiting import EventWait, Wait

from ..all_settings import CONTAINER
from ..console.stopping import JobsLeft
from ..history.resume import ResumeError
from . import preload

if TYPE_CHECKING:
    from flytekitplugins.awsbatch.account.walk import TaskNeed
    from flytekitplugins.awsbatch.propeller.node.node_result import ChildFact

    from ..all_settings import Settings
    from ..home import Home
    from ..run.call import Call

# The value of `FLYTE_AWSBATCH`, and of a run's record, that means AWS itself.
AWS = "aws"


class Backend:
    """The service, and what `local` asks of it beyond AWS's own operations.

    :ivar endpoint: `aws`, or a URL; None: the service is in this process.
    :ivar lag: see `Submissions`.
    :ivar elsewhere: whether jobs run on other machines, which do not see this one's files.
    :ivar from_images: whether a job starts from the image that its task names.
    """

    from_images = False

    def __init__(
        self,
        batch: BatchCalls,
        wait: Wait,
        changed: Changed = job_store_without_change_feed,
        *,
        endpoint: str | None = None,
        lag: Sequence[float] = (),
        elsewhere: bool = False,
    ) -> None:
        self.elsewhere = elsewhere
        self.batch = batch
        self.wait = wait
        self.changed = changed
        self.endpoint = endpoint
        self.lag = lag

    @property
    def jobs_left(self) -> JobsLeft:
        """What becomes of unended jobs when the deployment closes."""
        return JobsLeft.ENDED

    def start(self) -> None:
        """Begins to run jobs. Raises UnusableHomeError."""

    def ensure_queue(self, name: str) -> None:
        """Creates the job queue where queues are made on demand."""

    def check_queues(self, queues: Sequence[str]) -> None:
        """Checks, before anything is sent, that the queues that an execution may get take jobs. Raises
        NotReadyError."""

    def check_task(self, need: TaskNeed, role: str) -> None:
        """Checks, before a job is sent, that it can run there in this role. Raises NotReadyError."""

    def hurry(self) -> None:
        """The user wants to leave: from now on no call is waited for. A signal's handler calls it."""

    def lose(self) -> None:
        """The service cannot be asked any more: its jobs are left as they are."""

    def stop(self, calls: Iterable[Call]) -> None:
        """Ends every process of this deployment's jobs, or aborts `calls` where the jobs are somewhere else."""

    def adopt(self, job_id: str) -> None:
        """Takes over a job that an earlier process submitted, if the service is in this process."""

    def end_job(self, job_id: str) -> None:
        """Ends a job that an earlier process submitted."""
        self.batch.terminate_job(jobId=job_id, reason=ABORTED)

    def resume_job(self, job_id: str) -> str:
        """Adopts the job; returns why it cannot be resumed, "" when it can. Raises ResumeError."""
        return ""

    def children_by_status(self, job_id: str) -> Mapping[str, int]:
        """Of an array as AWS counts them; empty where the handler's own counts are as new."""
        return {}

    def why_queued(self, job_id: str, queue: str, seconds: float) -> str:
        """Why nothing of a job has started for so many seconds; "" where there is nothing to say beyond what AWS says
        of the job itself."""
        return ""

    def log_tail(self, child: ChildFact, lines: int) -> tuple[str, str] | None:
        """Where the log of a child's last attempt is, for people, and its end; None where it cannot be read."""
        return None

    def console_link(self, job_id: str, children: int) -> str:
        """The page of a job in AWS's console; "" where there is none."""
        return ""


class LocalBackend(Backend):
    """A service in this process. `service` is the local AWS Batch itself."""

    def __init__(self, settings: Settings, home: Home, launch: LaunchPolicy, warn: Callable[[str], None]) -> None:
        self.service = LocalBatch(
            home.batch,
            settings.batch,
            launch=launch,
            executor=_backend_executor(settings, home, warn),
        )
        self._queues = [queue.dynamic for queue in settings.admin.queues if queue.dynamic]
        self._stopped = threading.Event()
        wait = EventWait(self.service, sleep=self._stopped.wait)
        # Not the service itself, which checks a request's shape by botocore's model: importing that costs a tenth of a
        # second, and the handler's requests are right.
        super().__init__(self.service.calls, wait, self.service.changed)
        self.from_images = settings.local.isolation == CONTAINER

    def start(self) -> None:
        self.service.start()
        for queue in self._queues:
            self.service.ensure_queue(queue)

    def ensure_queue(self, name: str) -> None:
        self.service.ensure_queue(name)

    def stop(self, calls: Iterable[Call]) -> None:
        self._stopped.set()
        self.service.suspend()

    def adopt(self, job_id: str) -> None:
        self.service.adopt([job_id])

    def end_job(self, job_id: str) -> None:
        if not self.service.adopt_and_end(job_id, ABORTED):
            super().end_job(job_id)

    def resume_job(self, job_id: str) -> str:
        adopted = self.service.adopt([job_id])
        known = self.service.calls.dispatch_without_faults("DescribeJobs", {"jobs": [job_id]})["jobs"]
        if not known:
            return "the local AWS Batch does not know its job any more"
        if not adopted and known[0]["status"] not in ENDED:
            raise ResumeError(
                f"Job {job_id} is still run by another process. Look for a process that is left of the interrupted "
                f"run, and try again when it has gone."
            )
        return ""

    def log_tail(self, child: ChildFact, lines: int) -> tuple[str, str] | None:
        if not child.log_streams:
            return None
        job_id, _, index = child.job_id.partition(":")
        tail = self.service.log_tail(job_id, int(index) if index else None, lines=lines)
        return str(self.service.logs.path(child.log_streams[-1])), tail


def _backend_executor(settings: Settings, home: Home, warn: Callable[[str], None]) -> Executor:
    """A container per job; or a process, and for Flyte's own commands a warm interpreter to start it from.

    Raises NoEngineError.
    """
    local = settings.local
    if local.isolation == CONTAINER:
        return backend_container_executor(settings, home, warn)
    process = ProcessExecutor()
    if local.isolation == "process":
        return process
    options = preload.PreloadOptions(everything=local.preload == "everything", fast_path=local.fast_path)
    keep = local.keep_interpreters
    return WarmExecutor(preload.preload_planner(options), process, isolation=local.isolation, keep=keep, warn=warn)


def backend_container_executor(settings: Settings, home: Home, warn: Callable[[str], None]) -> Executor:
    """Runs jobs in their own images. Of this machine they see the home's runs, and what was uploaded for them.

    Raises NoEngineError.
    """
    # They import docker, which only jobs in containers need.
    from flytekitplugins.awsbatch.batch.emulator.execution.executors import container_engine
    from flytekitplugins.awsbatch.batch.emulator.execution.executors.container import ContainerExecutor
    from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_request import Folder

    container = settings.batch.container
    client = container_engine.connect_engine(container.engine)
    folders = (Folder(home.runs), Folder(home.uploads, read_only=True))
    return ContainerExecutor(client, container, folders=folders, warn=warn)
