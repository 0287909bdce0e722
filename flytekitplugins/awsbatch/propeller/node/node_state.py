"""What a node's driver remembers between rounds, frozen; to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..aws_array.phases import TaskPhase
from ..aws_array.plugin_state import State, TaskError
from .retry_budget import Budget

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
class Memory:
    """
    :param attempt: the current one, from the request's first.
    :param state: the handler's.
    :param told: what propeller was last told.
    :param system_errors: rounds of this node that failed; they are never forgotten.
    :param queued_at: wall clock, as all times here.
    :param quiet_since: when AWS last could have had news of the job and did not know it, or failed to answer.
    :param ended: the node is over; `ending` says how.
    """

    attempt: int
    state: State = field(default_factory=State)
    told: TaskPhase = TaskPhase.UNDEFINED
    handed_over: bool = False
    budget: Budget = field(default_factory=Budget)
    system_errors: int = 0
    last_error: str = ""
    queued_at: float | None = None
    started_at: float | None = None
    quiet_since: float | None = None
    hang: str | None = None
    hang_since: float | None = None
    departures: tuple[str, ...] = ()
    ending: Ending | None = None
    ended: bool = False

    def to_json(self) -> dict[str, Any]:
        ending = self.ending
        return {
            **vars(self),
            "state": self.state.to_json(),
            "told": int(self.told),
            "budget": vars(self.budget),
            "departures": list(self.departures),
            "ending": None if ending is None else {"move": ending.move, "error": _error(ending.error)},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Memory:
        ending = value["ending"]
        return cls(
            **{
                **value,
                "state": State.from_json(value["state"]),
                "told": TaskPhase(value["told"]),
                "budget": Budget(**value["budget"]),
                "departures": tuple(value["departures"]),
                "ending": None
                if ending is None
                else Ending(ending["move"], None if ending["error"] is None else TaskError(**ending["error"])),
            }
        )


def _error(error: TaskError | None) -> dict[str, Any] | None:
    return None if error is None else dict(vars(error))
