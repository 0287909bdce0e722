"""The runs that a home remembers: listed, looked into, pruned. Reads records and folders; starts nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.private_folders import remove_folder
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.propeller.aws_array.plugin_state import State
from flytekitplugins.awsbatch.propeller.node.node_state import NodeState

from ... import machine_time
from ..all_settings import RETENTION_DAYS
from ..home import Home
from .process_mark import process_lives
from .record import RecordError, RunRecord, understanding_record

# The statuses of nodes and executions, the worst first: an execution has the worst of its nodes'.
STATUSES = ("failed", "interrupted", "aborted", "running", "succeeded")
# The prefix of an upload's name while it is being removed, also if the process that removed it was killed.
_REMOVED = ".removed-"

# How many names a message lists.
SHOWN = 5


class UnknownRunError(Exception):
    """No execution, or no node of it, has this name."""


@dataclass(frozen=True)
class NodeAttempt:
    """One attempt of a node, which submits a job of its own.

    :param number: counted from 1.
    :param reason: why it failed, if it did and another one followed.
    :param link: where Flyte's console links its job to; empty before there is one.
    """

    number: int
    job_name: str
    job_id: str | None
    reason: str = ""
    link: str = ""


@dataclass(frozen=True)
class NodeInfo:
    """One task call of an execution.

    :param function: the task's own name, of a map task the mapped one's, without its module.
    :param status: running, succeeded, failed, aborted or interrupted.
    :param job_id: of the last attempt, like `job_name`. :param attempts: all that are known, in order.
    """

    node: str
    task: str
    function: str
    status: str
    updated: float
    job_name: str
    job_id: str | None
    attempts: tuple[NodeAttempt, ...]
    record: dict[str, Any]

    @property
    def handler_state(self) -> State | None:
        """None before the handler's first round, and of an attempt before the node's last one."""
        snapshot = self.record.get("snapshot") or {}
        return NodeState.from_dict(snapshot).plugin_state if "plugin_state" in snapshot else None


@dataclass(frozen=True)
class RunInfo:
    """One execution; the status is the worst of its nodes', `interrupted` where its workflow was cut short, or
    `running` while its process lives. Plain tasks leave no record.

    :param started: seconds since the epoch, as all times here.
    :param process: the id of the process that runs it.
    :param endpoint: where its jobs are: `aws`, or a URL; None: this home's local AWS Batch.
    :param region: of that service; "" where the record does not say.
    """

    name: str
    workflow: str
    project: str
    domain: str
    started: float
    status: str
    process: int | None
    nodes: tuple[NodeInfo, ...]
    endpoint: str | None = None
    region: str = ""


def past_records(home: Home) -> Iterator[RunRecord]:
    """The records of all executions, in no order, unread: some may turn out to be unreadable."""
    try:
        yield from (RunRecord(entry) for entry in home.runs.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return


def past_runs_of(home: Home, on_unreadable: Callable[[RecordError], object] = lambda error: None) -> list[RunInfo]:
    """All executions, newest first, without those whose record cannot be read.

    :param on_unreadable: is told of each of these.
    """
    found = []
    for record in past_records(home):
        try:
            found.append(_info(record))
        except RecordError as error:
            # What pruning has left for the cache has no record any more.
            if record.exists():
                on_unreadable(error)
    return sorted(found, key=lambda run: run.started, reverse=True)


def newest_past_run(home: Home) -> RunInfo | None:
    return next(iter(past_runs_of(home)), None)


def past_run(home: Home, name: str | None = None) -> RunInfo:
    """One execution by name, or the newest. Raises UnknownRunError, RecordError."""
    if name is None:
        newest = newest_past_run(home)
        if newest is None:
            raise UnknownRunError(f"{home.path} has no execution yet.")
        return newest
    record = RunRecord(home.run(name))
    if not record.exists():
        raise UnknownRunError(f"{home.path} has no execution {name!r}; `flyte-awsbatch runs` lists them.")
    return _info(record)


def past_run_named(home: Home, beginning: str) -> str | None:
    """The name of the execution that begins so. Raises UnknownRunError for several, HomeError for what cannot be a
    name."""
    if home.run(beginning).exists():
        return beginning
    return the_one_past_run("executions", beginning, (record.folder.name for record in past_records(home)))


def the_one_past_run(kind: str, beginning: str, names: Iterable[str]) -> str | None:
    """The one name that begins so, None for none. Raises UnknownRunError for several."""
    found = sorted(name for name in names if beginning and name.startswith(beginning))
    if len(found) > 1:
        more = ", ..." if len(found) > SHOWN else ""
        raise UnknownRunError(f"Several {kind} begin with {beginning!r}: {', '.join(found[:SHOWN])}{more}")
    return found[0] if found else None


def past_node(info: RunInfo, name: str) -> NodeInfo:
    """One node of an execution, by its id or a beginning of it that no other has. Raises UnknownRunError."""
    exact = [candidate for candidate in info.nodes if candidate.node == name]
    found = exact or [candidate for candidate in info.nodes if name and candidate.node.startswith(name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(candidate.node for candidate in found or info.nodes) or "none"
    if found:
        raise UnknownRunError(f"Several nodes of execution {info.name} begin with {name!r}: {known}.")
    raise UnknownRunError(f"Execution {info.name} has no node {name!r}; it has {known}.")


def prune_past_runs(home: Home, days: float = RETENTION_DAYS, now: float | None = None) -> list[str]:
    """Removes the executions that were last written to more than `days` ago and do not run, and uploads that no call
    has referred to since; returns the names of the executions.

    Their files that cached results may refer to stay until the cache is cleared: see
    `remove_past_files_kept_for_cache`.
    """
    limit = (machine_time.wall() if now is None else now) - days * 86400
    for upload in home.uploads.glob("*"):
        with contextlib.suppress(OSError):
            _prune_upload(upload, limit)
    gone = []
    for record in past_records(home):
        with contextlib.suppress(RecordError, OSError):
            if record.record_written_at() < limit and (run := _info(record)).status != "running":
                gone.append(run)
    if gone and home.database.exists():
        jobs = [attempt.job_id for run in gone for node in run.nodes for attempt in node.attempts]
        with contextlib.closing(LocalBatch(home.batch)) as batch:
            batch.forget([job_id for job_id in jobs if job_id])
    for run in gone:
        keep = {"raw"} if any(node.record.get("cacheable") for node in run.nodes) else set()
        _remove(home.run(run.name), keep)
    return [run.name for run in gone]


def _prune_upload(upload: Path, limit: float) -> None:
    """Removes an upload that nobody has referred to since: every call that does so touches it first, also one whose
    results are cached. It is renamed first, so that nobody takes a partly removed upload for a whole one.
    """
    removed = upload.name.startswith(_REMOVED)
    if not removed and upload.stat().st_mtime >= limit:
        return
    aside = upload if removed else upload.rename(upload.with_name(f"{_REMOVED}{upload.name}"))
    if not removed and aside.stat().st_mtime >= limit:
        # It was touched in between.
        aside.rename(upload)
        return
    remove_folder(aside)


def remove_past_files_kept_for_cache(home: Home) -> None:
    """Removes the files that pruned executions left for the cache."""
    for record in past_records(home):
        if not record.exists():
            remove_folder(record.folder)


def _remove(folder: Path, keep: set[str]) -> None:
    # The record goes first, so that nobody finds half of an execution.
    (folder / "execution.json").unlink(missing_ok=True)
    if not keep or not any((folder / name).exists() for name in keep):
        remove_folder(folder)
        return
    for entry in folder.iterdir():
        if entry.name in keep:
            continue
        if entry.is_dir() and not entry.is_symlink():
            remove_folder(entry)
        else:
            entry.unlink(missing_ok=True)


def _info(record: RunRecord) -> RunInfo:
    with understanding_record(record.execution_file):
        execution = record.execution()
        lives = process_lives(execution.get("process")) and "ended" not in execution
        nodes = tuple(_node(record, name, value, lives) for name, value in record.nodes())
        # Also between two jobs: a process that was killed has recorded no end.
        cut = execution.get("interrupted", "ended" not in execution)
        statuses = {*(node.status for node in nodes), *(["interrupted"] if cut else [])}
        status = "running" if lives else next((word for word in STATUSES if word in statuses), "succeeded")
        return RunInfo(
            name=record.folder.name,
            workflow=str(execution["workflow"]),
            project=str(execution["project"]),
            domain=str(execution["domain"]),
            started=float(execution["started"]),
            status=status,
            process=execution["process"]["pid"] if lives else None,
            nodes=nodes,
            endpoint=str(execution["endpoint"]) if execution.get("endpoint") else None,
            region=str(execution.get("region", "")),
        )


def _node(record: RunRecord, name: str, value: dict[str, Any], lives: bool) -> NodeInfo:
    with understanding_record(record.node_file(name)):
        status = str(value["status"])
        job_name = str(value.get("job_name", ""))
        job_id = None if value.get("job_id") is None else str(value["job_id"])
        return NodeInfo(
            node=name,
            task=str(value["task"]),
            function=str(value["function"]),
            status="interrupted" if status == "running" and not lives else status,
            updated=float(value["updated"]),
            job_name=job_name,
            job_id=job_id,
            attempts=_attempts(value.get("attempts", ()), job_name, job_id, str(value.get("link", ""))),
            record=value,
        )


def _attempts(known: Any, job_name: str, job_id: str | None, link: str) -> tuple[NodeAttempt, ...]:
    """The last attempt's job and link are those of the node's record, since the node may have been resumed."""
    attempts = [
        NodeAttempt(
            number,
            str(each["job_name"]),
            None if each["job_id"] is None else str(each["job_id"]),
            str(each["reason"]),
            str(each.get("link", "")),
        )
        for number, each in enumerate(known, start=1)
    ]
    if not attempts or attempts[-1].job_name != job_name:
        attempts.append(NodeAttempt(len(attempts) + 1, job_name, job_id))
    attempts[-1] = replace(attempts[-1], job_id=job_id, link=link)
    return tuple(attempts)
