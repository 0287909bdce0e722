"""The logs of jobs in CloudWatch: which streams a job has, and what is in them.

A stream appears some seconds after its attempt has started, its last lines some seconds after the attempt has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .api import BatchError

# Where AWS Batch's jobs log to unless their definition says otherwise.
GROUP = "/aws/batch/job"
AWSLOGS = "awslogs"

Call = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class JobStream:
    """The log stream of one attempt of a job, from 1. `elsewhere` names the log driver that is not CloudWatch's."""

    attempt: int
    name: str
    group: str = GROUP
    elsewhere: str = ""


def log_streams_of_job(detail: Mapping[str, Any]) -> list[JobStream]:
    """The streams in an answer of DescribeJobs, one per attempt, the current attempt's last."""
    container = detail.get("container") or {}
    logging = container.get("logConfiguration") or {}
    driver = logging.get("logDriver", AWSLOGS)
    group = (logging.get("options") or {}).get("awslogs-group", GROUP)
    names = [(one.get("container") or {}).get("logStreamName", "") for one in detail.get("attempts") or ()]
    current = container.get("logStreamName", "")
    if current and current not in names:
        names.append(current)
    elsewhere = "" if driver == AWSLOGS else driver
    return [JobStream(number, name, group, elsewhere) for number, name in enumerate(names, 1) if name]


class CloudWatchLogs:
    """:param call: makes a call of CloudWatch Logs; raises BatchError."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def read(self, stream: JobStream, token: str | None) -> tuple[list[str], str | None]:
        """The lines after a token (None: from the beginning), and the next token. A stream that is not there yet has no
        lines. Raises BatchError."""
        lines: list[str] = []
        place: dict[str, Any] = {"startFromHead": True}
        while True:
            if token is not None:
                place["nextToken"] = token
            answer = self._events(stream, place)
            if answer is None:
                return lines, token
            lines += (event["message"] for event in answer["events"])
            if answer["nextForwardToken"] == token:
                return lines, token
            token = answer["nextForwardToken"]

    def tail_of_job_log(self, stream: JobStream, count: int) -> list[str]:
        """The last lines; none of a stream that is not there yet. Raises BatchError."""
        lines: list[str] = []
        place: dict[str, Any] = {"limit": count, "startFromHead": False}
        while True:
            answer = self._events(stream, place)
            if answer is None:
                return lines[-count:]
            lines = [*(event["message"] for event in answer["events"]), *lines]
            token = answer["nextBackwardToken"]
            if len(lines) >= count or token == place.get("nextToken"):
                return lines[-count:]
            place["nextToken"] = token

    def _events(self, stream: JobStream, place: Mapping[str, Any]) -> dict[str, Any] | None:
        """None of a stream that is not there yet. Raises BatchError."""
        try:
            return self._call("GetLogEvents", {"logGroupName": stream.group, "logStreamName": stream.name, **place})
        except BatchError as error:
            if error.code != "ResourceNotFoundException":
                raise
        return None
