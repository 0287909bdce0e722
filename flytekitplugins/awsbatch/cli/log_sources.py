"""Where the log of a job is read from: the files of the home's local AWS Batch, or an account's CloudWatch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flytekitplugins.awsbatch.batch.aws import AwsBatch
from flytekitplugins.awsbatch.batch.emulator.execution.log_files import LogStream
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.job_logs import CloudWatchLogs, JobStream, log_streams_of_job

BLOCK = 1 << 16
# Seconds for which CloudWatch is asked for a stream that must be there soon, or for the last lines of an ended job.
LATE = 10.0


# Takes pieces of a log.
Show = Callable[[bytes], None]
Stream = LogStream | JobStream


class LocalLog:
    """The log of one job, or of one child of an array, that ran here.

    :ivar poll: how many seconds to wait between two looks.
    """

    poll = 0.3

    def __init__(self, batch: LocalBatch, job: str) -> None:
        self._batch = batch
        self._job = job
        self._id, _, index = job.partition(":")
        self._index = int(index) if index else None

    def status(self) -> str:
        """AWS's word."""
        return str(self._batch.describe_jobs(jobs=[self._job])["jobs"][0]["status"])

    def still_runs(self) -> bool:
        """Whether the job may still run, so that its log may grow."""
        return self._batch.still_runs(self._id)

    def streams(self) -> list[LogStream]:
        """One for each attempt that has one, the oldest first."""
        return self._batch.log_streams(self._id, self._index)

    def copy(self, stream: Any, position: Any, show: Show, *, wait: bool) -> Any:
        """Shows what a stream has from a position on (None: from the beginning) and returns where it ends now.

        :param wait: whether lines that come late are waited for.
        """
        try:
            with stream.path.open("rb") as file:
                file.seek(position or 0)
                while block := file.read(BLOCK):
                    show(block)
                return file.tell()
        except FileNotFoundError:
            return position

    def place(self, stream: Any) -> str:
        """Where the log lies: a path or a link."""
        return str(stream.path)


class AccountLog:
    """The same of a job in an account. Raises BatchError, UnreachableError."""

    poll = 2.0

    def __init__(self, client: AwsBatch, job: str) -> None:
        self._client = client
        self._job = job
        self._logs = CloudWatchLogs(client.call_cloudwatch_logs)
        if client.local:
            self.poll = 0.3
        self._detail: dict[str, Any] = {}

    def status(self) -> str:
        (self._detail,) = self._client.describe_jobs(jobs=[self._job])["jobs"]
        return str(self._detail["status"])

    def still_runs(self) -> bool:
        return True

    def streams(self) -> list[JobStream]:
        return log_streams_of_job(self._detail)

    def copy(self, stream: Any, position: Any, show: Show, *, wait: bool) -> Any:
        until = time.monotonic() + (min(LATE, 5 * self.poll) if wait else 0)
        lines, position = self._logs.read(stream, position)
        while not lines and time.monotonic() < until:
            time.sleep(self.poll / 2)
            lines, position = self._logs.read(stream, position)
        show("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
        return position

    def place(self, stream: Any) -> str:
        return f"CloudWatch {stream.group} {stream.name}" if not stream.elsewhere else f"log driver {stream.elsewhere}"


LogSource = LocalLog | AccountLog
