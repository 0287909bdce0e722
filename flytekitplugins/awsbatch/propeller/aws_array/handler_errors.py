"""What the handler raises. An error of a round leaves the saved state as it was; propeller tries the round again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class HandlerError(Exception):
    """Flyte's `[Code] message` errors.

    :param code: Flyte's error code, such as `BadTaskSpecification`; "" for an error without one.
    :param message: the handler's own words.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"[{code}] {message}" if code else message)
        self.code = code
        self.message = message


BAD_TASK_SPECIFICATION = "BadTaskSpecification"
METADATA_ACCESS_FAILED = "MetadataAccessFailed"
SYSTEM_ERROR = "SYSTEM_ERROR"
WORK_QUEUE_FAILED = "CATALOG_READER_QUEUE_FAILED"
READ_FAILED = "READ_FAILED"
ARRAY_JOB_GENERIC_FAILURE = "ARRAY_JOB_GENERIC_FAILURE"


class ParameterError(HandlerError):
    """The AWS SDK's own parameter check refuses a request before it is sent (`request.ErrInvalidParams`)."""

    def __init__(self, problems: list[str], request: Mapping[str, Any]) -> None:
        lines = "".join(f"- {problem}\n" for problem in problems)
        super().__init__("", f"InvalidParameter: {len(problems)} validation error(s) found.\n{lines}")
        self.problems = tuple(problems)
        self.request = request


class PanicError(Exception):
    """Flyte's handler would crash here with a Go panic.

    Propeller catches it, reports "panic when executing a plugin [aws_array]" with a stack trace, and tries the round
    again until it gives up.

    :param go_message: Go's text.
    :param reason: what really is wrong, which a user of real Flyte never sees; "" when there is nothing to add.
    """

    def __init__(self, go_message: str, reason: str = "") -> None:
        super().__init__(f"{go_message} ({reason})" if reason else go_message)
        self.go_message = go_message
        self.reason = reason


NIL_DEREFERENCE = "runtime error: invalid memory address or nil pointer dereference"
