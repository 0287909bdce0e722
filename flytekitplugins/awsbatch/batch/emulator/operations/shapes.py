"""Requests held against the service model that botocore ships: required members, types, ranges. Imported only when
first needed.

Unknown members are let pass, as AWS's REST-JSON services do.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.operations.errors import refused, unsupported

ACCEPTED: Mapping[str, tuple[tuple[type, ...], str]] = {
    "structure": ((dict, Mapping), "object"),
    "map": ((dict, Mapping), "object"),
    "list": ((list, tuple), "list"),
    "string": ((str,), "string"),
    "integer": ((int,), "integer"),
    "long": ((int,), "integer"),
    "float": ((int, float), "number"),
    "double": ((int, float), "number"),
    "boolean": ((bool,), "boolean"),
}


# EvaluateOnExit.action: "The values aren't case sensitive".
ANY_CASE = ("RETRY", "EXIT")


BATCH = "batch"
LOGS = "logs"


@functools.cache
def model(service: str) -> Any:
    import botocore.session

    return botocore.session.Session().get_service_model(service)


@functools.cache
def _shape(service: str, operation: str) -> Any:
    from botocore.model import OperationNotFoundError

    try:
        return model(service).operation_model(operation).input_shape
    except OperationNotFoundError:
        raise unsupported(operation) from None


@functools.cache
def operations() -> Mapping[tuple[str, str], str]:
    """AWS Batch's: (HTTP method, path as the model writes it) to the operation's name."""
    found = {}
    for name in model(BATCH).operation_names:
        http = model(BATCH).operation_model(name).http
        found[http["method"], http["requestUri"]] = name
    return found


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Raises BatchError that names every member that is missing or wrong."""
    wrong = problems(BATCH, operation, request)
    if wrong:
        raise refused("; ".join(wrong))


def problems(service: str, operation: str, request: Mapping[str, Any]) -> list[str]:
    """What is missing or wrong in a request, a sentence each."""
    wrong: list[str] = []
    _check(_shape(service, operation), request, "", wrong)
    return wrong


def _check(shape: Any, value: Any, where: str, wrong: list[str]) -> None:
    kind = shape.type_name
    accepted, words = ACCEPTED.get(kind, ((object,), ""))
    # JSON's true is an int to Python, never a number to AWS.
    right = isinstance(value, accepted) and (kind == "boolean" or not isinstance(value, bool))
    if not right:
        wrong.append(f"{where or 'the request'} is no {words}")
    elif kind == "structure":
        _check_structure(shape, value, f"{where}." if where else "", wrong)
    elif kind == "list":
        for index, each in enumerate(value):
            _check(shape.member, each, f"{where}[{index}]", wrong)
    elif kind == "map":
        for key, each in value.items():
            _check(shape.value, each, f"{where}.{key}", wrong)
    elif kind == "string" and shape.enum and value not in shape.enum and value.upper() not in ANY_CASE:
        wrong.append(f"{where} {value} must be one of {' | '.join(shape.enum)}")
    elif kind in ("integer", "long") and not -(2**63) <= value < 2**63:
        wrong.append(f"{where} is out of range")


def _check_structure(shape: Any, value: Mapping[str, Any], prefix: str, wrong: list[str]) -> None:
    wrong.extend(f"{prefix}{name} is required" for name in shape.required_members if value.get(name) is None)
    members, texts = _members(shape)
    for name, each in value.items():
        if name in members and each is not None and not (name in texts and isinstance(each, str)):
            _check(members[name], each, prefix + name, wrong)


@functools.cache
def _members(shape: Any) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Of a structure, and which of them may be any string."""
    plain = (name for name, member in shape.members.items() if member.type_name == "string" and not member.enum)
    return shape.members, frozenset(plain)
