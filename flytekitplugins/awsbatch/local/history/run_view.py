"""A run as people look at it: its nodes, every child of them, each attempt with its times.

The page, the report and `top` read it, all from the same two sources: the records of the run, and the local AWS Batch
of its home. About a job that ran somewhere else (an account, another home's service) only the records say anything.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.execution.logs import LogStream
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED, RUNNING, STARTING, SUCCEEDED
from flytekitplugins.awsbatch.batch.emulator.job_model import Attempt as ServiceAttempt
from flytekitplugins.awsbatch.batch.emulator.job_spec import container_size
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.node.node_state import NodeState
from flytekitplugins.awsbatch.wire import ERROR_FILE

from ..home import Home, HomeError
from .past_runs import NodeInfo, RunInfo, UnknownRunError, run, runs

# The states of a child, in the order in which people look for them.
FAILED = "failed"
RUNS = "running"
STARTS = "starting"
QUEUED = "queued"
INTERRUPTED = "interrupted"
SUCCESS = "succeeded"
CACHED = "cached"
STATES = (FAILED, RUNS, STARTS, QUEUED, INTERRUPTED, SUCCESS, CACHED)
DONE = frozenset((FAILED, SUCCESS, CACHED))

_OF_STATUS = {RUNNING: RUNS, STARTING: STARTS, SUCCEEDED: SUCCESS, "FAILED": FAILED}
_OF_PHASE = {
    TaskPhase.RUNNING: RUNS,
    TaskPhase.SUCCESS: SUCCESS,
    TaskPhase.PERMANENT_FAILURE: FAILED,
    TaskPhase.RETRYABLE_FAILURE: FAILED,
    TaskPhase.ABORTED: FAILED,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a child; times in milliseconds since the epoch, None while they have not come.

    :param queued: when it began to wait for a place.
    :param peak_memory: in bytes; None, like `cpu_seconds`, where it was not measured.
    """

    number: int
    queued: int
    started: int | None
    stopped: int | None
    exit_code: int | None = None
    reason: str = ""
    stream: str | None = None
    peak_memory: int | None = None
    cpu_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """An item of the mapped list; of a task that is not mapped, its one job.

    :param index: its place in the user's list. :param child: its place in the array job, None: no job ran for it.
    :param tries: how many attempts there were, also where only their number is known.
    :param ran: milliseconds between its first start and its end, or so far; None before it started.
    """

    index: int
    child: int | None
    state: str
    reason: str = ""
    attempts: tuple[Attempt, ...] = ()
    tries: int = 0

    def ran(self, now: int) -> int | None:
        """Milliseconds between the first start and the end, or until now; None where it has not started."""
        started = self.attempts[0].started if self.attempts else None
        if started is None:
            return None
        last = self.attempts[-1].stopped
        return (last if last is not None and self.state in DONE else now) - started


@dataclass(frozen=True)
class Node:
    """A node and its children, in the order of the mapped list.

    :param job: DescribeJobs' answer about the job, empty where this home's AWS Batch does not know it.
    :param array: whether the job is an array.
    :param memory: MiB that a child may use, and the `vcpus` it asks for; None where that is not known.
    """

    info: NodeInfo
    children: tuple[Child, ...]
    job: Mapping[str, Any] = field(default_factory=dict)
    array: bool = False
    memory: int | None = None
    vcpus: float | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many children are in each state, in the order of STATES; states without any are left out."""
        counted = Counter(child.state for child in self.children)
        return {state: counted[state] for state in STATES if counted[state]}

    @property
    def queue(self) -> str:
        decision = self.info.record.get("queue") or {}
        return str(self.job.get("jobQueue", "")).rpartition("/")[2] or str(decision.get("queue") or "")

    @property
    def retries(self) -> int:
        """Attempts beyond each child's first."""
        return sum(max(0, child.tries - 1) for child in self.children)

    @property
    def span(self) -> tuple[int, int | None] | None:
        """From when it first waited until its last attempt stopped (None while one runs); None before it has waited."""
        attempts = [attempt for child in self.children for attempt in child.attempts]
        if not attempts:
            return None
        ends = [attempt.stopped for attempt in attempts]
        unfinished = None in ends or any(child.state in (QUEUED, STARTS, RUNS) for child in self.children)
        end = None if unfinished else max(end for end in ends if end is not None)
        return min(attempt.queued for attempt in attempts), end


@dataclass(frozen=True)
class Execution:
    """An execution with its nodes, in the order of their calls."""

    info: RunInfo
    nodes: tuple[Node, ...]

    @property
    def counts(self) -> dict[str, int]:
        counted: Counter[str] = Counter()
        for node in self.nodes:
            counted.update(node.counts)
        return {state: counted[state] for state in STATES if counted[state]}


def worst_first(children: Sequence[Child], now: int) -> list[Child]:
    """The failed ones first, then those under way, and of each kind the slowest first."""
    order = {state: place for place, state in enumerate(STATES)}
    return sorted(children, key=lambda child: (order[child.state], -(child.ran(now) or 0), child.index))


class RunReader:
    """Reads the runs of a home while other processes write them. Close it when done; not for several threads at once.

    Raises UnknownRunError, RecordError, UnusableHomeError, as its parts do.
    """

    def __init__(self, home: Home, batch: LocalBatch | None = None) -> None:
        """:param batch: the home's local AWS Batch where this process has it open; it is not closed."""
        self.home = home
        self._own = batch is None
        self._batch = batch
        # Ended nodes, which do not change and may be large, by their records' identity.
        self._ended: dict[tuple[str, str], tuple[tuple[int, int], Node]] = {}

    def close(self) -> None:
        if self._own and self._batch is not None:
            self._batch.close()
            self._batch = None

    def __enter__(self) -> RunReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def batch(self) -> LocalBatch | None:
        """The home's local AWS Batch, to be read; None before its first job."""
        if self._batch is None and self.home.database.exists():
            self._batch = LocalBatch(self.home.batch)
        return self._batch

    def runs(self) -> list[RunInfo]:
        """All executions, newest first."""
        return runs(self.home)

    def execution(self, name: str | None = None) -> Execution:
        """One execution by its whole name, or the newest."""
        info = self._found(name)
        return Execution(info, tuple(self._node(info, node) for node in info.nodes))

    def node(self, info: RunInfo, name: str) -> Node | None:
        """One node of it by its id."""
        return next((self._node(info, node) for node in info.nodes if node.node == name), None)

    def stamp(self, name: str) -> tuple[object, ...]:
        """A value that changes whenever the execution may have changed; cheap enough to be read several times a
        second."""
        folder = self._folder(name)
        moments: list[object] = []
        for path in (folder / "execution.json", folder / "nodes"):
            with contextlib.suppress(OSError):
                moments.append(path.stat().st_mtime_ns)
        batch = self.batch
        return (*moments, batch.version() if batch is not None else None)

    def streams(self, node: Node, child: Child) -> list[LogStream]:
        """The logs of a child's attempts on this machine, the oldest first."""
        if self.batch is None or not node.info.job_id or child.child is None:
            return []
        return self.batch.log_streams(node.info.job_id, child.child if node.array else None)

    def error(self, node: Node, child: Child) -> str:
        """The child's own exception with its traceback, as it left it; "" where there is none."""
        from flyteidl.core import errors_pb2

        from flytekitplugins.awsbatch.propeller.storage import LocalStore, StorageError, read_message

        prefix = str(node.info.record.get("output_prefix") or "")
        # Looking at a page fetches nothing from a bucket.
        if not prefix.startswith("/"):
            return ""
        document = errors_pb2.ErrorDocument()
        try:
            read_message(LocalStore(), f"{prefix}/{child.index}/{ERROR_FILE}", document)
        except StorageError:
            return ""
        return str(document.error.message).strip()

    def _found(self, name: str | None) -> RunInfo:
        if name is not None:
            self._folder(name)
        return run(self.home, name)

    def _folder(self, name: str) -> Path:
        """Raises UnknownRunError also for what cannot be an execution's name."""
        try:
            return self.home.run(name)
        except HomeError as error:
            raise UnknownRunError(str(error)) from None

    def _node(self, info: RunInfo, node: NodeInfo) -> Node:
        path = self.home.run(info.name) / "nodes" / f"{node.node}.json"
        with contextlib.suppress(OSError):
            stat = path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            known = self._ended.get((info.name, node.node))
            if known is not None and known[0] == mark and known[1].info.status == node.status:
                return known[1]
            found = self._read(node)
            if node.status != "running" and all(
                child.state in DONE or child.state == INTERRUPTED for child in found.children
            ):
                if len(self._ended) >= 200:
                    self._ended.clear()
                self._ended[info.name, node.node] = (mark, found)
            return found
        return self._read(node)

    def _read(self, node: NodeInfo) -> Node:
        batch = self.batch
        look = batch.look(node.job_id) if batch is not None and node.job_id else None
        if look is None:
            return Node(node, _children_of_record(node))
        detail = look.detail
        indexes = _indexes_to_run(node)
        halted = node.status != "running"
        at = {original: child for child, original in enumerate(indexes)} if indexes is not None else None
        total = _original_size(node, look.size or 1)
        children = []
        for index in range(total):
            place = index if at is None else at.get(index)
            if place is None or place >= len(look.units):
                children.append(Child(index, None, CACHED if place is None else QUEUED))
                continue
            children.append(_child(index, place, look.units[place], look.created, halted))
        vcpus, memory = container_size(detail["container"])
        return Node(
            info=node,
            children=tuple(children),
            job=detail,
            array=look.size is not None,
            memory=memory,
            vcpus=vcpus,
        )


def _child(index: int, place: int, unit: Any, created: int, halted: bool) -> Child:
    status, reason, attempts = unit
    state = _OF_STATUS.get(status, QUEUED)
    if halted and status not in ENDED:
        state = INTERRUPTED
    seen: list[Attempt] = []
    queued = created
    for attempt in attempts:
        seen.append(_attempt(attempt, queued))
        queued = attempt.stopped or queued
    if state == QUEUED:
        # It waits, for the first time or once more.
        seen.append(Attempt(len(seen) + 1, queued, None, None))
    # AWS gives an attempt that succeeded the same reason as one that failed.
    reason = "" if state == SUCCESS else reason or ""
    return Child(index, place, state, reason, tuple(seen), len(attempts))


def _attempt(attempt: ServiceAttempt, queued: int) -> Attempt:
    return Attempt(
        number=attempt.number,
        queued=queued,
        started=attempt.started,
        stopped=attempt.stopped,
        exit_code=attempt.exit_code,
        reason=attempt.reason or attempt.status_reason or "",
        stream=attempt.stream,
        peak_memory=attempt.peak_memory or None,
        cpu_seconds=attempt.cpu_seconds,
    )


def _state_of(node: NodeInfo) -> NodeState | None:
    snapshot = node.record.get("snapshot")
    return NodeState.from_dict(snapshot) if snapshot else None


def _indexes_to_run(node: NodeInfo) -> Sequence[int] | None:
    state = _state_of(node)
    indexes = state.plugin_state.indexes_to_run if state is not None else None
    return indexes or None


def _original_size(node: NodeInfo, size: int) -> int:
    state = _state_of(node)
    return max(state.plugin_state.original_size, 1) if state is not None and state.plugin_state.original_size else size


def _children_of_record(node: NodeInfo) -> tuple[Child, ...]:
    """The children as the record alone has them: after the end a fact for each, before it their phases at the last
    look."""
    facts = node.record.get("children")
    if facts:
        return tuple(_child_of_fact(fact) for fact in facts)
    state = _state_of(node)
    if state is None or state.plugin_state.indexes_to_run is None:
        return ()
    plugin = state.plugin_state
    at = {int(original): child for child, original in enumerate(plugin.indexes_to_run or ())}
    children = []
    for index in range(plugin.original_size):
        place = at.get(index)
        if place is None:
            children.append(Child(index, None, CACHED))
            continue
        known = place < len(plugin.detailed)
        kind = _OF_PHASE.get(TaskPhase(plugin.detailed.items[place]), QUEUED) if known else QUEUED
        if node.status != "running" and kind not in DONE:
            kind = INTERRUPTED
        children.append(Child(index, place, kind))
    return tuple(children)


def _child_of_fact(fact: Mapping[str, Any]) -> Child:
    child = fact.get("child")
    state = CACHED if child is None else _OF_PHASE.get(TaskPhase[fact["phase"]], INTERRUPTED)
    times = fact.get("times") or (None, None, None)
    created, started, stopped = times
    attempts = (Attempt(int(fact["attempts"]), created, started, stopped),) if created is not None else ()
    reason = "" if state == SUCCESS else str(fact.get("message", ""))
    return Child(int(fact["original"]), child, state, reason, attempts, int(fact["attempts"]))
