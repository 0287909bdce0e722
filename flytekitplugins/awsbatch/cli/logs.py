"""`logs`: the log of a job, or of a child of an array, as it is or as it grows."""

from __future__ import annotations

import contextlib
import time

import rich_click as click

from flytekitplugins.awsbatch.batch.api import BatchCalls
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local.deployment.account_client import client_of
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import HomeError

from .common import fail_command, json_option, print_json
from .home_access import batch_of_home, failing, job_named, run_with_job, the_home
from .log_sources import AccountLog, LocalLog, LogSource, LogStreamOfJob


@click.command()
@click.argument("job", metavar="JOB[:INDEX]")
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; the last, unless given.")
@click.option("-f", "--follow", is_flag=True, help="Print the log as it grows, until the job ends.")
@json_option
def logs(job: str, attempt: int | None, follow: bool, as_json: bool) -> None:
    """The log of a job, or of a child of an array.

    JOB is a job's id or the beginning of it (`flyte-awsbatch jobs` lists them), INDEX the child's place in the array.
    """
    _, _, index = job.partition(":")
    if ":" in job and not index.isdecimal():
        raise click.UsageError(f"{job!r}: expected JOB or JOB:INDEX.")
    if follow and as_json:
        raise click.UsageError("--follow prints a log as it grows, --json prints it whole: only one of them.")
    with failing(), batch_of_home() as batch:
        found = job_named(batch, job) if batch is not None else None
        if found is not None and batch is not None:
            _refuse_array(batch, found)
            _Log(LocalLog(batch, found), found, attempt).show(follow, as_json)
            return
        elsewhere = run_with_job(job)
        if elsewhere is None:
            fail_command(_unknown(batch, job))
        run, found = elsewhere
        client = client_of(run)
        assert client is not None
        _refuse_array(client, found)
        _Log(AccountLog(client, found), found, attempt).show(follow, as_json)


def _refuse_array(batch: BatchCalls, job: str) -> None:
    known = batch.describe_jobs(jobs=[job])["jobs"]
    if not known:
        fail_command(f"AWS Batch does not know job {job}, or not any more.")
    size = known[0].get("arrayProperties", {}).get("size", 0)
    if size:
        fail_command(
            f"Job {job} is an array of {size}, and its children have the logs: {job}:0 to {job}:{size - 1} "
            f"(flyte-awsbatch jobs --children says how each ended)."
        )


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

    def __init__(self, source: LogSource, job: str, attempt: int | None) -> None:
        self._source = source
        self._job = job
        self._attempt = attempt

    def show(self, follow: bool, as_json: bool) -> None:
        shown, position = None, None
        while True:
            # Looked at first: what is in the log now is then all there will be.
            status = self._source.status()
            ended = status in ENDED
            every = self._source.streams()
            streams = [one for one in every if self._attempt in (None, one.attempt)]
            if not streams and (ended or not follow):
                others = ", ".join(str(one.attempt) for one in every)
                if others:
                    fail_command(f"Job {self._job} has no log of attempt {self._attempt}; it has those of {others}.")
                fail_command(f"Job {self._job} has no log{'' if ended else ' yet'}: it is {self._state(status)}.")
            if as_json:
                self._print_json(streams[-1])
                return
            if shown is None and streams:
                shown = streams[0].attempt if follow and not ended else streams[-1].attempt
            for stream in streams:
                if shown is not None and stream.attempt >= shown:
                    if stream.attempt > shown:
                        click.echo(f"-- attempt {stream.attempt} --", err=True)
                        shown, position = stream.attempt, None
                    late = ended or not follow
                    position = self._source.copy(stream, position, wait=late)
            if ended or not follow:
                return
            if not self._source.goes_on():
                click.echo("-- no process runs this job any more --", err=True)
                return
            time.sleep(self._source.poll)

    def _state(self, status: str) -> str:
        if status in ENDED or self._source.goes_on():
            return status
        return f"{status}, and no process runs it any more"

    def _print_json(self, stream: LogStreamOfJob) -> None:
        about = {"attempt": stream.attempt, "stream": stream.name, "path": self._source.place(stream)}
        print_json({"job": self._job, **about, "lines": self._source.lines(stream)})
