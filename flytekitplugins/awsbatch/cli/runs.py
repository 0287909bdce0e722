"""`runs`, `jobs`, `logs`, `kill`, `rerun` and `cache`: what people do after a run."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rich_click as click

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator.logs import LogStream
from flytekitplugins.awsbatch.batch.emulator.model import ENDED
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.store.database import UnusableHomeError
from flytekitplugins.awsbatch.local import again, history
from flytekitplugins.awsbatch.local import home as homes
from flytekitplugins.awsbatch.local.record import RecordError
from flytekitplugins.awsbatch.local.settings import RETENTION_DAYS
from flytekitplugins.awsbatch.propeller.catalog import DiskCatalog

from .show import fail, json_option, print_json
from .tables import duration, moment, table

FOLLOW_EVERY = 0.3
# Longer than jobs have to end by themselves.
KILL_PATIENCE = 60.0
# As many as one DescribeJobs call takes.
MOST_IDS = 100


def _home() -> homes.Home:
    return homes.from_environment(os.environ)


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    """What can be wrong with a home, an execution or a job ends the command with a sentence."""
    try:
        yield
    except (history.UnknownRunError, homes.HomeError, RecordError, UnusableHomeError) as error:
        fail(str(error))
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        fail(f"{error.filename or _home().path}: {error.strerror}")


def _run(execution: str | None) -> history.RunInfo:
    return history.run(_home(), execution)


@contextlib.contextmanager
def _batch() -> Iterator[LocalBatch | None]:
    """The home's local AWS Batch, to be read; None when no job was ever submitted to it."""
    home = _home()
    if not home.database.exists():
        yield None
        return
    batch = LocalBatch(home.batch)
    try:
        yield batch
    finally:
        batch.close()


@click.command()
@click.option("--prune", is_flag=True, help="Remove the runs that were last written to longer ago than --older-than.")
@click.option("--older-than", type=click.FloatRange(min=0), default=RETENTION_DAYS, show_default=True, metavar="DAYS")
@json_option
def runs(prune: bool, older_than: float, as_json: bool) -> None:
    """The executions this home remembers, newest first.

    Those that nobody has touched for 30 days go by themselves when a new run starts (emulator.keep_runs_days).
    """
    home = _home()
    with _failing():
        if prune:
            gone = history.prune(home, older_than)
            if as_json:
                print_json({"removed": gone})
            else:
                click.echo(f"Removed {len(gone)} run{'' if len(gone) == 1 else 's'}.")
            return
        found = history.runs(home)
    if as_json:
        print_json([_run_json(run) for run in found])
        return
    if not found:
        click.echo(f"No runs in {home.path} yet.")
        return
    table(
        ("EXECUTION", "STATUS", "STARTED", "NODES", "WORKFLOW"),
        [(run.name, run.status, moment(run.started), str(len(run.nodes)), run.workflow) for run in found],
    )


def _run_json(run: history.RunInfo) -> dict[str, Any]:
    nodes = [
        {field.name: getattr(node, field.name) for field in dataclasses.fields(node) if field.name != "record"}
        for node in run.nodes
    ]
    return {**{f.name: getattr(run, f.name) for f in dataclasses.fields(run)}, "nodes": nodes}


@click.command()
@click.argument("execution", required=False)
@click.option("--children", is_flag=True, help="List the children of arrays too.")
@json_option
def jobs(execution: str | None, children: bool, as_json: bool) -> None:
    """The jobs of an execution (the newest, unless one is named)."""
    with _failing(), _batch() as batch:
        run = _run(execution)
        rows = [row for node in run.nodes for row in _jobs_of(batch, node, children)]
    if as_json:
        print_json({"execution": run.name, "status": run.status, "jobs": rows})
        return
    click.echo(f"Execution {run.name} ({run.workflow}): {run.status}")
    table(
        ("NODE", "FUNCTION", "JOB", "STATUS", "ATTEMPTS", "DURATION", "REASON"),
        [
            (
                row["node"],
                row["function"],
                row["job"] or "-",
                row["status"] + _counted(row["children"]),
                "" if row["attempts"] is None else str(row["attempts"]),
                duration(row["milliseconds"]),
                row["reason"],
            )
            for row in rows
        ],
    )


def _counted(children: dict[str, int] | None) -> str:
    if not children:
        return ""
    return " (" + ", ".join(f"{count} {state.lower()}" for state, count in children.items()) + ")"


def _jobs_of(batch: LocalBatch | None, node: history.NodeInfo, children: bool) -> Iterator[dict[str, Any]]:
    known = batch.describe_jobs(jobs=[node.job_id])["jobs"] if batch is not None and node.job_id else []
    if batch is None or not known:
        # At another service than this home's, or removed since.
        about = {"node": node.node, "task": node.task, "function": node.function}
        yield about | {"job": node.job_id, "status": node.status} | _nothing()
        return
    (job,) = known
    yield _job_row(node, job)
    size = job.get("arrayProperties", {}).get("size", 0) if children else 0
    for first in range(0, size, MOST_IDS):
        ids = [f"{node.job_id}:{index}" for index in range(first, min(first + MOST_IDS, size))]
        for child in batch.describe_jobs(jobs=ids)["jobs"]:
            yield _job_row(node, child)


def _nothing() -> dict[str, Any]:
    return {"attempts": None, "milliseconds": None, "reason": "", "children": None}


def _job_row(node: history.NodeInfo, job: Any) -> dict[str, Any]:
    created, started, stopped = job.get("createdAt"), job.get("startedAt"), job.get("stoppedAt")
    # Of an array AWS says only when it was made and when its last child ended.
    began = started or (created if "size" in job.get("arrayProperties", {}) else None)
    counts = {state: count for state, count in job.get("arrayProperties", {}).get("statusSummary", {}).items() if count}
    # An unended job that nobody runs.
    halted = node.status == "interrupted" and job["status"] not in ENDED
    return {
        "node": node.node,
        "task": node.task,
        "function": node.function,
        "job": job["jobId"],
        "status": "interrupted" if halted else job["status"],
        "attempts": None if "size" in job.get("arrayProperties", {}) else len(job.get("attempts", [])),
        "milliseconds": stopped - began if began and stopped else None,
        "reason": job.get("statusReason", "") if job["status"] in {"FAILED", "RUNNABLE"} else "",
        "children": counts or None,
    }


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
    with _failing(), _batch() as batch:
        known = batch.describe_jobs(jobs=[job])["jobs"] if batch is not None else []
        if batch is None or not known:
            fail(f"The local AWS Batch of {_home().path} knows no job {job!r}; `flyte-awsbatch jobs` lists them.")
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


@click.command()
@click.argument("execution")
def kill(execution: str) -> None:
    """Ends a running execution: its process asks the jobs to end, kills those that do not, and leaves.

    What had not ended can be taken up again, as after Ctrl-C.
    """
    with _failing():
        run = _run(execution)
        if run.process is None:
            fail(f"Execution {execution} does not run (it is {run.status}).")
        try:
            os.kill(run.process, signal.SIGTERM)
        except PermissionError:
            fail(f"Process {run.process}, which runs execution {execution}, belongs to another user.")
        click.echo(f"Asked process {run.process} to end execution {execution}.")
        until = time.monotonic() + KILL_PATIENCE
        while history.run(_home(), execution).process is not None:
            if time.monotonic() > until:
                fail(f"It has not ended yet; `kill -9 {run.process}` ends it and all its jobs at once.")
            time.sleep(FOLLOW_EVERY)
        click.echo(f"It has ended. To go on, run its command again with {wire.SWITCH_RESUME}={execution}.")


@click.command()
@click.argument("execution")
@click.argument("node")
@click.argument("index", type=click.IntRange(min=0), default=0)
def rerun(execution: str, node: str, index: int) -> None:
    """Runs one child again in the foreground, with its own inputs, environment and command.

    A debugger works (`breakpoint()`, `pdb`). INDEX is the place in the mapped list; outputs go to a folder of their
    own. Variables that the job inherited are this shell's.
    """
    with _failing():
        run = _run(execution)
        again_ = again.command(_home(), run, history.node(run, node), index)
        status = again.rerun(again_)
    click.echo(f"Item {index} of {node} ended with exit status {status}. It wrote to {again_.output}", err=True)
    sys.exit(status)


@click.group()
def cache() -> None:
    """The cache of emulated tasks, per item."""


@cache.command()
def clear() -> None:
    """Forgets every cached item."""
    home = _home()
    with _failing():
        if home.catalog.exists():
            DiskCatalog(home.catalog).clear()
        history.remove_kept(home)
    click.echo("The cache is empty.")
