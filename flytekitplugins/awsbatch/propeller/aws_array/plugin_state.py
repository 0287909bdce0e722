"""What the handler keeps between rounds: Flyte's plugin state (`array/core/state.go`, `awsbatch/state.go`), frozen.

It goes to JSON and back, so that a run can be killed after any step and resumed by another process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mashumaro import DataClassDictMixin
from mashumaro.config import BaseConfig

from .compact_array import CompactArray, bounded_array_size
from .indexes import ChildIndex, OriginalIndex, index_ranges
from .phases import Phase, TaskPhase, check_phase_transition


@dataclass(frozen=True)
class TaskError:
    """`core.ExecutionError`: kind is UNKNOWN, USER or SYSTEM."""

    code: str = ""
    message: str = ""
    kind: str = "UNKNOWN"


def _ranges(indexes: Iterable[int] | None) -> list[list[int]] | None:
    return None if indexes is None else index_ranges(indexes)


def _indexes(ranges: Sequence[Sequence[int]] | None) -> tuple[OriginalIndex, ...] | None:
    """What `_ranges` was made of. Raises ValueError when that is more than an array has."""
    if ranges is None:
        return None
    bounded_array_size(sum(bounded_array_size(last - first + 1) for first, last in ranges))
    return tuple(OriginalIndex(index) for first, last in ranges for index in range(first, last + 1))


class Saved(DataClassDictMixin):
    """A dataclass that goes to JSON (`to_dict`) and back (`from_dict`, which raises LookupError or ValueError)."""

    class Config(BaseConfig):
        lazy_compilation = True
        serialization_strategy = {
            enum: {"serialize": lambda phase: phase.name, "deserialize": enum.__getitem__}
            for enum in (Phase, TaskPhase)
        }


@dataclass(frozen=True)
class State(Saved):
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
    indexes_to_run: tuple[OriginalIndex, ...] | None = field(
        default=None, metadata={"serialize": _ranges, "deserialize": _indexes}
    )
    detailed: CompactArray = field(default_factory=CompactArray)
    summary: Mapping[TaskPhase, int] = field(default_factory=dict)
    retry_attempts: CompactArray = field(default_factory=CompactArray)
    external_job_id: str | None = None
    definition_arn: str = ""

    @classmethod
    def __post_deserialize__(cls, obj: State) -> State:
        """Raises ValueError for sizes that no array has: there would be a fact and a link for each of its items."""
        bounded_array_size(obj.execution_size)
        if obj.indexes_to_run is not None:
            bounded_array_size(obj.original_size)
        return obj

    def to(self, phase: Phase, version: int, reason: str | None = None, **changes: Any) -> State:
        """The state one step further. ForbiddenTransitionError unless the table of phases has the step."""
        check_phase_transition(self.phase, phase)
        return replace(self, phase=phase, version=version, reason=self.reason if reason is None else reason, **changes)

    def original(self, child: ChildIndex) -> OriginalIndex:
        """The original index of a child (`CalculateOriginalIndex`); -1 when there is none."""
        indexes = self.indexes_to_run or ()
        return indexes[child] if child < len(indexes) else OriginalIndex(-1)
