"""`runs`, `jobs`, `kill`, `rerun` and `cache`: what people do after a run."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import rich_click as click

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.api import BatchCalls
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED
from flytekitplugins.awsbatch.local.all_settings import RETENTION_DAYS
from flytekitplugins.awsbatch.local.deployment.account_client import client_of, terminate_jobs
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.history.record import understanding
from flytekitplugins.awsbatch.local.run.rerun import command as rerun_command
from flytekitplugins.awsbatch.local.run.rerun import rerun as rerun_child
from flytekitplugins.awsbatch.propeller.aws_array.links import resources_of_job
from flytekitplugins.awsbatch.propeller.catalog import DiskCatalog
from flytekitplugins.awsbatch.propeller.node.node_state import NodeState

from .common import counted, fail_command, json_option, print_json
from .home_access import MOST_IDS, batch_of, failing, run_of, the_home
from .tables import print_table, shown_duration, shown_time

# The first part of a UUID.
SHORT_ID = 8
POLL_SECONDS = 0.3
# Longer than jobs have to end by themselves.
KILL_TIMEOUT = 60.0


@click.command()
@click.option("--prune", is_flag=True, help="Remove the runs that were last written to longer ago than --older-than.")
@click.option("--older-than", type=click.FloatRange(min=0), default=RETENTION_DAYS, show_default=True, metavar="DAYS")
@json_option
def runs(prune: bool, older_than: float, as_json: bool) -> None:
    """The executions that this home remembers, newest first.

    Those that nobody has touched for 30 days go by themselves when a new run starts (emulator.keep_runs_days), also
    interrupted ones.
    """
    home = the_home()
    with failing():
        if prune:
            gone = past_runs.prune(home, older_than)
            if as_json:
                print_json({"removed": gone})
            else:
                click.echo(f"Removed {counted(len(gone), 'run')}.")
            return
        found = past_runs.runs(home)
    if as_json:
        print_json([_run_json(run) for run in found])
        return
    if not found:
        click.echo(f"No runs in {home.path} yet.")
        return
    print_table(
        ("EXECUTION", "STATUS", "STARTED", "NODES", "WORKFLOW"),
        [(run.name, run.status, shown_time(run.started), str(len(run.nodes)), run.workflow) for run in found],
    )


def _run_json(run: past_runs.RunInfo) -> dict[str, Any]:
    nodes = [
        {field.name: getattr(node, field.name) for field in dataclasses.fields(node) if field.name != "record"}
        for node in run.nodes
    ]
    return {**{f.name: getattr(run, f.name) for f in dataclasses.fields(run)}, "nodes": nodes}


@click.command()
@click.argument("execution", required=False)
@click.option("--children", is_flag=True, help="List the children of arrays too.")
@click.option("--links", is_flag=True, help="List the links that Flyte's console would show.")
@json_option
def jobs(execution: str | None, children: bool, links: bool, as_json: bool) -> None:
    """The jobs of an execution (the newest, unless one is named).

    The beginning of its name is enough, here as in the other commands.
    """
    with failing():
        run = run_of(execution)
        with batch_of(run) as batch, understanding(the_home().run(run.name)):
            rows = [row for node in run.nodes for row in _jobs_of(batch, run, node, children)]
            resources = {node.node: _resources(batch, node) for node in run.nodes if links or as_json}
    if links and not as_json:
        click.echo(f"Execution {run.name} ({run.workflow}): {run.status}")
        for node in run.nodes:
            click.echo(f"{node.node}  AWS Batch Job  {node.record.get('link') or '-'}")
            for resource in resources[node.node]:
                for link in resource["logs"]:
                    click.echo(f"{node.node}  {link['name']}  {link['uri']}")
        return
    if as_json:
        for row in rows:
            # The rows of children have none of their own.
            if row["job"] and ":" not in row["job"]:
                node = next(node for node in run.nodes if node.node == row["node"])
                row |= {"link": node.record.get("link", ""), "external_resources": resources[node.node]}
        print_json({"execution": run.name, "status": run.status, "jobs": rows})
        return
    click.echo(f"Execution {run.name} ({run.workflow}): {run.status}")
    print_table(
        ("NODE", "FUNCTION", "JOB", "STATUS", "ATTEMPTS", "DURATION", "REASON"),
        [
            (
                row["node"],
                row["function"],
                _short(row["job"] or "-"),
                row["status"] + _counted(row["status"], row["children"]),
                "" if row["attempts"] is None else str(row["attempts"]),
                shown_duration(row["milliseconds"]),
                row["reason"],
            )
            for row in rows
        ],
    )


def _short(job: str) -> str:
    """As much of a job's id as names it, on a terminal, where whole ones would leave no room; a program gets those."""
    job_id, colon, index = job.partition(":")
    return f"{job_id[:SHORT_ID]}{colon}{index}" if sys.stdout.isatty() else job


def _counted(status: str, children: dict[str, int] | None) -> str:
    if not children:
        return ""
    if list(children) == [status]:
        return f" ({children[status]})"
    return " (" + ", ".join(f"{count} {state.lower()}" for state, count in children.items()) + ")"


def _jobs_of(
    batch: BatchCalls | None, run: past_runs.RunInfo, node: past_runs.NodeInfo, children: bool
) -> Iterator[dict[str, Any]]:
    known = batch.describe_jobs(jobs=[node.job_id])["jobs"] if batch is not None and node.job_id else []
    if batch is None or not known:
        # Removed since.
        about = {"node": node.node, "task": node.task, "function": node.function}
        yield about | {"job": node.job_id, "status": node.status} | _nothing()
        return
    (job,) = known
    # Nobody runs a job of this machine once its run's process has gone.
    halted = node.status == "interrupted" and run.endpoint is None
    yield _job_row(node, job, halted)
    size = job.get("arrayProperties", {}).get("size", 0) if children else 0
    for first in range(0, size, MOST_IDS):
        ids = [f"{node.job_id}:{index}" for index in range(first, min(first + MOST_IDS, size))]
        for child in batch.describe_jobs(jobs=ids)["jobs"]:
            yield _job_row(node, child, halted)


def _resources(batch: BatchCalls | None, node: past_runs.NodeInfo) -> list[dict[str, Any]]:
    """The external resources of a node's children, as its console would have them: phase, attempts, links to logs."""
    if batch is None or not node.job_id or not node.record["snapshot"]:
        return []
    state = NodeState.from_dict(node.record["snapshot"]).plugin_state
    size = state.execution_size
    ids = [f"{node.job_id}:{index}" for index in range(size)] if size > 1 else [node.job_id]
    found: dict[str, Any] = {}
    for first in range(0, size, MOST_IDS):
        found |= {job["jobId"]: job for job in batch.describe_jobs(jobs=ids[first : first + MOST_IDS])["jobs"]}
    return [
        {
            "index": resource.index,
            "phase": resource.phase.flyte_name,
            "retry_attempt": resource.retry_attempt,
            "logs": [vars(link) for link in resource.logs],
        }
        for resource in resources_of_job(state, [found.get(each, {}) for each in ids], node.record["region"])
    ]


def _nothing() -> dict[str, Any]:
    return {"attempts": None, "milliseconds": None, "reason": "", "children": None}


def _job_row(node: past_runs.NodeInfo, job: Any, halted: bool) -> dict[str, Any]:
    created, started, stopped = job.get("createdAt"), job.get("startedAt"), job.get("stoppedAt")
    # Of an array AWS says only when it was made and when its last child ended.
    began = started or (created if "size" in job.get("arrayProperties", {}) else None)
    counts = {state: count for state, count in job.get("arrayProperties", {}).get("statusSummary", {}).items() if count}
    return {
        "node": node.node,
        "task": node.task,
        "function": node.function,
        "job": job["jobId"],
        "status": "interrupted" if halted and job["status"] not in ENDED else job["status"],
        "attempts": None if "size" in job.get("arrayProperties", {}) else len(job.get("attempts", [])),
        "milliseconds": stopped - began if began and stopped else None,
        "reason": job.get("statusReason", "") if job["status"] in {"FAILED", "RUNNABLE"} else "",
        "children": counts or None,
    }


@click.command()
@click.argument("execution")
def kill(execution: str) -> None:
    """End a running execution.

    Its process asks the jobs to end, kills those that do not, and exits. You can resume the execution, as after Ctrl-C.
    Jobs in an account are terminated, whether their process still runs or not.
    """
    with failing():
        run = run_of(execution)
        execution = run.name
        if run.endpoint is not None:
            _kill_elsewhere(run)
            return
        if run.process is None:
            fail_command(f"Execution {execution} does not run (it is {run.status}).")
        _end_process(run, run.process, "and all its jobs ")
        click.echo(f"It has ended. To resume it, run its command again with {wire.SWITCH_RESUME}={execution}.")


def _end_process(run: past_runs.RunInfo, process: int, with_it: str) -> None:
    try:
        os.kill(process, signal.SIGTERM)
    except PermissionError:
        fail_command(f"Process {process}, which runs execution {run.name}, belongs to another user.")
    click.echo(f"Asked process {process} to end execution {run.name}.")
    until = time.monotonic() + KILL_TIMEOUT
    while past_runs.run(the_home(), run.name).process is not None:
        if time.monotonic() > until:
            fail_command(f"It has not ended yet; `kill -9 {process}` ends it {with_it}at once.")
        time.sleep(POLL_SECONDS)


def _kill_elsewhere(run: past_runs.RunInfo) -> None:
    """First the process, which would submit more, then the jobs that it has left."""
    if run.process is not None:
        _end_process(run, run.process, "")
        run = past_runs.run(the_home(), run.name)
    client = client_of(run)
    assert client is not None
    ended = terminate_jobs(the_home(), run, client)
    if run.process is None and not ended:
        click.echo(f"Execution {run.name} has no jobs that run.")
    for node in ended:
        click.echo(f"Terminated job {node.job_id} of node {node.node}.")
    click.echo(f"To run it on, run its command again with {wire.SWITCH_RESUME}={run.name}.")


@click.command()
@click.argument("execution")
@click.argument("node")
@click.argument("index", type=click.IntRange(min=0), default=0)
def rerun(execution: str, node: str, index: int) -> None:
    """Run one child again in the foreground.

    It has its own inputs, environment and command, and a debugger works (`breakpoint()`, `pdb`). INDEX is the place in
    the mapped list; outputs go to a folder of their own. Variables that the job inherited are this shell's. Ends with
    the child's exit status.
    """
    with failing():
        run = run_of(execution)
        found = past_runs.node(run, node)
        node = found.node
        child = rerun_command(the_home(), run, found, index)
        status = rerun_child(child)
    click.echo(f"Child {index} of {node} ended with exit status {status}. It wrote to {child.output}", err=True)
    sys.exit(status)


@click.group()
def cache() -> None:
    """The cache of emulated tasks, per item."""


@cache.command()
def clear() -> None:
    """Forget every cached item."""
    home = the_home()
    with failing():
        if home.catalog.exists():
            DiskCatalog(home.catalog).clear()
        past_runs.remove_kept(home)
    click.echo("The cache is empty.")
