"""The service's refusals, in AWS's types and words that say the same thing."""

from __future__ import annotations

from ...api import BatchError

CLIENT = "ClientException"
SERVER = "ServerException"


def operation_refused(message: str) -> BatchError:
    """The request is wrong (HTTP 400)."""
    return BatchError(CLIENT, message, 400)


def failed(message: str) -> BatchError:
    """The service is at fault (HTTP 500)."""
    return BatchError(SERVER, message, 500)


def operation_unsupported(what: str) -> BatchError:
    return operation_refused(
        f"{what}: not supported here; this is a local AWS Batch service that runs container jobs as processes"
    )
