"""`logs`: the log of a job, or of a child of an array, as it is or as it grows."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import rich_click as click

from flytekitplugins.awsbatch.batch.emulator.execution.logs import LogStream
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import HomeError

from .common import fail_command, json_option, print_json
from .home_access import batch_of_home, failing, job_named, the_home

POLL_SECONDS = 0.3


@click.command()
@click.argument("job", metavar="JOB[:INDEX]")
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; the last, unless given.")
@click.option("-f", "--follow", is_flag=True, help="Print the log as it grows, until the job ends.")
@json_option
def logs(job: str, attempt: int | None, follow: bool, as_json: bool) -> None:
    """The log of a job, or of a child of an array.

    JOB is a job's id or the beginning of it (`flyte-awsbatch jobs` lists them), INDEX the child's place in the array.
    """
    job_id, _, index = job.partition(":")
    if ":" in job and not index.isdecimal():
        raise click.UsageError(f"{job!r}: expected JOB or JOB:INDEX.")
    if follow and as_json:
        raise click.UsageError("--follow prints a log as it grows, --json prints it whole: only one of them.")
    with failing(), batch_of_home() as batch:
        found = job_named(batch, job) if batch is not None else None
        if batch is None or found is None:
            fail_command(_unknown(batch, job))
        (known,) = batch.describe_jobs(jobs=[found])["jobs"]
        size = known.get("arrayProperties", {}).get("size", 0)
        if size:
            fail_command(
                f"Job {found} is an array of {size}, and its children have the logs: {found}:0 to {found}:{size - 1} "
                f"(flyte-awsbatch jobs --children says how each ended)."
            )
        job_id = found.partition(":")[0]
        _Log(batch, found, job_id, int(index) if index else None, attempt).show(follow, as_json)


def _unknown(batch: LocalBatch | None, job: str) -> str:
    job_id = job.partition(":")[0]
    if batch is not None and job_id != job and (array := job_named(batch, job_id)):
        (known,) = batch.describe_jobs(jobs=[array])["jobs"]
        size = known.get("arrayProperties", {}).get("size", 0)
        children = f"its children are {array}:0 to {array}:{size - 1}" if size else "it is no array and has no children"
        return f"There is no {job!r}: {children}."
    with contextlib.suppress(HomeError):
        execution = past_runs.named(the_home(), job_id)
        if execution is not None:
            return f"{job!r} is an execution; `flyte-awsbatch jobs {execution}` lists its jobs, which have the logs."
    return f"The local AWS Batch of {the_home().path} knows no job {job!r}; `flyte-awsbatch jobs` lists them."


class _Log:
    """The log of a job or child, of one attempt or of one after the other."""

    def __init__(self, batch: LocalBatch, job: str, job_id: str, index: int | None, attempt: int | None) -> None:
        self._batch = batch
        self._job = job
        self._where = (job_id, index)
        self._attempt = attempt

    def show(self, follow: bool, as_json: bool) -> None:
        shown, position = None, 0
        while True:
            # Looked at first: what is in the log now is then all there will be.
            status = self._batch.describe_jobs(jobs=[self._job])["jobs"][0]["status"]
            ended = status in ENDED
            streams = [one for one in self._batch.log_streams(*self._where) if self._attempt in (None, one.attempt)]
            if not streams and (ended or not follow):
                others = ", ".join(str(one.attempt) for one in self._batch.log_streams(*self._where))
                if others:
                    fail_command(f"Job {self._job} has no log of attempt {self._attempt}; it has those of {others}.")
                fail_command(f"Job {self._job} has no log{'' if ended else ' yet'}: it is {self._state(status)}.")
            if as_json:
                _print_log_json(self._job, streams[-1])
                return
            if shown is None and streams:
                shown = streams[0].attempt if follow and not ended else streams[-1].attempt
            for stream in streams:
                if shown is not None and stream.attempt >= shown:
                    if stream.attempt > shown:
                        click.echo(f"-- attempt {stream.attempt} --", err=True)
                        shown, position = stream.attempt, 0
                    position = _print_from(stream.path, position)
            if ended or not follow:
                return
            if not self._batch.goes_on(self._where[0]):
                click.echo("-- no process runs this job any more --", err=True)
                return
            time.sleep(POLL_SECONDS)

    def _state(self, status: str) -> str:
        if status in ENDED or self._batch.goes_on(self._where[0]):
            return status
        return f"{status}, and no process runs it any more"


def _print_log_json(job: str, stream: LogStream) -> None:
    try:
        lines = stream.path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    print_json({"job": job, "attempt": stream.attempt, "stream": stream.name, "path": str(stream.path), "lines": lines})


def _print_from(path: Path, position: int) -> int:
    """Prints what a file has from `position` on, byte for byte; returns where it ends now."""
    try:
        with path.open("rb") as file:
            file.seek(position)
            while block := file.read(1 << 16):
                sys.stdout.buffer.write(block)
            sys.stdout.flush()
            return file.tell()
    except FileNotFoundError:
        return position
