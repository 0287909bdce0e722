"""How often a node is tried (`nodes/executor.go`: isEligibleForRetry; `transformers/k8s/utils.go`). Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flyteidl.core import tasks_pb2

from ..aws_array.plugin_state import TaskError
from ..propeller_settings import NodeSettings

SYSTEM = "SYSTEM"


def max_attempts(template: tasks_pb2.TaskTemplate, retries: int | None, settings: NodeSettings) -> int:
    """The node's own retries plus one, else the task's, else the deployment's default."""
    given = retries or int(template.metadata.retries.retries)
    return given + 1 if given else settings.default_max_attempts


@dataclass(frozen=True)
class RetryBudget:
    """What a node has used up. `attempts` counts from 0, failures of the system have a count of their own."""

    attempts: int = 0
    system_failures: int = 0

    def budget_after(
        self, error: TaskError, maximum: int, settings: NodeSettings
    ) -> tuple[RetryBudget, TaskError | None]:
        """(the budget after a retryable failure, the error that ends the node or None for another attempt)."""
        if error.kind == SYSTEM and not settings.ignore_retry_cause:
            used, limit = self.system_failures, settings.max_system_failures
            spent = replace(self, system_failures=self.system_failures + 1)
        else:
            # With `ignore-retry-cause` no failure was ever counted as the system's.
            used, limit = self.attempts + 1 - self.system_failures, maximum
            spent = self
        if used < limit:
            return replace(spent, attempts=self.attempts + 1), None
        message = f"[{used}/{limit}] currentAttempt done. Last Error: {error.kind}::{error.message}"
        return spent, TaskError(f"RetriesExhausted|{error.code}", message, "USER")
