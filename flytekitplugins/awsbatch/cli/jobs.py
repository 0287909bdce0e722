"""`jobs`: what ran for an execution. Every attempt of a node has a job of its own; an array's children are jobs too."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import rich_click as click

from flytekitplugins.awsbatch.batch.api import BatchCalls
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED, Attempt, JobLook
from flytekitplugins.awsbatch.batch.emulator.job_spec import container_size
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local.console.amounts import shown_duration
from flytekitplugins.awsbatch.local.console.exit_reasons import end_in_words
from flytekitplugins.awsbatch.local.history.past_runs import NodeAttempt, NodeInfo, RunInfo
from flytekitplugins.awsbatch.local.history.record import understanding
from flytekitplugins.awsbatch.propeller.aws_array.links import resources_of_job
from flytekitplugins.awsbatch.propeller.node.node_state import NodeState

from .common import json_option, print_json
from .home_access import MOST_IDS, batch_of, failing, run_of, the_home, workflow_option
from .tables import print_table

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

    The beginning of its name is enough, here as in the other commands. TRY is the node's attempt, where there were
    several, ATTEMPTS how often AWS Batch tried the job. MEMORY is the most that a job held, beside its
    limit; VCPUS what it used on average in its last attempt, beside what it asked for.
    """
    with failing():
        run = run_of(execution, workflow)
        with batch_of(run) as batch, understanding(the_home().run(run.name)):
            rows = [
                row
                for node in run.nodes
                for attempt in node.attempts
                for row in _jobs_of(batch, _Place(run, node, attempt), children or bool(statuses))
            ]
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
    head = ("NODE", "FUNCTION", *(("TRY",) if several else ()), "JOB", "STATUS", "ATTEMPTS", "DURATION")
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


@dataclass(frozen=True)
class _Place:
    """Where a job belongs."""

    run: RunInfo
    node: NodeInfo
    attempt: NodeAttempt

    def about(self) -> dict[str, Any]:
        node = self.node
        return {"node": node.node, "task": node.task, "function": node.function, "node_attempt": self.attempt.number}

    @property
    def halted(self) -> bool:
        """Nobody runs a job of this machine once its run's process has gone."""
        return self.node.status == INTERRUPTED and self.run.endpoint is None


def _jobs_of(batch: BatchCalls | None, place: _Place, children: bool) -> Iterator[dict[str, Any]]:
    job_id = place.attempt.job_id
    known = batch.describe_jobs(jobs=[job_id])["jobs"] if batch is not None and job_id else []
    if batch is None or not known:
        # Removed since.
        last = place.attempt is place.node.attempts[-1]
        yield place.about() | {
            **{"job": job_id, "status": place.node.status if last else "failed", "attempts": None},
            **{"milliseconds": None, "reason": place.attempt.reason, "end": "", "children": None, "logs": []},
            **_usage((), {}),
        }
        return
    (job,) = known
    look = batch.look(str(job_id)) if isinstance(batch, LocalBatch) else None
    every = [attempt for unit in look.units for attempt in unit[2]] if look is not None else []
    yield _job_row(batch, place, job, look) | _usage(every, job)
    size = job.get("arrayProperties", {}).get("size", 0)
    for first in range(0, size if children else 0, MOST_IDS):
        ids = [f"{job_id}:{index}" for index in range(first, min(first + MOST_IDS, size))]
        for child in batch.describe_jobs(jobs=ids)["jobs"]:
            yield _job_row(batch, place, child, look)


def _job_row(batch: BatchCalls, place: _Place, job: Any, look: JobLook | None) -> dict[str, Any]:
    created, started, stopped = job.get("createdAt"), job.get("startedAt"), job.get("stoppedAt")
    array = "size" in job.get("arrayProperties", {})
    tries: Sequence[Attempt] = ()
    if look is not None and not array:
        unit = look.units[job.get("arrayProperties", {}).get("index", 0)]
        tries = [attempt for attempt in unit[2] if attempt.started or attempt.stopped]
    # Of an array AWS says only when it was made and when its last child ended.
    began = started or (created if array else None)
    counts = {state: count for state, count in job.get("arrayProperties", {}).get("statusSummary", {}).items() if count}
    failed = job["status"] == "FAILED"
    streams = [attempt for attempt in tries if attempt.stream]
    return place.about() | {
        "job": job["jobId"],
        "status": INTERRUPTED if place.halted and job["status"] not in ENDED else job["status"],
        "attempts": None if array else len(tries) if look is not None else len(job.get("attempts", [])),
        "milliseconds": stopped - began if began and stopped else None,
        "reason": job.get("statusReason", "") if failed or job["status"] == "RUNNABLE" else "",
        "end": _end(job) if failed else "",
        "children": counts or None,
        "logs": [
            {"attempt": each.number, "path": str(batch.log_path(each.stream or ""))}
            for each in streams
            if isinstance(batch, LocalBatch)
        ],
        **_usage(tries, job, tries),
    }


def _end(job: Any) -> str:
    """How the last attempt ended, in words."""
    container = (job.get("attempts") or [job])[-1].get("container", {})
    code = container.get("exitCode")
    words = (job.get("statusReason"), container.get("reason"), None if code is None else f"exit({code})")
    return end_in_words(" - ".join(word for word in words if word))


def _usage(every: Sequence[Attempt], job: Any, tries: Sequence[Attempt] = ()) -> dict[str, Any]:
    """What attempts took, and the limits beside it: bytes, seconds and vCPUs; memory's limit in MiB.

    :param tries: of a job that is no array: its last attempt tells of computing time.
    """
    vcpus, memory = container_size(job.get("container", {}))
    measured = [each for each in tries if each.cpu_seconds is not None and each.started and each.stopped]
    computed = measured[-1].cpu_seconds if measured else None
    seconds = (measured[-1].stopped - measured[-1].started) / 1000 if measured else 0  # type: ignore[operator]
    return {
        "peak_memory": max((each.peak_memory or 0 for each in every), default=0) or None,
        "memory": memory,
        "cpu_seconds": computed,
        "vcpus_used": computed / seconds if computed is not None and seconds > 0 else None,
        "vcpus": vcpus,
    }


def _resources(batch: BatchCalls | None, node: NodeInfo) -> list[dict[str, Any]]:
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
