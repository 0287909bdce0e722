"""What comes out of a node: outputs or an error, and what happened to each child on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flyteidl.core import execution_pb2, literals_pb2

from ..aws_array.indexes import ChildIndex, OriginalIndex
from ..aws_array.job_store import Times
from ..aws_array.phases import Phase, TaskPhase


@dataclass(frozen=True)
class ChildFact:
    """One item of the array as the last attempt left it.

    :param child: its place in the array job; None: it was cached and never ran.
    :param job_id: `<array job>:<child>`, or the job itself where it is no array; "" when it never ran.
    :param attempt_count: how many attempts AWS reported.
    :param log_streams: one per attempt that had one, in order.
    :param message: AWS's status reason and exit code, "" when there is none.
    :param times: when it was created, started and stopped, in milliseconds since the epoch, as AWS says.
    """

    original: OriginalIndex
    child: ChildIndex | None
    job_id: str
    phase: TaskPhase
    attempt_count: int
    log_streams: tuple[str, ...]
    message: str
    times: Times = (None, None, None)


@dataclass(frozen=True)
class Progress:
    """A summary after a round, for progress lines.

    :param counts: children by task phase; cached ones count as SUCCESS.
    :param cached: how many of them came from the cache.
    :param error: what went wrong in this round, which is tried again.
    :param misfit: AWS's reason once no compute environment can hold what is left of the job; empty else.
    :param hang: the sentence "real Flyte would wait here for ever: ..." once that is certain.
    :param link: the page of AWS's console that Flyte's console links the task to, once there is a job.
    :param failed_attempts: how many attempts of the node have failed, in the round in which the last of them did and
        another one follows; 0 in all others. `retry_reason` is that attempt's error then.
    :param max_attempts: how often the node is tried.
    :param ended: whether the node has ended.
    """

    attempt: int
    phase: Phase
    task_phase: TaskPhase
    counts: Mapping[TaskPhase, int]
    job_name: str
    job_id: str | None
    error: str | None = None
    misfit: str = ""
    hang: str | None = None
    link: str = ""
    failed_attempts: int = 0
    retry_reason: str = ""
    max_attempts: int = 1
    ended: bool = False
    cached: int = 0


@dataclass(frozen=True)
class NodeResult:
    """The end of a node.

    :param outputs: the node's outputs when it succeeded (an empty map when the task declares none).
    :param error: why it failed, as propeller would report it (`RetriesExhausted|...`).
    :param attempt_count: how many attempts of the node were made.
    :param phase: SUCCESS, PERMANENT_FAILURE or ABORTED.
    :param output_prefix: where the last attempt's outputs.pb or error.pb lies.
    """

    phase: TaskPhase
    outputs: literals_pb2.LiteralMap | None
    error: execution_pb2.ExecutionError | None
    attempt_count: int
    children: tuple[ChildFact, ...]
    job_name: str
    job_id: str | None
    output_prefix: str
    hang: str | None = None
    deviations: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        return self.phase is TaskPhase.SUCCESS
