"""Jobs as the service holds them while it runs: what was asked (frozen) and how far it has come (mutable, under the
service's lock).

A single job is one unit; an array job is as many units as it has children. The wire's shapes are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SUBMITTED = "SUBMITTED"
PENDING = "PENDING"
RUNNABLE = "RUNNABLE"
STARTING = "STARTING"
RUNNING = "RUNNING"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"

STATUSES = (SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED)
ENDED = frozenset((SUCCEEDED, FAILED))
CANCELLABLE = frozenset((SUBMITTED, PENDING, RUNNABLE))

# How a job was asked to stop.
CANCEL = "cancel"
TERMINATE = "terminate"
TIMEOUT = "timeout"


@dataclass(frozen=True)
class ExitRule:
    """One `evaluateOnExit` rule; a pattern of None matches everything."""

    action: str
    on_status_reason: str | None = None
    on_reason: str | None = None
    on_exit_code: str | None = None


@dataclass(frozen=True)
class Dependency:
    """:param kind: "" (the job as a whole), SEQUENTIAL (of the array on itself) or N_TO_N."""

    job_id: str
    kind: str = ""


@dataclass(frozen=True)
class JobSpec:
    """What a job needs to run, resolved from its definition and its submission.

    :param memory: MiB.
    :param timeout: seconds of an attempt, 0 for none.
    :param attempts: how often it may be tried, from 1.
    """

    name: str
    queue: str
    definition: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    vcpus: float
    memory: int
    gpus: int = 0
    timeout: int = 0
    attempts: int = 1
    exit_rules: tuple[ExitRule, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    # DescribeJobs' answer as far as it never changes, in the wire's shape.
    detail: Mapping[str, Any] = field(default_factory=dict)


class Attempt:
    """One try of a unit. Times are milliseconds since the epoch.

    :ivar environment: the compute environment that it runs in.
    """

    __slots__ = ("environment", "exit_code", "number", "reason", "started", "status_reason", "stopped", "stream")

    def __init__(
        self,
        number: int,
        stream: str | None,
        environment: str | None = None,
        started: int | None = None,
        stopped: int | None = None,
        exit_code: int | None = None,
        reason: str | None = None,
        status_reason: str | None = None,
    ) -> None:
        self.number = number
        self.stream = stream
        self.environment = environment
        self.started = started
        self.stopped = stopped
        self.exit_code = exit_code
        self.reason = reason
        self.status_reason = status_reason


class Unit:
    """A single job, or one child of an array.

    :ivar attempts: in order; the last is the one that runs while the status is STARTING or RUNNING.
    :ivar stop: how it was asked to stop, and `stop_reason` the words given with it.
    :ivar waits_for: how many dependencies have not succeeded yet.
    :ivar changes: its job's count of changes at the last of its own.
    """

    __slots__ = (
        "attempts",
        "changes",
        "index",
        "job",
        "reason",
        "started",
        "status",
        "stop",
        "stop_reason",
        "stopped",
        "waits_for",
    )

    def __init__(self, job: Job, index: int | None, status: str) -> None:
        self.job = job
        self.index = index
        self.status = status
        self.reason: str | None = None
        self.started: int | None = None
        self.stopped: int | None = None
        self.attempts: list[Attempt] = []
        self.stop: str | None = None
        self.stop_reason: str | None = None
        self.waits_for = 0
        self.changes = 0

    @property
    def id(self) -> str:
        return self.job.id if self.index is None else f"{self.job.id}:{self.index}"

    @property
    def current(self) -> Attempt:
        return self.attempts[-1]


class Job:
    """A submitted job and its units.

    :ivar sequence: its place in the store.
    :ivar changes: how often it or a child of it has changed since it was read into memory.
    :ivar owner: the service instance that runs it.
    """

    __slots__ = (
        "changes",
        "counts",
        "created",
        "id",
        "owner",
        "reason",
        "remote",
        "sequence",
        "size",
        "spec",
        "started",
        "status",
        "stop",
        "stopped",
        "units",
    )

    def __init__(
        self,
        id: str,
        spec: JobSpec,
        size: int | None,
        created: int,
        owner: str,
        status: str = RUNNABLE,
        remote: bool = False,
    ) -> None:
        self.id = id
        self.spec = spec
        self.size = size
        self.created = created
        self.owner = owner
        self.status = status
        self.remote = remote
        self.reason: str | None = None
        self.started: int | None = None
        self.stopped: int | None = None
        self.stop: str | None = None
        self.sequence = 0
        self.changes = 0
        self.units = (
            [Unit(self, None, status)] if size is None else [Unit(self, index, status) for index in range(size)]
        )
        self.counts = dict.fromkeys(STATUSES, 0)
        self.counts[status] = len(self.units)

    def unit(self, index: int | None) -> Unit | None:
        """The unit of a child's index; None for an index on a single job, and for one out of range."""
        if self.size is None:
            return self.units[0] if index is None else None
        return self.units[index] if index is not None and 0 <= index < self.size else None

    def ended(self) -> bool:
        return self.status in ENDED

    def unended(self) -> Iterator[Unit]:
        return (unit for unit in self.units if unit.status not in ENDED)


def split_id(job_id: str) -> tuple[str, int | None]:
    """`parent:index` or a job's own id. Raises ValueError for an index that is no number."""
    parent, colon, index = job_id.partition(":")
    return (parent, int(index)) if colon else (job_id, None)
