"""The table of phases: every phase of the handler and of a task, the transitions allowed, and the two deciders.

Nothing elsewhere assigns a phase that this table does not allow. Sources: `array/core/state.go` (`Phase`,
`SummaryToPhase`, `MapArrayStateToPluginPhase`), `pluginmachinery/core/phase.go`, `awsbatch/executor.go` (`Handle`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Phase(enum.IntEnum):
    """Where the handler is. The numbers are Flyte's."""

    START = 0
    PRE_LAUNCH = 1
    LAUNCH = 2
    WAITING_FOR_RESOURCES = 3
    CHECKING_SUBTASKS = 4
    ASSEMBLE_FINAL_OUTPUT = 5
    WRITE_TO_DISCOVERY = 6
    WRITE_TO_DISCOVERY_THEN_FAIL = 7
    SUCCESS = 8
    ASSEMBLE_FINAL_ERROR = 9
    RETRYABLE_FAILURE = 10
    PERMANENT_FAILURE = 11
    ABORT_SUBTASKS = 12

    @property
    def flyte_name(self) -> str:
        """`PhaseCheckingSubTaskExecutions` and the like."""
        return _PHASE_NAMES[self]

    @property
    def terminal(self) -> bool:
        return not ALLOWED[self]


class TaskPhase(enum.IntEnum):
    """The phase of a task or a subtask, as propeller is told of it. The numbers are Flyte's."""

    UNDEFINED = 0
    NOT_READY = 1
    WAITING_FOR_RESOURCES = 2
    QUEUED = 3
    INITIALIZING = 4
    RUNNING = 5
    SUCCESS = 6
    RETRYABLE_FAILURE = 7
    PERMANENT_FAILURE = 8
    WAITING_FOR_CACHE = 9
    ABORTED = 10

    @property
    def flyte_name(self) -> str:
        """`PhaseRetryableFailure` and the like."""
        return _TASK_PHASE_NAMES[self]

    @property
    def failure(self) -> bool:
        return self in (TaskPhase.RETRYABLE_FAILURE, TaskPhase.PERMANENT_FAILURE)

    @property
    def terminal(self) -> bool:
        return self.failure or self in (TaskPhase.SUCCESS, TaskPhase.ABORTED)


def _flyte_name(phase: enum.IntEnum) -> str:
    return "Phase" + "".join(word.capitalize() for word in phase.name.split("_"))


_PHASE_NAMES = {phase: _flyte_name(phase) for phase in Phase}
_PHASE_NAMES |= {
    Phase.CHECKING_SUBTASKS: "PhaseCheckingSubTaskExecutions",
    Phase.ABORT_SUBTASKS: "PhaseAbortSubTasks",
}
_TASK_PHASE_NAMES = {phase: _flyte_name(phase) for phase in TaskPhase}

# From each phase, where a step may lead. A phase that leads nowhere is terminal.
ALLOWED: Mapping[Phase, frozenset[Phase]] = {
    Phase.START: frozenset(
        {Phase.START, Phase.PRE_LAUNCH, Phase.ASSEMBLE_FINAL_OUTPUT, Phase.PERMANENT_FAILURE},
    ),
    Phase.PRE_LAUNCH: frozenset({Phase.LAUNCH}),
    Phase.LAUNCH: frozenset({Phase.CHECKING_SUBTASKS}),
    Phase.WAITING_FOR_RESOURCES: frozenset({Phase.CHECKING_SUBTASKS}),
    Phase.CHECKING_SUBTASKS: frozenset(
        {Phase.CHECKING_SUBTASKS, Phase.WAITING_FOR_RESOURCES, Phase.WRITE_TO_DISCOVERY, Phase.ABORT_SUBTASKS},
    ),
    Phase.ABORT_SUBTASKS: frozenset({Phase.ABORT_SUBTASKS, Phase.ASSEMBLE_FINAL_ERROR}),
    Phase.WRITE_TO_DISCOVERY: frozenset({Phase.WRITE_TO_DISCOVERY, Phase.ASSEMBLE_FINAL_OUTPUT}),
    Phase.WRITE_TO_DISCOVERY_THEN_FAIL: frozenset({Phase.WRITE_TO_DISCOVERY_THEN_FAIL, Phase.ASSEMBLE_FINAL_ERROR}),
    Phase.ASSEMBLE_FINAL_OUTPUT: frozenset({Phase.ASSEMBLE_FINAL_OUTPUT, Phase.SUCCESS, Phase.RETRYABLE_FAILURE}),
    Phase.ASSEMBLE_FINAL_ERROR: frozenset({Phase.ASSEMBLE_FINAL_ERROR, Phase.RETRYABLE_FAILURE}),
    Phase.SUCCESS: frozenset(),
    Phase.RETRYABLE_FAILURE: frozenset(),
    Phase.PERMANENT_FAILURE: frozenset(),
}

# What propeller is told in a phase, where that is not RUNNING.
_REPORTED: Mapping[Phase, TaskPhase] = {
    Phase.START: TaskPhase.INITIALIZING,
    Phase.WAITING_FOR_RESOURCES: TaskPhase.WAITING_FOR_RESOURCES,
    Phase.SUCCESS: TaskPhase.SUCCESS,
    Phase.RETRYABLE_FAILURE: TaskPhase.RETRYABLE_FAILURE,
    Phase.PERMANENT_FAILURE: TaskPhase.PERMANENT_FAILURE,
}


class ForbiddenTransitionError(AssertionError):
    """A step led where the table does not allow: a fault of this package, never of the user."""


def check_phase_transition(before: Phase, after: Phase) -> None:
    """Raises ForbiddenTransitionError unless the table has `before` -> `after`."""
    if after not in ALLOWED[before]:
        raise ForbiddenTransitionError(f"no step leads from {before.flyte_name} to {after.flyte_name}")


def summary_to_phase(min_successes: int, summary: Mapping[TaskPhase, int]) -> Phase:
    """Where the array stands, from the number of subtasks in each phase.

    :param min_successes: how many of those that run must succeed; may be negative when enough were cached.
    """
    total = sum(summary.values())
    successes = summary.get(TaskPhase.SUCCESS, 0)
    permanent = summary.get(TaskPhase.PERMANENT_FAILURE, 0)
    if total < min_successes or total - permanent < min_successes:
        return Phase.ABORT_SUBTASKS
    if summary.get(TaskPhase.WAITING_FOR_RESOURCES, 0) > 0:
        return Phase.WAITING_FOR_RESOURCES
    if successes >= min_successes and successes + permanent == total:
        return Phase.WRITE_TO_DISCOVERY
    return Phase.CHECKING_SUBTASKS


def task_phase(phase: Phase) -> TaskPhase:
    """What propeller is told while the handler is in `phase`."""
    return _REPORTED.get(phase, TaskPhase.RUNNING)
