"""The error and the warning that the SDK gives its users."""

from __future__ import annotations

from typing import Any


class AWSBatchTaskError(ValueError):
    """A task that AWS Batch, or Flyte's handler in front of it, can never run.

    :param code: the stable code of the rule, described in docs/reference/lint.md.
    :param message: what would happen there, and what to write instead.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} [{code}]")
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.message)


class AWSBatchWarning(UserWarning):
    """A task that behaves differently on AWS Batch from what its code suggests. The message ends with the code."""
