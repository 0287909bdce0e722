"""`runs`, `jobs`, `logs`, `kill`, `rerun` and `cache`: what people do after a run."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rich_click as click

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local import again, history
from flytekitplugins.awsbatch.local import home as homes
from flytekitplugins.awsbatch.local.record import RecordError
from flytekitplugins.awsbatch.propeller.catalog import DiskCatalog

from .show import fail, json_option, print_json
from .tables import duration, moment, table

FOLLOW_EVERY = 0.3


def _home() -> homes.Home:
    return homes.from_environment(os.environ)


def _run(execution: str | None) -> history.RunInfo:
    try:
        return history.run(_home(), execution)
    except (history.UnknownRunError, homes.HomeError, RecordError) as error:
        fail(str(error))


@click.command()
@click.option("--prune", is_flag=True, help="Remove the runs that started longer ago than --older-than.")
@click.option(
    "--older-than", type=click.FloatRange(min=0), default=history.RETENTION_DAYS, show_default=True, metavar="DAYS"
)
@json_option
def runs(prune: bool, older_than: float, as_json: bool) -> None:
    """The executions this home remembers, newest first."""
    home = _home()
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
    run = _run(execution)
    batch = LocalBatch(_home().batch)
    rows = [row for node in run.nodes for row in _jobs_of(batch, node, children)]
    if as_json:
        print_json({"execution": run.name, "status": run.status, "jobs": rows})
        return
    click.echo(f"Execution {run.name} ({run.workflow}): {run.status}")
    table(
        ("NODE", "TASK", "JOB", "STATUS", "ATTEMPTS", "DURATION", "REASON"),
        [
            (
                row["node"],
                row["task"].rsplit(".", 1)[-1],
                row["job"] or "-",
                row["status"],
                str(row["attempts"]),
                duration(row["milliseconds"]),
                row["reason"],
            )
            for row in rows
        ],
    )


def _jobs_of(batch: LocalBatch, node: history.NodeInfo, children: bool) -> Iterator[dict[str, Any]]:
    known = batch.describe_jobs(jobs=[node.job_id])["jobs"] if node.job_id else []
    if not known:
        yield {"node": node.node, "task": node.task, "job": node.job_id, "status": node.status} | _nothing()
        return
    (job,) = known
    yield _job_row(node, job)
    size = job.get("arrayProperties", {}).get("size", 0) if children else 0
    for first in range(0, size, 100):
        ids = [f"{node.job_id}:{index}" for index in range(first, min(first + 100, size))]
        for child in batch.describe_jobs(jobs=ids)["jobs"]:
            yield _job_row(node, child)


def _nothing() -> dict[str, Any]:
    return {"attempts": 0, "milliseconds": None, "reason": "", "children": None}


def _job_row(node: history.NodeInfo, job: Any) -> dict[str, Any]:
    started, stopped = job.get("startedAt"), job.get("stoppedAt")
    counts = {state: count for state, count in job.get("arrayProperties", {}).get("statusSummary", {}).items() if count}
    status = job["status"]
    if counts:
        status += " (" + ", ".join(f"{count} {state.lower()}" for state, count in counts.items()) + ")"
    return {
        "node": node.node,
        "task": node.task,
        "job": job["jobId"],
        "status": status,
        "attempts": len(job.get("attempts", [])),
        "milliseconds": stopped - started if started and stopped else None,
        "reason": job.get("statusReason", "") if job["status"] == "FAILED" else "",
        "children": counts or None,
    }


@click.command()
@click.argument("job", metavar="JOB[:INDEX]")
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; the last, unless given.")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows, until the job ends.")
def logs(job: str, attempt: int | None, follow: bool) -> None:
    """The log of a job, or of a child of an array."""
    job_id, _, index = job.partition(":")
    if index and not index.isdecimal():
        raise click.UsageError(f"{job!r}: expected JOB or JOB:INDEX.")
    batch = LocalBatch(_home().batch)
    if not batch.describe_jobs(jobs=[job])["jobs"]:
        fail(f"The local AWS Batch of {_home().path} knows no job {job!r}; `flyte-awsbatch jobs` lists an execution's.")
    position = 0
    while True:
        ended = _ended(batch, job)
        streams = batch.log_streams(job_id, int(index) if index else None)
        chosen = [stream for stream in streams if attempt is None or stream.attempt == attempt]
        if chosen:
            position = _print_from(Path(chosen[-1].path), position)
        elif not follow or ended:
            fail(f"Job {job} has no log" + (f" of attempt {attempt}." if attempt else " yet."))
        if not follow or ended:
            return
        time.sleep(FOLLOW_EVERY)


def _ended(batch: LocalBatch, job: str) -> bool:
    return batch.describe_jobs(jobs=[job])["jobs"][0]["status"] in {"SUCCEEDED", "FAILED"}


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
    """Ends a running execution: its process terminates its jobs and leaves."""
    run = _run(execution)
    if run.process is None:
        fail(f"Execution {execution} does not run (it is {run.status}).")
    os.kill(run.process, signal.SIGTERM)
    click.echo(f"Asked process {run.process} to end execution {execution}.")


@click.command()
@click.argument("execution")
@click.argument("node")
@click.argument("index", type=click.IntRange(min=0), default=0)
def rerun(execution: str, node: str, index: int) -> None:
    """Runs one child again in the foreground, with its own inputs, environment and command.

    A debugger works (`breakpoint()`, `pdb`). INDEX is the place in the mapped list; outputs go to a scratch folder.
    """
    try:
        found = history.node(_run(execution), node)
        status = again.rerun(_home(), found, index)
    except history.UnknownRunError as error:
        fail(str(error))
    sys.exit(status)


@click.group()
def cache() -> None:
    """The cache of emulated tasks, per item."""


@cache.command()
def clear() -> None:
    """Forgets every cached item."""
    home = _home()
    if home.catalog.exists():
        DiskCatalog(home.catalog).clear()
    click.echo("The cache is empty.")
