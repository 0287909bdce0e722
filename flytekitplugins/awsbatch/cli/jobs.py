"""`jobs`: what ran for an execution. Every attempt of a node has a job of its own; an array's children are jobs too."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import rich_click as click

from flytekitplugins.awsbatch.batch.api import BatchCalls
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED, FAILED
from flytekitplugins.awsbatch.local.console.amounts import shown_duration
from flytekitplugins.awsbatch.local.console.exit_reasons import ENDED_BY_FLYTE, exit_in_words
from flytekitplugins.awsbatch.local.history.past_runs import NodeInfo, RunInfo
from flytekitplugins.awsbatch.local.history.record import understanding_record
from flytekitplugins.awsbatch.local.history.run_reader import RunReader
from flytekitplugins.awsbatch.local.history.run_view import CACHED, INTERRUPTED, AttemptView, ChildView, NodeView
from flytekitplugins.awsbatch.propeller.aws_array.links import resource_links_of_job
from flytekitplugins.awsbatch.ui.grouped_errors import page_error_of_child, page_error_reason, page_failures

from .common import json_option, print_json
from .home_access import (
    batch_of_home_run,
    ending_on_failure,
    home_of_command,
    home_run_named,
    reader_of_home_run,
    workflow_option,
)
from .tables import print_table

# The first part of a UUID.
SHORT_ID = 8
MIB = 2**20
STATUSES = (*("submitted", "pending", "runnable", "starting", "running", "succeeded", "failed"), INTERRUPTED)


@click.command("jobs")
@click.argument("execution", required=False)
@click.option("--children", is_flag=True, help="List the children of arrays too.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES, case_sensitive=False),
    help="Only jobs and children with this status. Repeat it for several.",
)
@workflow_option
@click.option("--links", is_flag=True, help="List the links that Flyte's console would show.")
@click.option("--logs", is_flag=True, help="List the log files of all attempts.")
@json_option
def jobs_command(
    execution: str | None,
    children: bool,
    statuses: tuple[str, ...],
    workflow: str | None,
    links: bool,
    logs: bool,
    as_json: bool,
) -> None:
    """The jobs of an execution (the newest, unless one is named), with the memory and the CPU that they took.

    The beginning of its name is enough, here as in the other commands. TRY is the node's attempt, where there were
    several, ATTEMPTS how often AWS Batch tried the job. MEMORY is the most that a job held, beside its
    limit; VCPUS what it used on average in its last attempt, beside what it asked for.
    """
    with ending_on_failure():
        run = home_run_named(execution, workflow)
        children = children or (logs and not as_json) or bool(statuses)
        with (
            reader_of_home_run(run, children) as reader,
            batch_of_home_run(run) as batch,
            understanding_record(home_of_command().run(run.name)),
        ):
            rows = [
                row for node in reader.execution(run.name).attempts for row in _rows_of(reader, run, node, children)
            ]
            resources = {node.node: _resources(batch, node) for node in run.nodes if links or as_json}
    if statuses:
        # `--status` looks at the children of an array, not at the array.
        rows = [row for row in rows if row["status"].lower() in statuses and not row["children"]]
    if as_json:
        for row in rows:
            node = next(node for node in run.nodes if node.node == row["node"])
            # The rows of children have no links of their own.
            for attempt in node.attempts:
                if row["job"] and row["job"] == attempt.job_id:
                    row |= {"link": attempt.link}
            if row["job"] and row["job"] == node.job_id:
                row |= {"external_resources": resources[node.node]}
        print_json({"execution": run.name, "status": run.status, "jobs": rows})
        return
    queues = ", ".join(dict.fromkeys(row["queue"] for row in rows if row["queue"]))
    click.echo(f"Execution {run.name} ({run.workflow}): {run.status}" + (f", queue {queues}" if queues else ""))
    if links:
        _show_links(run, resources)
    elif logs:
        _show_logs(rows)
    else:
        _show_table(rows)
        last = {row["node"]: row["node_attempt"] for row in rows}
        if any(row["status"] == FAILED and row["node_attempt"] == last[row["node"]] for row in rows):
            named = "" if execution is None and workflow is None else f" {run.name}"
            command = f"{home_of_command().command} logs{named} --failed"
            click.echo(f"The logs of what failed: {command}", err=True)


def _show_links(run: RunInfo, resources: dict[str, list[dict[str, Any]]]) -> None:
    for node in run.nodes:
        for attempt in node.attempts:
            click.echo(f"{node.node}  AWS Batch Job  {attempt.link or '-'}")
        for resource in resources[node.node]:
            for link in resource["logs"]:
                click.echo(f"{node.node}  {link['name']}  {link['uri']}")


def _show_logs(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        for log in row["logs"]:
            click.echo(f"{row['node']}  {row['job']}  attempt {log['attempt']}  {log['path']}")


def _show_table(rows: Sequence[dict[str, Any]]) -> None:
    several = any(row["node_attempt"] > 1 for row in rows)
    measured = any(row["peak_memory"] for row in rows)
    shown: list[tuple[str, ...]] = []
    for row in rows:
        cells = [row["node"], row["function"]]
        cells += [str(row["node_attempt"])] if several else []
        cells += [_short(row["job"] or "-"), row["status"] + _counted(row["status"], row["children"])]
        cells += ["" if row["attempts"] is None else str(row["attempts"]), shown_duration(row["milliseconds"])]
        cells += [_memory(row), _vcpus(row)] if measured else []
        shown.append((*cells, row["error"] or row["end"] or row["reason"]))
    usage = ("MEMORY", "VCPUS") if measured else ()
    head = ("NODE", "FUNCTION", *(("TRY",) if several else ()), "JOB", "STATUS", "ATTEMPTS", "DURATION")
    print_table((*head, *usage, "REASON"), shown)


def _short(job: str) -> str:
    """The beginning of a job's id on a terminal, where whole ids would leave no room. A program gets whole ids."""
    job_id, colon, index = job.partition(":")
    return f"{job_id[:SHORT_ID]}{colon}{index}" if sys.stdout.isatty() else job


def _counted(status: str, children: dict[str, int] | None) -> str:
    if not children:
        return ""
    if list(children) == [status]:
        return f" ({children[status]})"
    return " (" + ", ".join(f"{count} {state.lower()}" for state, count in children.items()) + ")"


def _memory(row: dict[str, Any]) -> str:
    if not row["peak_memory"]:
        return ""
    return f"{row['peak_memory'] / MIB:.0f}/{row['memory']} MiB"


def _vcpus(row: dict[str, Any]) -> str:
    return "" if row["vcpus_used"] is None else f"{row['vcpus_used']:.1f}/{row['vcpus']:g}"


def _rows_of(reader: RunReader, run: RunInfo, node: NodeView, children: bool) -> Iterator[dict[str, Any]]:
    """Of one attempt of a node: its job, and the children of an array."""
    about = {"node": node.name, "task": node.info.task, "function": node.info.function, "node_attempt": node.number}
    about |= {"queue": node.queue}
    job_id, look = node.info.job_id, node.look
    if look is None:
        # The job has been removed since, or none was submitted.
        cached = "all items came from the cache" if list(node.counts) == [CACHED] else ""
        reason = node.info.attempts[-1].reason or cached
        yield about | {
            **{"job": job_id, "status": node.info.status, "attempts": None, "milliseconds": None, "reason": reason},
            **{"end": "", "error": "", "children": None, "logs": [], **_usage((), node)},
        }
        return
    here = run.endpoint is None

    def status(word: str) -> str:
        return INTERRUPTED if here and node.info.status == INTERRUPTED and word not in ENDED else word

    if not node.array:
        # The items of a map that came from the cache have no job; a single one that did not is a job of its own.
        child = next((child for child in node.children if child.child is not None), node.children[0])
        yield about | {"job": job_id, **_child(reader, node, child, here), "status": status(look.status)}
        return
    # AWS says of an array only when it was created and when its last child ended.
    began = look.started or look.created
    failed = look.status == FAILED
    yield about | {
        "job": job_id,
        "status": status(look.status),
        "attempts": None,
        "milliseconds": look.stopped - began if look.stopped and began else None,
        "reason": look.reason or "" if failed else "",
        "end": exit_in_words(look.reason or "") if failed else "",
        "error": _most_often(reader, node) if failed else "",
        "children": dict(look.counts) or None,
        "logs": [],
        **_usage([attempt for child in node.children for attempt in child.attempts], node),
    }
    for child in node.children if children else ():
        if child.child is not None:
            yield about | {
                "job": f"{job_id}:{child.child}",
                **_child(reader, node, child, here),
                "status": status(child.status),
            }


def _most_often(reader: RunReader, node: NodeView) -> str:
    """The exception of an array's failed children; of several kinds the most frequent."""
    kinds = [one for one in page_failures(reader, [node]) if one.told.headline != ENDED_BY_FLYTE]
    if not kinds:
        return ""
    return f"most often: {kinds[0].told.headline}" if len(kinds) > 1 else kinds[0].told.headline


def _child(reader: RunReader, node: NodeView, child: ChildView, here: bool) -> dict[str, Any]:
    """:param here: whether the job's logs are on this machine."""
    tries = [attempt for attempt in child.attempts if attempt.started or attempt.stopped]
    last = tries[-1] if tries and child.status in ENDED else None
    failed = child.status == FAILED
    batch = reader.batch if here else None
    return {
        "attempts": len(tries),
        "milliseconds": last.stopped - last.started if last and last.started and last.stopped else None,
        "reason": child.reason if failed or child.status == "RUNNABLE" else "",
        "end": page_error_reason(child) if failed else "",
        "error": page_error_of_child(reader, node, child).headline if failed else "",
        "children": None,
        "logs": [
            {"attempt": attempt.number, "path": str(batch.logs.path(attempt.stream))}
            for attempt in tries
            if batch is not None and attempt.stream
        ],
        **_usage(tries, node, last),
    }


def _usage(every: Sequence[AttemptView], node: NodeView, last: AttemptView | None = None) -> dict[str, Any]:
    """What attempts used, and their limits: bytes, seconds and vCPUs; the memory limit in MiB.

    :param last: of a job that is no array: its last attempt tells of computing time.
    """
    computed = last.cpu_seconds if last is not None else None
    seconds = (last.stopped - last.started) / 1000 if last and last.started and last.stopped else 0
    return {
        "peak_memory": max((each.peak_memory or 0 for each in every), default=0) or None,
        "memory": node.memory,
        "cpu_seconds": computed,
        "vcpus_used": computed / seconds if computed is not None and seconds > 0 else None,
        "vcpus": node.vcpus,
    }


def _resources(batch: BatchCalls | None, node: NodeInfo) -> list[dict[str, Any]]:
    """The external resources of a node's children, as its console would have them: phase, attempts, links to logs."""
    state = node.handler_state
    if batch is None or not node.job_id or state is None:
        return []
    size = state.execution_size
    ids = [f"{node.job_id}:{index}" for index in range(size)] if size > 1 else [node.job_id]
    jobs = batch.children_of_array(node.job_id, size) if size > 1 else batch.describe_jobs(jobs=ids)["jobs"]
    found = {job["jobId"]: job for job in jobs}
    return [
        {
            "index": resource.index,
            "phase": resource.phase.flyte_name,
            "retry_attempt": resource.retry_attempt,
            "logs": [vars(link) for link in resource.logs],
        }
        for resource in resource_links_of_job(state, [found.get(each, {}) for each in ids], node.record["region"])
    ]
