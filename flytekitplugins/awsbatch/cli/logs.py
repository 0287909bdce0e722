"""`logs`: the log of a job, or of a child of an array, as it is or as it grows."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import rich_click as click

from flytekitplugins.awsbatch.batch.emulator.logs import LogStream
from flytekitplugins.awsbatch.batch.emulator.model import ENDED
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

from .past import batch_of_home, failing, the_home
from .show import fail, json_option, print_json

FOLLOW_EVERY = 0.3


@click.command()
@click.argument("job", metavar="JOB[:INDEX]")
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; the last, unless given.")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows, until the job ends.")
@json_option
def logs(job: str, attempt: int | None, follow: bool, as_json: bool) -> None:
    """The log of a job, or of a child of an array."""
    job_id, _, index = job.partition(":")
    if ":" in job and not index.isdecimal():
        raise click.UsageError(f"{job!r}: expected JOB or JOB:INDEX.")
    if follow and as_json:
        raise click.UsageError("--follow prints a log as it grows, --json prints it whole: only one of them.")
    with failing(), batch_of_home() as batch:
        known = batch.describe_jobs(jobs=[job])["jobs"] if batch is not None else []
        if batch is None or not known:
            fail(f"The local AWS Batch of {the_home().path} knows no job {job!r}; `flyte-awsbatch jobs` lists them.")
        if "size" in known[0].get("arrayProperties", {}):
            fail(f"Job {job} is an array, and its children have the logs: {job}:0, {job}:1, ...")
        _Log(batch, job, job_id, int(index) if index else None, attempt).show(follow, as_json)


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
            ended = self._batch.describe_jobs(jobs=[self._job])["jobs"][0]["status"] in ENDED
            streams = [one for one in self._batch.log_streams(*self._where) if self._attempt in (None, one.attempt)]
            if not streams and (ended or not follow):
                which = f" of attempt {self._attempt}" if self._attempt else ""
                fail(f"Job {self._job} has no log{which}" + ("." if ended else " yet."))
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
                click.echo("-- nobody runs this job any more --", err=True)
                return
            time.sleep(FOLLOW_EVERY)


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
