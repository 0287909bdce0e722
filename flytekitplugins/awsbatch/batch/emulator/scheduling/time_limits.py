"""How long jobs may stay RUNNABLE at the head of their queue: `jobStateTimeLimitActions`.

Sources: the API reference of JobStateTimeLimitAction; the user guide's "Automatic remediation with
jobStateTimeLimitActions": the action is taken "when a job has been in a RUNNABLE state with the defined statusReason".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..job_model import Unit

# The user guide: "The following statusReason values support jobStateTimeLimitActions".
STATUS_REASONS = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
)


class TimeLimits:
    """Times are one clock's, in seconds.

    :ivar next_due: when the next action is due, None when none is.
    """

    def __init__(self) -> None:
        self._since: dict[Unit, float] = {}
        self.next_due: float | None = None

    def overdue_units(
        self, heads: Iterable[tuple[str, Unit]], limits: Mapping[str, Sequence[Mapping[str, Any]]], now: float
    ) -> list[tuple[Unit, str]]:
        """Units that have waited too long, with the reason of the action.

        :param heads: each unit that waits at the head of its queue, with the queue.
        """
        since: dict[Unit, float] = {}
        overdue: dict[Unit, str] = {}
        self.next_due = None
        for queue, unit in heads:
            since[unit] = self._since.get(unit, now)
            for action in limits.get(queue, ()):
                # A reason of one's own, which is only logged, means every job.
                if action["reason"] in STATUS_REASONS and not (unit.reason or "").startswith(action["reason"]):
                    continue
                due = since[unit] + action["maxTimeSeconds"]
                if due <= now:
                    overdue.setdefault(unit, action["reason"])
                else:
                    self.next_due = due if self.next_due is None else min(due, self.next_due)
        self._since = since
        return list(overdue.items())
