"""The service's refusals, in AWS's types and words that say the same thing."""

from __future__ import annotations

from ...api import BatchError

CLIENT = "ClientException"
SERVER = "ServerException"


def client_error(message: str) -> BatchError:
    """The request is wrong (HTTP 400)."""
    return BatchError(CLIENT, message, 400)


def server_error(message: str) -> BatchError:
    """The service is at fault (HTTP 500)."""
    return BatchError(SERVER, message, 500)


def unsupported_operation(what: str) -> BatchError:
    return client_error(
        f"{what}: not supported here; this is a local AWS Batch service that runs container jobs as processes"
    )
