"""Jobs as the service holds them while it runs: what was submitted (frozen) and its state (mutable, under the service's
lock).

A single job has one unit, an array job one unit per child. `operations` makes the wire's shapes of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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

# SubmitJob.arrayProperties: "The array size can be between 2 and 10,000".
ARRAY_SIZES = range(2, 10_001)

# How a job was asked to stop.
CANCEL = "cancel"
TERMINATE = "terminate"
TIMEOUT = "timeout"


@dataclass(frozen=True)
class JobSpec:
    """What a job needs to run, resolved from its definition and its submission.

    :param memory: MiB.
    :param timeout: seconds of an attempt, 0 for none.
    :param max_attempts: how often it may be tried, from 1.
    :param exit_rules: `evaluateOnExit`, and `dependencies`: `dependsOn`.
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
    max_attempts: int = 1
    exit_rules: Sequence[Mapping[str, str]] = ()
    dependencies: Sequence[Mapping[str, str]] = ()
    # DescribeJobs' answer as far as it never changes, in the wire's shape.
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def on_fargate(self) -> bool:
        """Whether the job is for Fargate, and not for EC2."""
        return "FARGATE" in self.detail.get("platformCapabilities", ())


@dataclass(slots=True, eq=False)
class Attempt:
    """One try of a unit. Times are milliseconds since the epoch.

    :ivar environment: the compute environment that it runs in.
    :ivar peak_memory: the most that its largest process held, or all of them when they were seen to hold more, in
        bytes; None or 0 where that is not known. Not part of what AWS tells.
    :ivar cpu_seconds: what its processes computed.
    """

    number: int
    stream: str | None
    environment: str | None = None
    started: int | None = None
    stopped: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    status_reason: str | None = None
    peak_memory: int | None = None
    cpu_seconds: float | None = None


@dataclass(slots=True, eq=False)
class Unit:
    """A single job, or one child of an array.

    :ivar attempts: in order; the last is the one that runs while the status is STARTING or RUNNING.
    :ivar stop: how it was asked to stop; `reason` has the words given with it.
    :ivar waits_for: how many dependencies have not succeeded yet.
    :ivar changes: its job's count of changes at the last of its own.
    """

    job: Job
    index: int | None
    status: str
    reason: str | None = None
    started: int | None = None
    stopped: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    stop: str | None = None
    waits_for: int = 0
    changes: int = 0

    @property
    def id(self) -> str:
        return self.job.id if self.index is None else f"{self.job.id}:{self.index}"

    @property
    def current(self) -> Attempt:
        return self.attempts[-1]


@dataclass(slots=True, eq=False)
class Job:
    """A submitted job and its units.

    :ivar owner: the service instance that runs it.
    :ivar remote: whether it came over HTTP.
    :ivar sequence: its place in the store.
    :ivar changes: how often it or a child of it has changed since it was read into memory.
    :ivar counts: how many units have each status, and `counted` when that last changed.
    """

    id: str
    spec: JobSpec
    size: int | None
    created: int
    owner: str
    status: str = RUNNABLE
    remote: bool = False
    reason: str | None = None
    started: int | None = None
    stopped: int | None = None
    stop: str | None = None
    sequence: int = 0
    changes: int = 0
    units: list[Unit] = field(init=False, repr=False)
    counts: dict[str, int] = field(init=False)
    counted: int = field(init=False)

    def __post_init__(self) -> None:
        indexes = [None] if self.size is None else range(self.size)
        self.units = [Unit(self, index, self.status) for index in indexes]
        self.counts = {**dict.fromkeys(STATUSES, 0), self.status: len(self.units)}
        self.counted = self.created
        if self.size is not None and self.status not in ENDED:
            # ListJobs: "Array job parents are updated to PENDING when any child job is updated to RUNNABLE and remain
            # in PENDING status while child jobs are running"; until then they wait for what they depend on.
            self.status = PENDING

    def unit(self, index: int | None) -> Unit | None:
        """The unit of a child's index; None for an index on a single job, and for one out of range."""
        if self.size is None:
            return self.units[0] if index is None else None
        return self.units[index] if index is not None and 0 <= index < self.size else None

    def ended(self) -> bool:
        return self.status in ENDED

    def unended(self) -> Iterator[Unit]:
        return (unit for unit in self.units if unit.status not in ENDED)


@dataclass(frozen=True)
class JobLook:
    """A job at one moment, for people who look at it. Times are milliseconds since the epoch.

    :param detail: DescribeJobs' answer as far as it never changes.
    :param units: (status, reason, attempts) of the job, or of each child of an array.
    :param counts: how many children of an array have each status.
    """

    status: str
    size: int | None
    created: int
    detail: Mapping[str, Any]
    units: tuple[tuple[str, str | None, tuple[Attempt, ...]], ...]
    reason: str | None = None
    started: int | None = None
    stopped: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def split_job_id(job_id: str) -> tuple[str, int | None]:
    """`parent:index` or a job's own id. Raises ValueError for an index that no array has."""
    parent, colon, index = job_id.partition(":")
    if not colon:
        return job_id, None
    if re.fullmatch("[0-9]{1,4}", index) is None:
        raise ValueError(f"{job_id} names no child: an array has at most {ARRAY_SIZES[-1]} children")
    return parent, int(index)
