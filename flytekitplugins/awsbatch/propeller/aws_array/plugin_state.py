"""What the handler keeps between rounds: Flyte's plugin state (`array/core/state.go`, `awsbatch/state.go`), frozen.

Goes to JSON and back, so that a run can be killed after any step and taken up by another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .compact_array import CompactArray
from .indexes import ChildIndex, OriginalIndex
from .phases import Phase, TaskPhase, check_transition


@dataclass(frozen=True)
class TaskError:
    """`core.ExecutionError`: kind is UNKNOWN, USER or SYSTEM."""

    code: str = ""
    message: str = ""
    kind: str = "UNKNOWN"
    error_uri: str = ""


@dataclass(frozen=True)
class State:
    """The saved state.

    :param execution_size: how many children the array job has.
    :param original_size: how many items the user's list has.
    :param indexes_to_run: the original index of each child, in order: those that were not cached. None: not known yet.
    :param detailed: each child's TaskPhase as of the last look.
    :param summary: how many children are in each phase.
    :param retry_attempts: attempts that AWS reported, by child.
    """

    phase: Phase = Phase.START
    version: int = 0
    reason: str = ""
    error: TaskError | None = None
    execution_size: int = 0
    original_size: int = 0
    min_successes: int = 0
    indexes_to_run: tuple[OriginalIndex, ...] | None = None
    detailed: CompactArray = field(default_factory=CompactArray)
    summary: Mapping[TaskPhase, int] = field(default_factory=dict)
    retry_attempts: CompactArray = field(default_factory=CompactArray)
    external_job_id: str | None = None
    definition_arn: str = ""

    def to(self, phase: Phase, version: int, reason: str | None = None, **changes: Any) -> State:
        """The state one step further. ForbiddenTransitionError unless the table of phases has the step."""
        check_transition(self.phase, phase)
        return replace(self, phase=phase, version=version, reason=self.reason if reason is None else reason, **changes)

    def original(self, child: ChildIndex) -> OriginalIndex:
        """The original index of a child (`CalculateOriginalIndex`); -1 when there is none."""
        indexes = self.indexes_to_run or ()
        return indexes[child] if child < len(indexes) else OriginalIndex(-1)

    def to_json(self) -> dict[str, Any]:
        return {
            "phase": self.phase.flyte_name,
            "version": self.version,
            "reason": self.reason,
            "error": None if self.error is None else vars(self.error),
            "executionSize": self.execution_size,
            "originalSize": self.original_size,
            "minSuccesses": self.min_successes,
            "indexesToRun": None if self.indexes_to_run is None else _ranges(self.indexes_to_run),
            "detailed": self.detailed.to_json(),
            "summary": {phase.flyte_name: count for phase, count in self.summary.items()},
            "retryAttempts": self.retry_attempts.to_json(),
            "externalJobId": self.external_job_id,
            "definitionArn": self.definition_arn,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> State:
        indexes = value["indexesToRun"]
        return cls(
            phase=_PHASES[value["phase"]],
            version=value["version"],
            reason=value["reason"],
            error=None if value["error"] is None else TaskError(**value["error"]),
            execution_size=value["executionSize"],
            original_size=value["originalSize"],
            min_successes=value["minSuccesses"],
            indexes_to_run=None
            if indexes is None
            else tuple(OriginalIndex(i) for first, last in indexes for i in range(first, last + 1)),
            detailed=CompactArray.from_json(value["detailed"]),
            summary={_TASK_PHASES[name]: count for name, count in value["summary"].items()},
            retry_attempts=CompactArray.from_json(value["retryAttempts"]),
            external_job_id=value["externalJobId"],
            definition_arn=value["definitionArn"],
        )


_PHASES = {phase.flyte_name: phase for phase in Phase}
_TASK_PHASES = {phase.flyte_name: phase for phase in TaskPhase}


def _ranges(indexes: tuple[OriginalIndex, ...]) -> list[list[int]]:
    """[first, last] of each run of consecutive indexes."""
    found: list[list[int]] = []
    for index in indexes:
        if found and found[-1][1] == index - 1:
            found[-1][1] = index
        else:
            found.append([index, index])
    return found
