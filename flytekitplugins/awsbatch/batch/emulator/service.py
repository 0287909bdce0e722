"""The local AWS Batch service: AWS's operations by boto3's names, in this process and on this machine.

It puts the parts together: requests are judged (`rules`, `shapes`), resolved (`submission`), stored (`store`), run
(`engine`) and described (`describe`). It needs no event loop and no signal handler, and may be called from any
thread.
"""

from __future__ import annotations

import logging
import math
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from flytekitplugins.awsbatch.batch.api import BatchCalls, BatchError
from flytekitplugins.awsbatch.batch.emulator.adoption import Adoption
from flytekitplugins.awsbatch.batch.emulator.arns import ENVIRONMENT, QUEUE, Arns, name_of
from flytekitplugins.awsbatch.batch.emulator.clock import Clock, SystemClock
from flytekitplugins.awsbatch.batch.emulator.emulator_settings import BatchSettings
from flytekitplugins.awsbatch.batch.emulator.execution import instance as instances
from flytekitplugins.awsbatch.batch.emulator.execution.executors.process import ProcessExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import Executor
from flytekitplugins.awsbatch.batch.emulator.execution.job_start import Starter
from flytekitplugins.awsbatch.batch.emulator.execution.launch import LaunchPolicy, clean
from flytekitplugins.awsbatch.batch.emulator.execution.logs import Logs, LogStream, tail
from flytekitplugins.awsbatch.batch.emulator.faults import FaultPlan
from flytekitplugins.awsbatch.batch.emulator.operations.context import Context
from flytekitplugins.awsbatch.batch.emulator.operations.dispatch import Dispatcher
from flytekitplugins.awsbatch.batch.emulator.operations.jobs import ANY_SHARE_TAG
from flytekitplugins.awsbatch.batch.emulator.scheduling.capacity import MEMORY_TAG, capacity_of
from flytekitplugins.awsbatch.batch.emulator.scheduling.engine import Engine
from flytekitplugins.awsbatch.batch.emulator.scheduling.job_table import JobTable
from flytekitplugins.awsbatch.batch.emulator.scheduling.write_behind import WriteBehind
from flytekitplugins.awsbatch.batch.emulator.store.database import Database, UnusableHomeError
from flytekitplugins.awsbatch.batch.emulator.store.job_rows import JobRows
from flytekitplugins.awsbatch.batch.emulator.store.resources import Resources

log = logging.getLogger(__name__)

DATABASE = "batch.sqlite3"
LOCAL_ENVIRONMENT = "local"
# What closing waits beyond the grace for jobs that were asked to end.
CLOSING = 5.0
# What a start waits for a dead service's processes to be gone.
ADOPTION_TIMEOUT = 10.0


class LocalBatch(BatchCalls):
    """An AWS Batch on this machine. Implements `batch.api.BatchApi` and `batch.api.JobEvents`.

    :param home: the directory that keeps the state (`batch.sqlite3`), logs and scratch directories; None keeps the
        state in memory and the rest in a temporary directory until `close`.
    :param launch: what jobs see of this machine; by default what anybody's jobs may (see `launch.clean`).
    :param executors: the first that accepts a process runs it; by default every attempt is a process of its own.
    :param adopt: whether `start` takes over the unended jobs that came over HTTP to services that died on this home.
        Those of local runs wait for their runs to be resumed (see the method `adopt`).
    :param validate_shapes: whether requests are held against botocore's service model before AWS's own rules;
        importing it costs a tenth of a second.

    Raises UnusableHomeError when the home's database is of another version or damaged. Reading needs no `start`.
    """

    def __init__(
        self,
        home: Path | None,
        settings: BatchSettings = BatchSettings(),  # noqa: B008 - frozen
        *,
        launch: LaunchPolicy | None = None,
        executors: Sequence[Executor] | None = None,
        clock: Clock | None = None,
        adopt: bool = False,
        validate_shapes: bool = True,
    ) -> None:
        self.settings = settings
        self.faults = FaultPlan(settings.faults)
        self._temporary = Path(tempfile.mkdtemp(prefix="awsbatch-")) if home is None else None
        self.home = home or self._temporary or Path()
        self._adopt = adopt
        self._database = Database(None if home is None else home / DATABASE)
        self._instances = self.home / "instances"
        self._instance: instances.Instance | None = None
        self.logs = Logs(self.home / "logs")
        self._clock = clock or SystemClock()
        self._rows, resources = JobRows(self._database), Resources(self._database)
        self._table = JobTable(self._rows, self._clock)
        executors = (ProcessExecutor(),) if executors is None else executors
        self._engine = Engine(
            table=self._table,
            write_behind=WriteBehind(self._table, self._rows, self._clock),
            starter=Starter(launch or clean(), executors, self.logs, settings, self._clock),
            capacity=lambda: capacity_of(resources.named(QUEUE), resources.named(ENVIRONMENT), settings),
            executors=executors,
            faults=self.faults,
            clock=self._clock,
            kill_grace=settings.kill_grace,
        )
        self.faults.on_change = self._engine.try_misfits_again
        arns = Arns(settings.region, settings.account_id)
        self._context = Context(arns, settings, resources, self._rows, self._table, self._engine, self._clock)
        self._adoption = Adoption(
            None if home is None else self._instances, self._table, self._engine, self._rows, self._clock
        )
        self.calls = Dispatcher(self._context, self.faults, validate_shapes)
        self._closed = False
        self._sized = False

    @property
    def region(self) -> str:
        return self.settings.region

    @property
    def account_id(self) -> str:
        return self.settings.account_id

    def start(self) -> None:
        """Begins to run jobs. Raises UnusableHomeError when the home cannot be written."""
        try:
            self._instance = instances.create(self._instances)
        except OSError as error:
            raise UnusableHomeError(f"{self.home} cannot be used as a home: {error}") from error
        self._table.owner = self._instance.name
        self._engine.start(self._instance)
        self._remove_old()
        if self._adopt:
            self._adoption.adopt(None, ADOPTION_TIMEOUT, remote_only=True)

    def close(self, terminate: bool = True) -> list[str]:
        """Leaves no process behind. With `terminate` running jobs are asked to end first and have the grace to do so,
        and every unended job fails; without, they are killed and anybody's to adopt. Returns the ids of the jobs left
        unended.
        """
        if self._closed:
            return []
        self._closed = True
        left: list[str] = []
        if self._instance is not None:
            if terminate:
                self.terminate_all("the service was closed")
                self._engine.wait_ended(self.settings.kill_grace + CLOSING)
            self._engine.close()
            left = [job.id for job in self._table.unended()]
            try:
                self._engine.write_behind.write_now()
                self._instance.close()
            except sqlite3.Error as error:
                log.error("the state of jobs could not be written (%s); their ends stay in a journal", error)
                self._instance.leave()
        self._database.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
        return left

    def __enter__(self) -> LocalBatch:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def suspend(self) -> list[str]:
        """Closes the service such that its jobs can be taken over later. Running attempts are asked to end, have the
        grace to do so, and are killed then; unless they succeed they start again with `adopt`, at no attempt's cost.
        Returns the ids of the jobs left unended.
        """
        if self._instance is not None and not self._closed:
            self._instance.suspend()
            self._engine.suspend()
            self._engine.wait_idle(self.settings.kill_grace + CLOSING)
        return self.close(terminate=False)

    def terminate_all(self, reason: str) -> list[str]:
        """Terminates every unended job of this service; returns their ids."""
        with self._table.lock:
            job_ids = [job.id for job in self._table.unended()]
        for job_id in job_ids:
            self.calls.without_faults("TerminateJob", {"jobId": job_id, "reason": reason})
        return job_ids

    def adopt(self, job_ids: Iterable[str] | None = None, timeout: float = 10.0) -> list[str]:
        """Takes over unended jobs (these, or all) of services that died on this home, and goes on with them.

        Waits up to `timeout` seconds for what a dead service had started to be gone. Returns the ids taken over.
        """
        return self._adoption.adopt(job_ids, timeout)

    def goes_on(self, job_id: str) -> bool:
        """Whether a living service, this or another one, has the job and it has not ended. Needs no `start`."""
        with self._table.lock:
            job = self._table.find(job_id)
            if job is None or job.ended():
                return False
            owner = job.owner
        if owner == self._table.owner:
            return True
        with instances.left_behind(self._instances, owner, 0) as directory:
            return directory is None

    def forget(self, job_ids: Iterable[str]) -> None:
        """Removes jobs, with their logs: those that have ended, and those of services that died. Needs no `start`."""
        for job_id in job_ids:
            job = self._rows.load(job_id)
            if job is None or (job.owner == self._table.owner and not job.ended()):
                continue
            with instances.left_behind(self._instances, job.owner, 0) as directory:
                if job.ended() or directory is not None:
                    self.logs.remove(self._rows.streams(job.sequence))
                    self._rows.remove(job.sequence)
                    self._table.forget(job_id)

    def ensure_queue(self, name: str, *, vcpus: float = 0, memory: int = 0, priority: int = 1) -> str:
        """The ARN of a queue, made with a compute environment when there is none of that name.

        Queues share the environment `local`, which is of the settings' size or this machine's, unless they say their
        own (MiB). A size that the settings name is set anew by each service on a home; without one it stays as it is,
        so that a run with no settings takes nothing from a service beside it.

        :param name: or its ARN.
        """
        name = name_of(QUEUE, name) or name
        if not self._sized:
            self._sized = True
            self._resize_local()
        if name not in self._context.resources.named(QUEUE):
            environment = f"{name}-environment" if vcpus or memory else LOCAL_ENVIRONMENT
            if environment not in self._context.resources.named(ENVIRONMENT):
                self._make("CreateComputeEnvironment", self._environment(environment, vcpus, memory))
            order = [{"order": 1, "computeEnvironment": environment}]
            request = {"jobQueueName": name, "priority": priority, "computeEnvironmentOrder": order}
            self._make("CreateJobQueue", {**request, "tags": {ANY_SHARE_TAG: "any"}})
        return self._context.arns.of(QUEUE, name)

    def _resize_local(self) -> None:
        known = (
            self._context.resources.named(ENVIRONMENT)
            .get(LOCAL_ENVIRONMENT, {})
            .get("computeResources", {})
            .get("maxvCpus")
        )
        wanted = self._environment(LOCAL_ENVIRONMENT, 0, 0)["computeResources"]["maxvCpus"]
        if self.settings.vcpus and known not in (None, wanted):
            size = {"computeEnvironment": LOCAL_ENVIRONMENT, "computeResources": {"maxvCpus": wanted}}
            self.calls.without_faults("UpdateComputeEnvironment", size)

    def _environment(self, name: str, vcpus: float, memory: int) -> dict[str, Any]:
        request: dict[str, Any] = {
            "computeEnvironmentName": name,
            "type": "MANAGED",
            "computeResources": {
                "type": "EC2",
                "minvCpus": 0,
                "maxvCpus": math.ceil(vcpus or self.settings.machine_vcpus),
                "instanceTypes": ["optimal"],
                "subnets": [],
            },
        }
        if memory:
            request["tags"] = {MEMORY_TAG: str(memory)}
        return request

    def _make(self, operation: str, request: dict[str, Any]) -> None:
        """Another service on the same home may have made it in the meantime."""
        try:
            self.calls.without_faults(operation, request)
        except BatchError as error:
            if "already exists" not in error.message:
                raise

    def _remove_old(self) -> None:
        """Forgets jobs that ended longer ago than the retention, and what dead instances without jobs left."""
        before = self._clock.now_ms() - int(self.settings.retention_days * 86_400_000)
        for sequence, job_id in self._rows.ended_before(before):
            self.logs.remove(self._rows.streams(sequence))
            self._rows.remove(sequence)
            self._table.forget(job_id)
        owners = {owner for _, owner, _ in self._rows.unended()}
        for name in instances.names(self._instances):
            if name not in owners:
                with instances.left_behind(self._instances, name, 0) as directory:
                    if directory is not None:
                        shutil.rmtree(directory, ignore_errors=True)

    def wait(self, job_id: str, seen: int, timeout: float, quiet: float = 0.0) -> int:
        """See `batch.api.JobEvents`."""
        return self._table.wait(job_id, seen, timeout, quiet)

    def changed(self, job_id: str, seen: int) -> tuple[int, list[int]] | None:
        """See `batch.api.JobEvents`. Where answers may be false on purpose, they are to be asked for."""
        return None if self.faults.active() else self._table.changed_since(job_id, seen)

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        return self.calls(operation, request)

    def log_streams(self, job_id: str, index: int | None = None) -> list[LogStream]:
        """The streams of a single job or of one child, an attempt each, the oldest first."""
        with self._table.lock:
            job = self._table.find(job_id)
            unit = job.unit(index) if job is not None else None
            attempts = list(unit.attempts) if unit is not None else []
        return [
            LogStream(attempt.stream, self.logs.path(attempt.stream), attempt.number)
            for attempt in attempts
            if attempt.stream is not None
        ]

    def log_path(self, stream: str) -> Path:
        """Raises ValueError for what is no stream's name."""
        return self.logs.path(stream)

    def log_tail(self, job_id: str, index: int | None = None, attempt: int | None = None, lines: int = 20) -> str:
        """The last lines of an attempt's log (the last attempt's), empty when there is none."""
        streams = [each for each in self.log_streams(job_id, index) if attempt in (None, each.attempt)]
        return tail(streams[-1].path, lines) if streams else ""
