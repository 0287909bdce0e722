"""A job's retry strategy and timeout (`awsbatch/transformer.go`: toBackoffLimit, toRetryStrategy, toTimeout)."""

from __future__ import annotations

from flyteidl.core import tasks_pb2

from ..propeller_settings import BatchPluginSettings

_INT32_LIMIT = 2**31


def retry_strategy_attempts(template: tasks_pb2.TaskTemplate, plugin: BatchPluginSettings) -> int | None:
    """How often AWS tries a job: the task's retries within the plugin's bounds, plus the first try.

    None: no strategy is sent, because the task's metadata has no retries, or more than an int32 holds.
    """
    if not template.HasField("metadata") or not template.metadata.HasField("retries"):
        return None
    retries: int = template.metadata.retries.retries
    if retries >= _INT32_LIMIT:
        return None
    # The minimum is applied last: it wins where the bounds contradict each other.
    return max(min(retries, plugin.max_retries), plugin.min_retries) + 1


def retry_strategy_timeout(template: tasks_pb2.TaskTemplate, default: float) -> int | None:
    """Seconds an attempt may take: the task's whole seconds, else those of the plugin's default; None: none is sent."""
    seconds: int = template.metadata.timeout.seconds
    if seconds > 0:
        return seconds
    return int(default) if default > 0 else None
