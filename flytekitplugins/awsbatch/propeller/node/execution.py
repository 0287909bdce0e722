"""A node's attempts: what propeller's node executor does around the handler, one round a call.

A driver calls `step` (or `run`) until `result` is there. After each round `snapshot` can be saved; `restore` takes the
node up again in another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..aws_array.services import HandlerServices
from .request import NodeRequest
from .result import NodeResult, Progress
from .waiting import Wait


class Observer(Protocol):
    """Hears of each round, for progress lines and for saving snapshots."""

    def __call__(self, execution: NodeExecution, progress: Progress) -> None: ...


class NodeExecution:
    """One node of an execution, from its inputs to its outputs or its error."""

    def __init__(self, request: NodeRequest, services: HandlerServices, *, observer: Observer | None = None) -> None:
        raise NotImplementedError

    @property
    def result(self) -> NodeResult | None:
        """None while the node runs."""
        raise NotImplementedError

    def step(self) -> Progress:
        """One round: refreshes the job's details, steps the handler, and moves the node on when the handler ended.

        Never raises for what a round may meet (an error of the handler counts as a system failure; after
        `max-workflow-retries` of them the node fails as propeller's workflow would).
        """
        raise NotImplementedError

    def run(self, wait: Wait) -> NodeResult:
        """Rounds until the end, `wait` between them."""
        raise NotImplementedError

    def abort(self, reason: str) -> NodeResult:
        """Terminates the job and ends the node; safe to call from another thread while `run` waits."""
        raise NotImplementedError

    def snapshot(self) -> dict[str, Any]:
        """A JSON value from which `restore` goes on, in another process too. The request is not part of it."""
        raise NotImplementedError

    @classmethod
    def restore(
        cls,
        request: NodeRequest,
        services: HandlerServices,
        snapshot: Mapping[str, Any],
        *,
        observer: Observer | None = None,
    ) -> NodeExecution:
        raise NotImplementedError
