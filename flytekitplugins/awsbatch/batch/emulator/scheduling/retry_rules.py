"""What follows the end of an attempt: pure decisions over the attempt's end, the job's retry strategy and how it was
asked to stop.

Sources: the AWS Batch user guide, "Automated job retries", "Job timeouts", and ECS's stopped task error codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..execution.executors.protocol import CANNOT_START
from ..job_model import CANCEL, FAILED, RUNNABLE, SUCCEEDED, TERMINATE, TIMEOUT, Unit

EXITED = "Essential container in task exited"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
TIMED_OUT = "Job attempt duration exceeded timeout"
DID_NOT_START = "Task failed to start"
DEPENDENCY_FAILED = "Dependent Job failed"
CHILD_FAILED = "Array Child Job failed"
KILLED = 137

RETRY = "RETRY"


@dataclass(frozen=True)
class End:
    """How an attempt ended.

    :param status_reason: of the attempt; `reason` is the container's.
    """

    status_reason: str
    exit_code: int | None = None
    reason: str | None = None


def retry_end_by_exit(exit_code: int, out_of_memory: bool) -> End:
    if out_of_memory:
        return End(EXITED, exit_code or KILLED, OUT_OF_MEMORY)
    return End(EXITED, exit_code)


def retry_end_not_started(message: str, error: str = CANNOT_START) -> End:
    """:param error: ECS's name for it."""
    return End(DID_NOT_START, None, f"{error}: {message}"[:255])


def retry_end_host_lost(instance: str) -> End:
    return End(f"Host EC2 (instance {instance}) terminated.")


def retry_verdict(end: End, unit: Unit) -> tuple[str, str | None]:
    """A unit's next status after the end of its last attempt (SUCCEEDED, FAILED, or RUNNABLE for one more attempt), and
    the reason. One that was asked to stop is never retried, and has the reason that was given.
    """
    if unit.stop == TIMEOUT:
        return FAILED, TIMED_OUT
    if unit.stop in (TERMINATE, CANCEL):
        return FAILED, unit.reason
    if end.exit_code == 0:
        return SUCCEEDED, end.status_reason
    spec = unit.job.spec
    if len(unit.attempts) < spec.max_attempts and _retry_action(end, spec.exit_rules) == RETRY:
        return RUNNABLE, None
    return FAILED, end.status_reason


def _retry_action(end: End, rules: Sequence[Mapping[str, str]]) -> str:
    """The first rule all of whose conditions match decides; without one the job is retried."""
    exit_code = "" if end.exit_code is None else str(end.exit_code)
    for rule in rules:
        pairs = (
            (rule.get("onStatusReason"), end.status_reason),
            (rule.get("onReason"), end.reason or ""),
            (rule.get("onExitCode"), exit_code),
        )
        if all(pattern is None or matches_retry_pattern(pattern, text) for pattern, text in pairs):
            return rule["action"].upper()
    return RETRY


def matches_retry_pattern(pattern: str, text: str) -> bool:
    """A pattern is the text itself, or its beginning and an asterisk; case does not matter."""
    pattern, text = pattern.lower(), text.lower()
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
