"""A run as people look at it: its nodes, every child of them, each attempt with its times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.job_model import JobLook
from flytekitplugins.awsbatch.batch.emulator.job_spec import job_spec_container_size

from .past_runs import NodeInfo, RunInfo

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


@dataclass(frozen=True, slots=True)
class AttemptView:
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
class ChildView:
    """An item of the mapped list; of a task that is not mapped, its one job.

    :param index: its place in the user's list. :param child: its place in the array job, None: no job ran for it.
    :param tries: how many attempts there were, also where only their number is known.
    :param status: AWS Batch's word for its state, "" where only the records tell of it.
    """

    index: int
    child: int | None
    state: str
    reason: str = ""
    attempts: tuple[AttemptView, ...] = ()
    tries: int = 0
    status: str = ""

    def ran(self, now: int) -> int | None:
        """Milliseconds between the first start and the end, or until now; None where it has not started."""
        started = self.attempts[0].started if self.attempts else None
        if started is None:
            return None
        last = self.attempts[-1].stopped
        return (last if last is not None and self.state in DONE else now) - started


@dataclass(frozen=True)
class NodeView:
    """A node in one of its attempts, and the children of that attempt in the order of the mapped list.

    :param info: of an earlier attempt: the node as it was then, under an id of its own (`n0~1`).
    :param number: of the attempt, from 1. :param of: how many the node has made.
    :param look: the job as AWS Batch tells of it, without its units; None where only the records do.
    :param elsewhere: whether the job was sent to an account, or to a URL.
    :param earlier: the attempts before this one, the oldest first.
    :param known_counts: how many children are in each state, where the children themselves do not tell.
    """

    info: NodeInfo
    children: tuple[ChildView, ...]
    number: int = 1
    of: int = 1
    look: JobLook | None = None
    elsewhere: bool = False
    earlier: tuple[NodeView, ...] = ()
    known_counts: Mapping[str, int] | None = None

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many children are in each state, in the order of STATES; states without any are left out."""
        counted = self.known_counts or Counter(child.state for child in self.children)
        return {state: counted[state] for state in STATES if counted.get(state)}

    @property
    def job(self) -> Mapping[str, Any]:
        """DescribeJobs' answer about the job as far as it never changes, empty where it is not known."""
        return self.look.detail if self.look is not None else {}

    @property
    def array(self) -> bool:
        return self.look is not None and self.look.size is not None

    @property
    def vcpus(self) -> float | None:
        """What a child asks for; None where that is not known."""
        return job_spec_container_size(self.job.get("container", {}))[0]

    @property
    def memory(self) -> int | None:
        """MiB that a child may use; None where that is not known."""
        return job_spec_container_size(self.job.get("container", {}))[1]

    @property
    def queue(self) -> str:
        decision = self.info.record.get("queue") or {}
        return str(self.job.get("jobQueue", "")).rpartition("/")[2] or str(decision.get("queue") or "")

    @property
    def attempts(self) -> tuple[NodeView, ...]:
        """This attempt and those before it, the oldest first."""
        return (*self.earlier, self)

    @property
    def name(self) -> str:
        """The node's id in the workflow, which its attempts share."""
        return self.info.node.partition(ATTEMPT_SIGN)[0]

    @cached_property
    def retries(self) -> int:
        """Attempts of jobs beyond each child's first."""
        return sum(max(0, child.tries - 1) for child in self.children)

    @cached_property
    def span(self) -> tuple[int, int | None] | None:
        """From when it first waited until its last attempt stopped (None while one runs); None before it has waited."""
        attempts = [attempt for child in self.children for attempt in child.attempts]
        if not attempts:
            return None
        ends = [attempt.stopped for attempt in attempts]
        unfinished = None in ends or any(child.state in (QUEUED, STARTS, RUNS) for child in self.children)
        end = None if unfinished else max(end for end in ends if end is not None)
        return min(attempt.queued for attempt in attempts), end


# Between a node's id and the number of an attempt before its last, in the id that this attempt goes by.
ATTEMPT_SIGN = "~"


@dataclass(frozen=True)
class ExecutionView:
    """An execution with its nodes, in the order of their calls, each in its last attempt."""

    info: RunInfo
    nodes: tuple[NodeView, ...]

    @cached_property
    def attempts(self) -> tuple[NodeView, ...]:
        """Every attempt of every node."""
        return tuple(attempt for node in self.nodes for attempt in node.attempts)

    def attempt(self, node: str) -> NodeView | None:
        """One of them by its id."""
        return next((one for one in self.attempts if one.info.node == node), None)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Of the nodes' last attempts."""
        counted = sum((Counter(node.counts) for node in self.nodes), Counter[str]())
        return {state: counted[state] for state in STATES if counted[state]}


def worst_children_first(children: Sequence[ChildView], now: int) -> list[ChildView]:
    """The failed ones first, then those under way, and of each kind the slowest first."""
    order = {state: place for place, state in enumerate(STATES)}
    return sorted(children, key=lambda child: (order[child.state], -(child.ran(now) or 0), child.index))
