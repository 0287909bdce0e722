"""The AWS Batch service behind a deployment: one in this process, or one at a URL.

The rest of `local` asks a Backend and never which of the two it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flytekitplugins.awsbatch.batch.api import BatchApi
from flytekitplugins.awsbatch.batch.emulator.execution.executors import container_engine
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container import ContainerExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_request import Folder
from flytekitplugins.awsbatch.batch.emulator.execution.executors.process import ProcessExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import Executor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.warm import WarmExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.launch import LaunchPolicy
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.propeller.aws_array.job_store import Changed, no_change_feed
from flytekitplugins.awsbatch.propeller.node.waiting import EventWait, PollWait, Wait

from ..all_settings import CONTAINER
from ..history.resume import ResumeError
from . import preload

if TYPE_CHECKING:
    from flytekitplugins.awsbatch.propeller.node.node_result import ChildFact

    from ..all_settings import Settings
    from ..home import Home

POLL_SECONDS = 1.0


class UnfinishedCall(Protocol):
    """A task call, for a deployment that closes before the call has ended."""

    @property
    def label(self) -> str: ...

    def abort(self) -> None:
        """Ends its job for good."""
        ...

    def interrupt(self) -> str:
        """Records the call so that it can be resumed; returns how far it came, for people."""
        ...


class Backend:
    """The service, and what `local` asks of it beyond AWS's own operations. As it stands, a service that runs its jobs
    and keeps their logs itself, somewhere else.

    :ivar elsewhere: whether jobs run on other machines, which do not see this one's files.
    :ivar from_images: whether a job starts from the image that its task names.
    """

    from_images = False

    def __init__(
        self, batch: BatchApi, wait: Wait, changed: Changed = no_change_feed, *, elsewhere: bool = True
    ) -> None:
        self.elsewhere = elsewhere
        self.batch = batch
        self.wait = wait
        self.changed = changed

    def start(self) -> None:
        """Begins to run jobs. Raises UnusableHomeError."""

    def ensure_queue(self, name: str) -> None:
        """Creates the job queue where queues are made on demand."""

    def stop(self, calls: Iterable[UnfinishedCall]) -> None:
        """Ends every process of this deployment's jobs. The jobs of `calls` are terminated where no later process could
        resume them."""
        for call in calls:
            call.abort()

    def adopt(self, job_id: str) -> None:
        """Has this process run a job that an earlier one submitted, where it is a process that runs jobs."""

    def resume_job(self, job_id: str) -> str:
        """Adopts the job; returns why it cannot be resumed, "" when it can. Raises ResumeError."""
        return ""

    def log_tail(self, child: ChildFact, lines: int) -> tuple[Path, str] | None:
        """The path of the log of a child's last attempt, and its end; None where there is none on this machine."""
        return None


def endpoint(url: str, settings: Settings) -> Backend:
    """The service at a URL."""
    from flytekitplugins.awsbatch.batch.aws import AwsBatch, on_this_machine

    # The account is the settings': whoever answers at a URL of one's own is not asked through AWS's STS.
    batch = AwsBatch(endpoint_url=url, region=settings.batch.region, account_id=settings.batch.account_id)
    return Backend(batch, PollWait(POLL_SECONDS), elsewhere=not on_this_machine(url))


class LocalBackend(Backend):
    """A service in this process. `service` is the local AWS Batch itself."""

    def __init__(self, settings: Settings, home: Home, launch: LaunchPolicy, warn: Callable[[str], None]) -> None:
        self.service = LocalBatch(
            home.batch,
            settings.batch,
            launch=launch,
            executors=executors(settings, home, warn),
            validate_shapes=False,
        )
        self._queues = [queue.dynamic for queue in settings.admin.queues if queue.dynamic]
        super().__init__(self.service, EventWait(self.service), self.service.changed, elsewhere=False)
        self.from_images = settings.local.isolation == CONTAINER

    def start(self) -> None:
        self.service.start()
        for queue in self._queues:
            self.service.ensure_queue(queue)

    def ensure_queue(self, name: str) -> None:
        self.service.ensure_queue(name)

    def stop(self, calls: Iterable[UnfinishedCall]) -> None:
        self.service.suspend()

    def adopt(self, job_id: str) -> None:
        self.service.adopt([job_id])

    def resume_job(self, job_id: str) -> str:
        adopted = self.service.adopt([job_id])
        known = self.service.calls.without_faults("DescribeJobs", {"jobs": [job_id]})["jobs"]
        if not known:
            return "the local AWS Batch does not know its job any more"
        if not adopted and known[0]["status"] not in ENDED:
            raise ResumeError(
                f"Job {job_id} is still run by another process. Look for what is left of the run that was interrupted, "
                f"and try again when it has gone."
            )
        return ""

    def log_tail(self, child: ChildFact, lines: int) -> tuple[Path, str] | None:
        if not child.log_streams:
            return None
        job_id, _, index = child.job_id.partition(":")
        tail = self.service.log_tail(job_id, int(index) if index else None, lines=lines)
        return Path(self.service.log_path(child.log_streams[-1])), tail


def executors(settings: Settings, home: Home, warn: Callable[[str], None]) -> list[Executor]:
    """A container per job; or a process, and for Flyte's own commands a warm interpreter to start it from.

    Raises NoEngineError.
    """
    local = settings.local
    if local.isolation == CONTAINER:
        return [container_executor(settings, home, warn)]
    process = ProcessExecutor()
    if local.isolation == "process":
        return [process]
    options = preload.PreloadOptions(everything=local.preload == "everything", fast_path=local.fast_path)
    return [WarmExecutor(preload.planner(options), process, isolation=local.isolation, warn=warn)]


def container_executor(settings: Settings, home: Home, warn: Callable[[str], None]) -> Executor:
    """Runs jobs in their own images. Of this machine they see the home's runs, and what was uploaded for them.

    Raises NoEngineError.
    """
    container = settings.batch.container
    client = container_engine.connect(container.engine)
    folders = (Folder(home.runs), Folder(home.uploads, read_only=True))
    return ContainerExecutor(client, container, folders=folders, warn=warn)
