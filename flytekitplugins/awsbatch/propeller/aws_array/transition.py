"""What a round tells propeller: the task's phase, why, links, and one external resource per subtask."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .indexes import OriginalIndex
from .phases import TaskPhase
from .plugin_state import State, TaskError


class CacheStatus(enum.Enum):
    """`core.CatalogCacheStatus`, as far as arrays use it."""

    DISABLED = "CACHE_DISABLED"
    MISS = "CACHE_MISS"
    HIT = "CACHE_HIT"
    POPULATED = "CACHE_POPULATED"


@dataclass(frozen=True)
class LogLink:
    name: str
    uri: str


@dataclass(frozen=True)
class ExternalResource:
    """One subtask as the console shows it. `retry_attempt` is an index; after a cache put, a count, as in Flyte."""

    index: OriginalIndex
    phase: TaskPhase
    cache_status: CacheStatus = CacheStatus.DISABLED
    retry_attempt: int = 0
    logs: tuple[LogLink, ...] = ()
    external_id: str = ""


# Makes the external resources of a round: an array has thousands, and mostly nobody asks.
MakeResources = Callable[[], Sequence[ExternalResource]]


@dataclass(frozen=True)
class Transition:
    """`core.PhaseInfo`."""

    phase: TaskPhase
    version: int = 0
    reason: str = ""
    error: TaskError | None = None
    logs: tuple[LogLink, ...] = ()
    external_resources: MakeResources = tuple


@dataclass(frozen=True)
class Step:
    """A round's outcome.

    :param outputs_ready: outputs.pb or error.pb of the task were handed to propeller in this round.
    :param deviations: names of the entries of docs/explanation/fidelity.md that `safe` made use of in this round.
    """

    state: State
    transition: Transition
    outputs_ready: bool = False
    deviations: tuple[str, ...] = ()
