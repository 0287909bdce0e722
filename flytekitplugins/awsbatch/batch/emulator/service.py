"""The local AWS Batch service: AWS's operations by boto3's names, in this process and on this machine.

It puts the parts together: requests are checked (`request_rules`, `shapes`), resolved (`job_submission`), stored
(`store`), run (`engine`) and described (`describe`). It needs no event loop and no signal handler, and you may call it
from any thread.
"""

from __future__ import annotations

import copy
import logging
import math
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..api import BatchCalls, BatchError
from .adoption import Adoption
from .arns import ENVIRONMENT, QUEUE, Arns, name_in_arn
from .clock import Clock
from .execution import instance as instances
from .execution.executors.process import ProcessExecutor
from .execution.executors.protocol import Executor
from .execution.job_start import Starter
from .execution.launch import LaunchPolicy, launch_policy_in_clean_environment
from .execution.log_files import Logs, LogStream, log_tail
from .faults import FaultPlan
from .job_model import Attempt, JobLook
from .operations import shapes
from .operations.context import Context
from .operations.dispatch import Dispatcher
from .operations.job_operations import DEPLOYMENT_QUEUE_TAG
from .private_folders import remove_folder
from .scheduling.capacity import capacity_of
from .scheduling.engine import Engine
from .scheduling.job_table import JobTable
from .scheduling.write_behind import WriteBehind
from .settings import BatchSettings
from .store.database import Database, UnusableHomeError
from .store.job_rows import JobRows
from .store.resources import Resources

log = logging.getLogger(__name__)

DATABASE = "batch.sqlite3"
LOCAL_ENVIRONMENT = "local"
# Seconds beyond the grace for which closing waits for jobs that were asked to end.
CLOSING = 5.0
# Seconds for which a start waits until the processes of a dead service have ended.
ADOPTION_TIMEOUT = 10.0
# For how long another process may hold the lock of a dead service, to look whether it is dead.
LOCK_PAUSE = 0.1


class LocalBatch(BatchCalls):
    """An AWS Batch on this machine. Implements `batch.api.JobEvents`.

    :param home: the directory that keeps the state (`batch.sqlite3`), logs and scratch directories; None keeps the
        state in memory and the rest in a temporary directory until `close`.
    :param launch: what jobs see of this machine; by default what any caller's jobs may see (see `launch.clean`).
    :param executor: runs the attempts; by default each is a process of its own.
    :param adopt: whether `start` takes over the unended jobs that came over HTTP to services that died on this home.
        Those of local runs wait for their runs to be resumed (see the method `adopt`).
    :param reading: whether it will only be asked, and never started: a home that cannot be written will do then.

    Raises UnusableHomeError when the home's database is of another version or damaged. You can read without `start`.
    """

    def __init__(
        self,
        home: Path | None,
        settings: BatchSettings = BatchSettings(),  # noqa: B008 - frozen
        *,
        launch: LaunchPolicy | None = None,
        executor: Executor | None = None,
        clock: Clock | None = None,
        adopt: bool = False,
        reading: bool = False,
    ) -> None:
        self.settings = settings
        self.faults = FaultPlan(settings.faults)
        self._temporary = Path(tempfile.mkdtemp(prefix="awsbatch-")) if home is None else None
        self.home = home or self._temporary or Path()
        self._adopt = adopt
        self._database = Database(None if home is None else home / DATABASE, reading=reading)
        self._instances = self.home / "instances"
        self._instance: instances.Instance | None = None
        self.logs = Logs(self.home / "logs")
        self._clock = clock or Clock()
        self._rows, resources = JobRows(self._database), Resources(self._database)
        self._table = JobTable(self._rows, self._clock)
        self._engine = Engine(
            table=self._table,
            write_behind=WriteBehind(self._table, self._rows, self._clock),
            starter=Starter(launch or launch_policy_in_clean_environment(), self.logs, settings, self._clock),
            capacity=lambda: capacity_of(resources.named(QUEUE), resources.named(ENVIRONMENT), settings),
            executor=executor or ProcessExecutor(),
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
        self.calls = Dispatcher(self._context, self.faults)
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
            self._instance = instances.create_instance(self._instances)
        except OSError as error:
            raise UnusableHomeError(f"{self.home} cannot be used as a home: {error}") from None
        self._table.owner = self._instance.name
        self._engine.start_engine(self._instance)
        try:
            self._remove_old()
        except sqlite3.Error as error:
            log.error("old jobs could not be removed: %s", error)
        if self._adopt:
            self._adoption.adopt(None, ADOPTION_TIMEOUT, remote_only=True)

    def close(self, terminate: bool = True) -> list[str]:
        """Ends the service and every process that it started. With `terminate` running jobs are asked to end first and
        have `kill_grace` seconds to do so, and every unended job fails; without, they are killed, and any service may
        adopt them. Returns the ids of the jobs left unended.
        """
        if self._closed:
            return []
        self._closed = True
        left: list[str] = []
        if self._instance is not None:
            if terminate:
                with self._table.lock:
                    job_ids = [job.id for job in self._table.unended()]
                for job_id in job_ids:
                    self._terminate(job_id, "the service was closed")
                self._engine.wait_ended(self.settings.kill_grace + CLOSING)
            self._engine.stop_engine()
            left = [job.id for job in self._table.unended()]
            try:
                self._engine.write_behind.write_behind_now()
                self._instance.remove_instance()
            except sqlite3.Error as error:
                log.error("the state of jobs could not be written (%s); their ends stay in a journal", error)
                self._instance.release_instance_lock()
        self._database.close_database()
        if self._temporary is not None:
            remove_folder(self._temporary)
        return left

    def __enter__(self) -> LocalBatch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def suspend(self) -> list[str]:
        """Closes the service so that its jobs can be taken over later. Running attempts are asked to end, have
        `kill_grace` seconds to do so, and are then killed; unless they succeed they start again with `adopt`, without
        the cost of an attempt. Returns the ids of the jobs left unended.
        """
        if self._instance is not None and not self._closed:
            self._instance.suspend()
            self._engine.suspend(self.settings.kill_grace + CLOSING)
        return self.close(terminate=False)

    def adopt(self, job_ids: Iterable[str] | None = None, timeout: float = ADOPTION_TIMEOUT) -> list[str]:
        """Takes over unended jobs (these, or all) of services that died on this home, and runs them to their end.

        Waits up to `timeout` seconds until the processes of a dead service have ended. Returns the ids taken over.
        """
        return self._adoption.adopt(job_ids, timeout)

    def adopt_and_end(self, job_id: str, reason: str) -> bool:
        """Takes over a job as `adopt` does, and terminates it before anything of it begins again; whether it was there
        to be taken over."""
        return bool(self._adoption.adopt([job_id], ADOPTION_TIMEOUT, end=lambda job: self._terminate(job, reason)))

    def _terminate(self, job_id: str, reason: str) -> None:
        self.calls.dispatch_without_faults("TerminateJob", {"jobId": job_id, "reason": reason})

    def still_runs(self, job_id: str) -> bool:
        """Whether the job has not ended and a living service, this or another one, runs it. Needs no `start`."""
        with self._table.lock:
            job = self._table.find(job_id)
            if job is None or job.ended():
                return False
            owner = job.owner
        if owner == self._table.owner:
            return True
        with instances.instance_folder_left_behind(self._instances, owner, 0) as directory:
            return directory is None

    def forget(self, job_ids: Iterable[str]) -> None:
        """Removes jobs, with their logs: those that have ended, and those of services that died. Needs no `start`."""
        for job_id in job_ids:
            job = self._rows.load_job(job_id)
            if job is None or (job.owner == self._table.owner and not job.ended()):
                continue
            with instances.instance_folder_left_behind(self._instances, job.owner, 0) as directory:
                if job.ended() or directory is not None:
                    self.logs.remove_streams(self._rows.log_streams(job.sequence))
                    self._rows.remove_job(job.sequence)
                    self._table.forget(job_id)

    def ensure_queue(self, name: str) -> str:
        """The ARN of a queue, made over the compute environment `local` when there is none of that name.

        That environment is of the settings' size or this machine's, and each service on a home sets it anew. Where the
        settings name none it stays as it is while another service lives, so that a run with no settings takes nothing
        from a service beside it.

        :param name: or its ARN.
        """
        name = name_in_arn(QUEUE, name) or name
        environments = self._context.resources.named(ENVIRONMENT)
        vcpus = math.ceil(self.settings.machine_vcpus)
        known = environments.get(LOCAL_ENVIRONMENT, {}).get("computeResources", {}).get("maxvCpus")
        if known is None:
            size: dict[str, Any] = {
                "type": "EC2",
                "minvCpus": 0,
                "maxvCpus": vcpus,
                "instanceTypes": ["optimal"],
                "subnets": [],
            }
            request = {"computeEnvironmentName": LOCAL_ENVIRONMENT, "type": "MANAGED", "computeResources": size}
            self._make("CreateComputeEnvironment", request)
        elif not self._sized and known != vcpus and (self.settings.vcpus or not self._others_live()):
            change = {"computeEnvironment": LOCAL_ENVIRONMENT, "computeResources": {"maxvCpus": vcpus}}
            self.calls.dispatch_without_faults("UpdateComputeEnvironment", change)
        self._sized = True
        if name not in self._context.resources.named(QUEUE):
            order = [{"order": 1, "computeEnvironment": LOCAL_ENVIRONMENT}]
            queue = {"jobQueueName": name, "priority": 1, "computeEnvironmentOrder": order}
            self._make("CreateJobQueue", {**queue, "tags": {DEPLOYMENT_QUEUE_TAG: "any"}})
        return self._context.arns.of(QUEUE, name)

    def _others_live(self) -> bool:
        """Whether another service on the same home lives."""
        for name in instances.instance_names_of_service(self._instances):
            if self._instance is None or name != self._instance.name:
                with instances.instance_folder_left_behind(self._instances, name, LOCK_PAUSE) as directory:
                    if directory is None:
                        return True
        return False

    def _make(self, operation: str, request: dict[str, Any]) -> None:
        """Makes a resource, unless another service on the same home has made it in the meantime."""
        try:
            self.calls.dispatch_without_faults(operation, request)
        except BatchError as error:
            if "already exists" not in error.message:
                raise

    def _remove_old(self) -> None:
        """Removes jobs that ended longer ago than the retention, what dead instances have left running, and the
        directories of those without jobs.
        """
        before = self._clock.now_ms() - int(self.settings.retention_days * 86_400_000)
        for sequence, job_id in self._rows.job_rows_ended_before(before):
            self.logs.remove_streams(self._rows.log_streams(sequence))
            self._rows.remove_job(sequence)
            self._table.forget(job_id)
        owners = {owner for _, owner, _ in self._rows.unended()}
        for name in instances.instance_names_of_service(self._instances):
            with instances.instance_folder_left_behind(self._instances, name, 0) as directory:
                if directory is not None:
                    self._engine.end_left_behind(name, directory)
                    if name not in owners:
                        remove_folder(directory)

    def wait(self, job_id: str, seen: int, timeout: float, quiet: float = 0.0) -> int:
        """See `batch.api.JobEvents`."""
        return self._table.wait(job_id, seen, timeout, quiet)

    def changed(self, job_id: str, seen: int) -> tuple[int, list[int]] | None:
        """See `batch.api.JobEvents`. Not known while faults are set: answers may be false on purpose then."""
        return None if self.faults.active_faults() else self._table.job_changed_since(job_id, seen)

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        shapes.check_request(operation, request)
        return self.calls.call(operation, request)

    def log_streams(self, job_id: str, index: int | None = None) -> list[LogStream]:
        """The log streams of a single job or of one child, one per attempt, the oldest first."""
        return [
            LogStream(attempt.stream, self.logs.path(attempt.stream), attempt.number)
            for attempt in self.attempts(job_id, index)
            if attempt.stream is not None
        ]

    def attempts(self, job_id: str, index: int | None = None) -> list[Attempt]:
        """The attempts of a single job or of one child, the oldest first, with the memory and the computing time that
        they took, which DescribeJobs does not tell. Empty for what is not known. Needs no `start`.
        """
        with self._table.lock:
            job = self._table.find(job_id)
            unit = job.unit(index) if job is not None else None
            return [copy.copy(attempt) for attempt in unit.attempts] if unit is not None else []

    def look(self, job_id: str) -> JobLook | None:
        """A job as it is now, with all its children and their attempts, in one piece: DescribeJobs would have to be
        called for every hundred of them. None for what is not known. Needs no `start`.
        """
        with self._table.lock:
            job = self._table.find(job_id)
            if job is None:
                return None
            # What has ended stays as it is.
            units = tuple(
                (unit.status, unit.reason, tuple(a if a.stopped is not None else copy.copy(a) for a in unit.attempts))
                for unit in job.units
            )
            return JobLook(
                status=job.status,
                size=job.size,
                created=job.created,
                detail=job.spec.detail,
                units=units,
                reason=job.reason,
                started=job.started,
                stopped=job.stopped,
                counts={} if job.size is None else {status: count for status, count in job.counts.items() if count},
            )

    def version(self) -> tuple[int, int]:
        """Changes with every change of a job, made by this service or by another process on the same home."""
        return self._table.changes, self._database.version()

    def log_tail(self, job_id: str, index: int | None = None, lines: int = 20) -> str:
        """The last lines of the last attempt's log, empty when there is none."""
        streams = self.log_streams(job_id, index)
        return log_tail(streams[-1].path, lines) if streams else ""
