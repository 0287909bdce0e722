"""`jobs`: what ran for an execution. Every attempt of a node has a job of its own; an array's children are jobs too."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import rich_click as click

from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED, Attempt, JobLook
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local.console.exit_reasons import end_in_words
from flytekitplugins.awsbatch.local.history.past_runs import NodeAttempt, NodeInfo, RunInfo
from flytekitplugins.awsbatch.local.history.record import understanding
from flytekitplugins.awsbatch.propeller.aws_array.links import resources_of_job
from flytekitplugins.awsbatch.propeller.node.node_state import NodeState

from .common import json_option, print_json
from .home_access import MOST_IDS, batch_of_home, failing, run_of, the_home, workflow_option
from .tables import print_table, shown_duration

# The first part of a UUID.
SHORT_ID = 8
MIB = 2**20
INTERRUPTED = "interrupted"
STATUSES = (*("submitted", "pending", "runnable", "starting", "running", "succeeded", "failed"), INTERRUPTED)


@click.command()
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
def jobs(
    execution: str | None,
    children: bool,
    statuses: tuple[str, ...],
    workflow: str | None,
    links: bool,
    logs: bool,
    as_json: bool,
) -> None:
    """The jobs of an execution (the newest, unless one is named), with the memory and the CPU that they took.

    The beginning of its name is enough, here as in the other commands. MEMORY is the most that a job held, beside its
    limit; VCPUS what it used on average in its last attempt, beside what it asked for.
    """
    with failing(), batch_of_home() as batch:
        run = run_of(execution, workflow)
        rows = [
            row
            for node in run.nodes
            for attempt in node.attempts
            for row in _jobs_of(batch, node, attempt, children or bool(statuses))
        ]
        with understanding(the_home().run(run.name)):
            resources = {node.node: _resources(batch, node) for node in run.nodes if links or as_json}
    if statuses:
        # Of an array the children are what has a status that somebody looks for.
        rows = [row for row in rows if row["status"].lower() in statuses and not row["children"]]
    if as_json:
        for row in rows:
            node = next(node for node in run.nodes if node.node == row["node"])
            # The rows of children and of earlier attempts have none of their own.
            if row["job"] and row["job"] == node.job_id:
                row |= {"link": node.record.get("link", ""), "external_resources": resources[node.node]}
        print_json({"execution": run.name, "status": run.status, "jobs": rows})
        return
    click.echo(f"Execution {run.name} ({run.workflow}): {run.status}")
    if links:
        _show_links(run, resources)
    elif logs:
        _show_logs(rows)
    else:
        _show_table(rows)


def _show_links(run: RunInfo, resources: dict[str, list[dict[str, Any]]]) -> None:
    for node in run.nodes:
        click.echo(f"{node.node}  AWS Batch Job  {node.record.get('link') or '-'}")
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
        shown.append((*cells, row["end"] or row["reason"]))
    usage = ("MEMORY", "VCPUS") if measured else ()
    head = ("NODE", "FUNCTION", *(("NODE ATTEMPT",) if several else ()), "JOB", "STATUS", "ATTEMPTS", "DURATION")
    print_table((*head, *usage, "REASON"), shown)


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


def _memory(row: dict[str, Any]) -> str:
    if not row["peak_memory"]:
        return ""
    return f"{row['peak_memory'] / MIB:.0f}/{row['memory']} MiB"


def _vcpus(row: dict[str, Any]) -> str:
    return "" if row["vcpus_used"] is None else f"{row['vcpus_used']:.1f}/{row['vcpus']:g}"


def _jobs_of(
    batch: LocalBatch | None, node: NodeInfo, attempt: NodeAttempt, children: bool
) -> Iterator[dict[str, Any]]:
    look = batch.look(attempt.job_id) if batch is not None and attempt.job_id else None
    if batch is None or look is None or attempt.job_id is None:
        # At another service than this home's, or removed since.
        last = attempt is node.attempts[-1]
        yield _about(node, attempt) | {
            **{"job": attempt.job_id, "status": node.status if last else "failed", "attempts": None},
            **{"milliseconds": None, "reason": attempt.reason, "end": "", "children": None, "logs": []},
            **_usage((), {}),
        }
        return
    (job,) = batch.describe_jobs(jobs=[attempt.job_id])["jobs"]
    yield _job_row(batch, node, attempt, job, look)
    size = look.size or 0
    for first in range(0, size if children else 0, MOST_IDS):
        ids = [f"{attempt.job_id}:{index}" for index in range(first, min(first + MOST_IDS, size))]
        for child in batch.describe_jobs(jobs=ids)["jobs"]:
            yield _job_row(batch, node, attempt, child, look)


def _about(node: NodeInfo, attempt: NodeAttempt) -> dict[str, Any]:
    return {"node": node.node, "task": node.task, "function": node.function, "node_attempt": attempt.number}


def _job_row(batch: LocalBatch, node: NodeInfo, attempt: NodeAttempt, job: Any, look: JobLook) -> dict[str, Any]:
    created, started, stopped = job.get("createdAt"), job.get("startedAt"), job.get("stoppedAt")
    index = job.get("arrayProperties", {}).get("index")
    array = "size" in job.get("arrayProperties", {})
    tries = [] if array else [each for each in look.units[index or 0][2] if each.started or each.stopped]
    # Of an array AWS says only when it was made and when its last child ended.
    began = started or (created if array else None)
    counts = {state: count for state, count in job.get("arrayProperties", {}).get("statusSummary", {}).items() if count}
    # The job has not ended and no process runs it.
    halted = node.status == INTERRUPTED and job["status"] not in ENDED
    every = [each for unit in look.units for each in unit[2]] if array else tries
    failed = job["status"] == "FAILED"
    return _about(node, attempt) | {
        "job": job["jobId"],
        "status": INTERRUPTED if halted else job["status"],
        "attempts": None if array else len(tries),
        "milliseconds": stopped - began if began and stopped else None,
        "reason": job.get("statusReason", "") if failed or job["status"] == "RUNNABLE" else "",
        "end": _end(job, tries) if failed else "",
        "children": counts or None,
        "logs": [{"attempt": each.number, "path": str(batch.log_path(each.stream))} for each in tries if each.stream],
        **_usage(every, look.detail, tries),
    }


def _end(job: Any, tries: Sequence[Attempt]) -> str:
    """How the last attempt ended, in words."""
    words = [job.get("statusReason", "")]
    if tries:
        last = tries[-1]
        words += [last.reason or "", f"exit({last.exit_code})" if last.exit_code is not None else ""]
    return end_in_words(" - ".join(word for word in words if word))


def _usage(every: Sequence[Attempt], detail: Any, tries: Sequence[Attempt] = ()) -> dict[str, Any]:
    """What attempts took, and the limits beside it: bytes, seconds and vCPUs; memory's limit in MiB.

    :param tries: of a job that is no array: its last attempt tells of computing time.
    """
    needs = {each["type"]: each["value"] for each in detail.get("container", {}).get("resourceRequirements", ())}
    memory, vcpus = needs.get("MEMORY"), needs.get("VCPU")
    measured = [each for each in tries if each.cpu_seconds is not None and each.started and each.stopped]
    computed = measured[-1].cpu_seconds if measured else None
    seconds = (measured[-1].stopped - measured[-1].started) / 1000 if measured else 0  # type: ignore[operator]
    return {
        "peak_memory": max((each.peak_memory or 0 for each in every), default=0) or None,
        "memory": int(memory) if memory else detail.get("container", {}).get("memory"),
        "cpu_seconds": computed,
        "vcpus_used": computed / seconds if computed is not None and seconds > 0 else None,
        "vcpus": float(vcpus) if vcpus else detail.get("container", {}).get("vcpus"),
    }


def _resources(batch: LocalBatch | None, node: NodeInfo) -> list[dict[str, Any]]:
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
