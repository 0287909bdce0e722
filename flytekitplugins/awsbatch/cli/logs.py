"""`logs`: the log of a job, or of a child of an array, as it is or as it grows; or of all that failed."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

import rich_click as click

from flytekitplugins.awsbatch.batch.api import BatchCalls
from flytekitplugins.awsbatch.batch.aws import AwsBatch
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED, FAILED
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local.console.log_rendering import LogRenderer
from flytekitplugins.awsbatch.local.deployment.account_client import account_client_of
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import HomeError
from flytekitplugins.awsbatch.local.run.rerun import child_index_to_rerun

from .common import fail_command, json_option, print_json
from .home_access import (
    batch_of_home,
    batch_of_home_run,
    ending_on_failure,
    home_job_named,
    home_of_command,
    home_run_named,
    home_run_with_job,
)
from .log_sources import AccountLog, LocalLog, LogSource, Stream

# Nodes of an execution that an error names.
SHOWN_NODES = 10


@click.command("logs")
@click.argument("names", nargs=-1, metavar="JOB[:INDEX] | [EXECUTION] NODE[:ITEM]")
@click.option("--failed", is_flag=True, help="All that failed in EXECUTION, or in the newest.")
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; the last, unless given.")
@click.option("-f", "--follow", is_flag=True, help="Print the log as it grows, until the job ends.")
@click.option("--raw", is_flag=True, help="Print it as the job wrote it: flytekit writes JSON.")
@json_option
def logs_command(
    names: tuple[str, ...], failed: bool, attempt: int | None, follow: bool, raw: bool, as_json: bool
) -> None:
    """The log of a job, or of a child of an array.

    JOB is a job's id or the beginning of it (`flyte-awsbatch jobs` lists them), INDEX the child's place in the array.
    NODE is a node of the newest execution, or of the one that is named before it, ITEM the place in the mapped list.
    """
    if len(names) > 2 or not (names or failed):
        raise click.UsageError("Expected JOB or JOB:INDEX, NODE:ITEM, EXECUTION NODE:ITEM, or --failed.")
    _, colon, index = (names[-1] if names else "").partition(":")
    if colon and not index.isdecimal():
        raise click.UsageError(f"{names[-1]!r}: expected JOB or JOB:INDEX.")
    if follow and (as_json or failed):
        other = "--json prints it whole" if as_json else "--failed prints what has ended"
        raise click.UsageError(f"--follow prints a log as it grows, {other}: only one of them.")
    with ending_on_failure():
        if failed:
            _print_failed(names, attempt, raw, as_json)
            return
        with _source_of(names) as (source, job):
            log = _Log(source, job, attempt, raw)
            print_json(log.as_json()) if as_json else log.show(follow)


def _print_failed(names: tuple[str, ...], attempt: int | None, raw: bool, as_json: bool) -> None:
    """Prints the logs of what failed in each node's last attempt, in the order of the array."""
    run = home_run_named(names[0] if names else None)
    nodes = [past_runs.past_node(run, names[1].partition(":")[0])] if len(names) == 2 else list(run.nodes)
    documents = []
    with batch_of_home_run(run) as batch:
        for node in nodes:
            for job, child in _failed_jobs(batch, node) if batch is not None else ():
                assert batch is not None
                log = _Log(_source(batch, job), job, attempt, raw)
                if not log.streams():
                    continue
                if as_json:
                    documents.append(log.as_json())
                    continue
                which = f"{node.node} {node.function}" + ("" if child is None else f", child {child}")
                click.echo(f"-- {which}, attempt {log.streams()[-1].attempt} (job {job}) --")
                log.show(follow=False)
                documents.append({})
    if as_json:
        print_json(documents)
    elif not documents:
        click.echo(f"No job of execution {run.name} has failed and left a log.", err=True)


def _failed_jobs(batch: BatchCalls, node: past_runs.NodeInfo) -> Iterator[tuple[str, int | None]]:
    """The id of each failed job, and the child's place in the array."""
    known = batch.describe_jobs(jobs=[node.job_id])["jobs"] if node.job_id else []
    for job in known:
        size = job.get("arrayProperties", {}).get("size", 0)
        if not size and job["status"] == FAILED:
            yield job["jobId"], None
        for child in batch.children_of_array(job["jobId"], size):
            if child["status"] == FAILED:
                yield child["jobId"], child["arrayProperties"]["index"]


@contextlib.contextmanager
def _source_of(names: tuple[str, ...]) -> Iterator[tuple[LogSource, str]]:
    """The log that the names lead to, and its job; ends the command where there is none."""
    name = names[-1]
    newest = past_runs.newest_past_run(home_of_command())
    run = newest if _has_just_this_node(newest, name) else None
    if len(names) == 2:
        run = home_run_named(names[0])
    with batch_of_home() as batch:
        found = home_job_named(batch, name) if batch is not None and run is None else None
        elsewhere = home_run_with_job(name) if found is None and run is None else None
        if elsewhere is not None:
            run, found = elsewhere
        elif found is None:
            run, found = _job_of_node(run, newest, name)
        client = account_client_of(run) if run is not None else None
        service = client or batch
        if found is None or service is None:
            fail_command(_unknown(batch, newest, name))
        _refuse_array(service, found)
        yield _source(service, found), found


def _has_just_this_node(run: past_runs.RunInfo | None, name: str) -> bool:
    """The name of an execution, or the id of a job, may begin with the same letters as a node's."""
    return run is not None and any(node.node == name.partition(":")[0] for node in run.nodes)


def _source(batch: BatchCalls, job: str) -> LogSource:
    if isinstance(batch, LocalBatch):
        return LocalLog(batch, job)
    assert isinstance(batch, AwsBatch)
    return AccountLog(batch, job)


def _job_of_node(
    run: past_runs.RunInfo | None, newest: past_runs.RunInfo | None, name: str
) -> tuple[past_runs.RunInfo | None, str | None]:
    """The job, or the child, that ran an item of a node.

    :param run: None: the name is that of an execution with a single job, or of a node of the newest execution.
    """
    if run is not None:
        return run, _job_of_item(run, name)
    with contextlib.suppress(HomeError):
        execution = None if ":" in name else past_runs.past_run_named(home_of_command(), name)
        if execution is not None:
            run = home_run_named(execution)
            jobs = [node.job_id for node in run.nodes]
            return run, jobs[0] if len(jobs) == 1 and not _children_of(run.nodes[0]) else None
    if newest is not None and any(node.node.startswith(name.partition(":")[0]) for node in newest.nodes):
        return newest, _job_of_item(newest, name)
    return None, None


def _job_of_item(run: past_runs.RunInfo, name: str) -> str | None:
    """Raises UnknownRunError."""
    node_name, colon, item = name.partition(":")
    node = past_runs.past_node(run, node_name)
    if node.job_id is None:
        why = "all that it gave came from the cache" if node.status == "succeeded" else "none was submitted"
        raise past_runs.UnknownRunError(f"Node {node.node} of execution {run.name} has no job and no log: {why}.")
    if not colon:
        return node.job_id
    child = child_index_to_rerun(node, int(item))
    return node.job_id if child is None or not _children_of(node) else f"{node.job_id}:{child}"


def _children_of(node: past_runs.NodeInfo) -> int:
    """How many children the node's job has; 0 for a job that is no array."""
    state = node.handler_state
    return state.execution_size if state is not None and state.execution_size > 1 else 0


def _refuse_array(batch: BatchCalls, job: str) -> None:
    known = batch.describe_jobs(jobs=[job])["jobs"]
    if not known:
        fail_command(f"AWS Batch does not know job {job}, or not any more.")
    size = known[0].get("arrayProperties", {}).get("size", 0)
    if size:
        fail_command(
            f"Job {job} is an array of {size}, and its children have the logs: {job}:0 to {job}:{size - 1} "
            f"(flyte-awsbatch jobs --children says how each ended, flyte-awsbatch logs --failed shows what failed)."
        )


def _unknown(batch: LocalBatch | None, newest: past_runs.RunInfo | None, job: str) -> str:
    job_id = job.partition(":")[0]
    if batch is not None and job_id != job and (array := home_job_named(batch, job_id)):
        (known,) = batch.describe_jobs(jobs=[array])["jobs"]
        size = known.get("arrayProperties", {}).get("size", 0)
        children = f"its children are {array}:0 to {array}:{size - 1}" if size else "it is no array and has no children"
        return f"There is no {job!r}: {children}."
    with contextlib.suppress(HomeError):
        execution = past_runs.past_run_named(home_of_command(), job_id)
        if execution is not None:
            return f"{job!r} is an execution; `flyte-awsbatch jobs {execution}` lists its jobs, which have the logs."
    unknown = f"The local AWS Batch of {home_of_command().path} knows no job {job!r}"
    if newest is None:
        return f"{unknown}; `flyte-awsbatch jobs` lists them."
    names = [node.node for node in newest.nodes]
    nodes = ", ".join([*names[:SHOWN_NODES], *(["..."] if len(names) > SHOWN_NODES else [])]) or "none"
    return (
        f"{unknown}, and the newest execution, {newest.name}, has no node {job_id!r} with a job; it has {nodes}. "
        f"`flyte-awsbatch jobs` lists its jobs."
    )


class _Log:
    """The log of a job or child, of one attempt or of one after the other."""

    def __init__(self, source: LogSource, job: str, attempt: int | None, raw: bool) -> None:
        self._source = source
        self._job = job
        self._attempt = attempt
        self._raw = raw
        self._status = source.status()

    def streams(self) -> list[Stream]:
        return [one for one in self._source.streams() if self._attempt in (None, one.attempt)]

    def as_json(self) -> dict[str, Any]:
        streams = self.streams()
        if not streams:
            self._fail()
        last = streams[-1]
        pieces: list[bytes] = []
        self._source.copy(last, None, pieces.append, wait=True)
        about = {"attempt": last.attempt, "stream": last.name, "path": self._source.place(last)}
        return {"job": self._job, **about, "lines": b"".join(pieces).decode("utf-8", "replace").splitlines()}

    def show(self, follow: bool) -> None:
        shown, position = None, None
        renderer = LogRenderer(self._raw)

        def show(data: bytes) -> None:
            _print_bytes(renderer.render_log(data))

        while True:
            # Asked before the log is read: if the job has ended, the log is complete.
            self._status = self._source.status()
            ended = self._status in ENDED
            streams = self.streams()
            if not streams and (ended or not follow):
                self._fail()
            if shown is None and streams:
                shown = streams[0].attempt if follow and not ended else streams[-1].attempt
            for stream in streams:
                if shown is not None and stream.attempt >= shown:
                    if stream.attempt > shown:
                        _print_bytes(renderer.render_rest_of_log())
                        click.echo(f"-- attempt {stream.attempt} --", err=True)
                        shown, position = stream.attempt, None
                    late = ended or not follow
                    position = self._source.copy(stream, position, show, wait=late)
            more_to_come = not ended and follow and self._source.still_runs()
            if not more_to_come:
                _print_bytes(renderer.render_rest_of_log())
                if not ended and follow:
                    click.echo("-- no process runs this job any more --", err=True)
                return
            time.sleep(self._source.poll)

    def _fail(self) -> NoReturn:
        """Says why there is nothing to show."""
        others = ", ".join(str(one.attempt) for one in self._source.streams())
        if others:
            fail_command(f"Job {self._job} has no log of attempt {self._attempt}; it has those of {others}.")
        yet = "" if self._status in ENDED else " yet"
        fail_command(f"Job {self._job} has no log{yet}: it is {self._state(self._status)}.")

    def _state(self, status: str) -> str:
        if status in ENDED or self._source.still_runs():
            return status
        return f"{status}, and no process runs it any more"


def _print_bytes(data: bytes) -> None:
    if data:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
