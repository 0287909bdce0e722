"""Resuming an execution whose process has ended: which one a call belongs to, and what still counts of each node.

A node of the same task with the same inputs continues where it was, or returns the outputs that it has. Any other node
starts over, as a further attempt, under names of its own. Decides only: nothing here starts or stops a job.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyteidl.core import tasks_pb2
from flyteidl.core.literals_pb2 import LiteralMap
from google.protobuf.message import Message

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.propeller.node.node_request import NodeRequest
from flytekitplugins.awsbatch.propeller.node.node_state import NodeState

from ... import machine_time
from ..home import Home
from .past_runs import UnknownRunError, past_records
from .past_runs import past_run_named as run_named
from .process_mark import process_lives, process_mark
from .record import RecordError, RunRecord, understanding_record

LOCK = ".lock"
# The option of `pyflyte-fast-execute` that names the archive of the code.
DISTRIBUTION_OPTION = "--additional-distribution"


class ResumeError(Exception):
    """The execution that `FLYTE_AWSBATCH_RESUME` names cannot be resumed here; the message says why."""


class Resumptions:
    """The executions that this process is to resume: the one that was named, and the others of the same process
    then (an `@eager` function starts one per call). Each is taken by the first call that equals its own first call.

    :param name: of an execution, or a beginning of it that no other has; None: there is nothing to resume.
    :param endpoint: the service that this process's jobs go to, as records have it.
    """

    def __init__(self, home: Home, name: str | None, endpoint: str | None = None) -> None:
        self._home = home
        self._name = name
        self._endpoint = endpoint
        self._left: list[RunRecord] | None = None

    def take(self, who: tuple[str, str, str], task: str, inputs: Callable[[], str]) -> str | None:
        """The execution for a call; None: a new one. Raises ResumeError, UnknownRunError, HomeError, RecordError.

        :param who: project, domain and workflow. :param inputs: makes their digest; they may be large.
        """
        if self._name is None:
            return None
        named = RunRecord(self._home.run(run_named(self._home, self._name) or self._name))
        digest = inputs()
        with understanding_record(named.execution_file):
            return self._take(named, who, task, digest)

    def _take(self, named: RunRecord, who: tuple[str, str, str], task: str, inputs: str) -> str | None:
        first = self._left is None
        if self._left is None:
            self._left = self._group(named)
        mine = [record for record in self._left if _identity(record.execution()) == who]
        if first and named.folder not in {record.folder for record in mine}:
            found = _identity(named.execution())
            raise ResumeError(
                f"{wire.SWITCH_RESUME}={self._name} is an execution of {found[2]} in {found[0]}-{found[1]}; this is "
                f"one of {who[2]} in {who[0]}-{who[1]}. Run the command that you ran before, or leave the variable out."
            )
        before = named.execution().get("endpoint")
        if _kind(before) != _kind(self._endpoint):
            raise ResumeError(
                f"{wire.SWITCH_RESUME}={self._name} ran with {wire.SWITCH}={before or 'local'}, and its jobs are "
                f"there: set it to the same value again (it is {self._endpoint or 'local'} now)."
            )
        same = [record for record in mine if _began_with(record, task, inputs)]
        chosen = same[0] if same else named if first else None
        if chosen is None:
            return None
        _claim(chosen)
        self._left = [record for record in self._left if record.folder != chosen.folder]
        return chosen.folder.name

    def _group(self, named: RunRecord) -> list[RunRecord]:
        if not named.exists():
            raise UnknownRunError(
                f"{wire.SWITCH_RESUME}={self._name}: {self._home.path} has no such execution; "
                f"`flyte-awsbatch runs` lists them."
            )
        launch = named.execution()["launch"]
        found = []
        for record in past_records(self._home):
            with contextlib.suppress(RecordError):
                execution = record.execution()
                if execution["launch"] == launch:
                    found.append((execution["started"], record))
        return [record for _, record in sorted(found, key=lambda each: each[0])]


def _kind(endpoint: str | None) -> str:
    """The kind of an endpoint: a service at a URL may have another URL after a restart."""
    return "url" if endpoint is not None and "://" in endpoint else str(endpoint)


def _identity(execution: Mapping[str, Any]) -> tuple[str, str, str]:
    return execution["project"], execution["domain"], execution["workflow"]


def _began_with(record: RunRecord, task: str, inputs: str) -> bool:
    try:
        first = next(record.nodes(), None)
    except RecordError:
        return False
    fingerprint = first[1].get("fingerprint") if first is not None else None
    if not isinstance(fingerprint, dict):
        return False
    return (fingerprint.get("task"), fingerprint.get("inputs")) == (task, inputs)


def _claim(record: RunRecord) -> None:
    """Makes this process the one that runs the execution. Raises ResumeError while another one does."""
    name = record.folder.name
    with _locked(record.folder):
        execution = record.execution()
        if process_lives(execution.get("process")) and "ended" not in execution:
            raise ResumeError(
                f"Execution {name} is still run by process {execution['process']['pid']}. Wait for it, or end it "
                f"first: flyte-awsbatch kill {name}"
            )
        for key in ("ended", "interrupted"):
            execution.pop(key, None)
        resumed = [*execution.get("resumed", ()), machine_time.wall()]
        record.write_execution({**execution, "process": process_mark(), "resumed": resumed})


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """If two processes want the same execution at once, the second waits, and sees what the first has written."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@dataclass(frozen=True)
class Fingerprint:
    """Digests by which a node of a later run is recognised as the same call. Digests, so that a record holds no
    secrets."""

    task: str
    template: str
    inputs: str

    @classmethod
    def of(cls, request: NodeRequest, left_out: Collection[str] = ()) -> Fingerprint:
        """:param left_out: as for `resume_digest_of_inputs`."""
        template = tasks_pb2.TaskTemplate()
        template.CopyFrom(request.template)
        words = template.container.args
        if DISTRIBUTION_OPTION in words:
            # Code may change between runs, here as where jobs see the working tree.
            words[list(words).index(DISTRIBUTION_OPTION) + 1] = ""
        return cls(template.id.name, resume_digest(template), resume_digest_of_inputs(request.inputs, left_out))


def resume_digest_of_inputs(inputs: LiteralMap, left_out: Collection[str]) -> str:
    """:param left_out: the inputs that the call leaves to their defaults. Those may be others in each process
    (`datetime.now()`), and are compared no more than the code of the function that has them.
    """
    if not left_out:
        return resume_digest(inputs)
    given = LiteralMap()
    given.CopyFrom(inputs)
    for name in left_out:
        del given.literals[name]
    return resume_digest(given)


def resume_digest(message: Message) -> str:
    return hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()


@dataclass(frozen=True)
class EarlierRun:
    """What an earlier process left of a node.

    :param snapshot: the state to continue from; None: the node starts over.
    :param attempt: the number of the attempt to begin with, when the node starts over.
    :param job_id: of the last job that the process knew it had submitted.
    :param succeeded: the node's record says so.
    :param restart_reason: why the node starts over, in words; "" when it continues.
    """

    snapshot: NodeState | None
    attempt: int
    job_id: str | None
    succeeded: bool = False
    restart_reason: str = ""

    def restarted(self, reason: str) -> EarlierRun:
        """The node starting over, as its next attempt."""
        attempt = self.snapshot.attempt if self.snapshot is not None else self.attempt
        return EarlierRun(None, attempt + 1, self.job_id, restart_reason=reason)


def decide_resume(record: Mapping[str, Any], now: Fingerprint) -> EarlierRun:
    """What the record of a node means for the same node of a later run."""
    snapshot = NodeState.from_dict(record["snapshot"]) if record["snapshot"] else None
    status = record["status"]
    # The snapshot may have the job of a process that resumed the node and was killed before it wrote the id down again.
    job_id = record["job_id"] or (snapshot.plugin_state.external_job_id if snapshot is not None else None)
    known = EarlierRun(snapshot, record["attempt"], job_id, status == "succeeded")
    before = Fingerprint(**record["fingerprint"])
    if before.task != now.task:
        return known.restarted(f"it was a call of {before.task} before")
    if before.inputs != now.inputs:
        return known.restarted("its inputs have changed")
    if before.template != now.template:
        return known.restarted("the task or its settings have changed")
    if status == "aborted":
        return known.restarted("its job was terminated" if job_id is not None else "it was aborted")
    if status == "failed" or (snapshot is not None and snapshot.ended and not snapshot.succeeded):
        return known.restarted("it had failed")
    return known
