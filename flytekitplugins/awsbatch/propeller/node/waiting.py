"""What a driver does between two rounds: wait for news, never sleep inside a step.

Real propeller looks again every few seconds. Here a local service can wake the reader (`batch.api.JobEvents`), and a
real account is polled.
"""

from __future__ import annotations

from typing import Protocol

from ...batch.api import JobEvents


class Wait(Protocol):
    """Returns when another round may find something new."""

    def __call__(self, job_id: str | None, round_seconds: float, error: bool) -> None:
        """
        :param job_id: the job to hear of; None: nothing was submitted yet, the next round can follow at once.
        :param round_seconds: what the last round cost, so that large arrays are not looked at after every change.
        :param error: the last round failed (a throttled call, say): back off.
        """
        ...


class EventWait:
    """Wakes when the local service says that the job or one of its children changed."""

    def __init__(self, events: JobEvents, *, timeout: float = 30.0) -> None:
        raise NotImplementedError

    def __call__(self, job_id: str | None, round_seconds: float, error: bool) -> None:
        raise NotImplementedError


class PollWait:
    """Sleeps `interval` seconds between looks, for a service that cannot wake anybody."""

    def __init__(self, interval: float = 5.0) -> None:
        raise NotImplementedError

    def __call__(self, job_id: str | None, round_seconds: float, error: bool) -> None:
        raise NotImplementedError
