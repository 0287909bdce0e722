"""What a node's driver remembers between rounds, frozen; to JSON and back."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..aws_array.phases import TaskPhase
from ..aws_array.plugin_state import Saved, State, TaskError
from .retry_budget import RetryBudget

SUCCEEDING = "succeeding"
FAILING = "failing"
RETRYING = "retrying"
ABORTING = "aborting"


@dataclass(frozen=True)
class Ending:
    """How an attempt ends, once its job has been terminated: `move` is one of the words above."""

    move: str
    error: TaskError | None = None


@dataclass(frozen=True)
class NodeState(Saved):
    """A node between two rounds. `NodeState.from_dict` reads what `NodeExecution.snapshot` gave.

    :param attempt: the current one, from the request's first.
    :param plugin_state: the handler's.
    :param reported: the phase that propeller was last told.
    :param outputs_ready: the handler has handed outputs or an error to propeller.
    :param system_errors: rounds of this node that failed; they are never forgotten.
    :param queued_at: wall clock, as all times here.
    :param quiet_since: since when AWS has no news of the job and none may ever come (`hangs.hang_without_news`).
    :param failing_since: when it became certain that the array fails, while children of it are waited for.
    :param ended: the node is over; `ending` says how.
    """

    attempt: int
    plugin_state: State = field(default_factory=State)
    reported: TaskPhase = TaskPhase.UNDEFINED
    outputs_ready: bool = False
    budget: RetryBudget = field(default_factory=RetryBudget)
    system_errors: int = 0
    queued_at: float | None = None
    started_at: float | None = None
    quiet_since: float | None = None
    hang: str | None = None
    hang_since: float | None = None
    deviations: tuple[str, ...] = ()
    failing_since: float | None = None
    ending: Ending | None = None
    ended: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the node has ended with its outputs."""
        return self.ended and self.ending is not None and self.ending.move == SUCCEEDING
