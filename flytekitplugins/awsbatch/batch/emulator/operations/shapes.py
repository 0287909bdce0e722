"""Requests held against the service model that botocore ships: required members, types, ranges. botocore is imported
only when it is first needed.

Unknown members are let pass, as AWS's REST-JSON services do.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from flytekitplugins.awsbatch import shape_walker

from .batch_errors import client_error, unsupported_operation

WORDS = {
    **dict.fromkeys(("structure", "map"), "object"),
    **dict.fromkeys(("integer", "long"), "integer"),
    **dict.fromkeys(("float", "double"), "number"),
}
# The service's own types have so many bits.
RANGES = {"integer": range(-(2**31), 2**31), "long": range(-(2**63), 2**63)}
# EvaluateOnExit.action: "The values aren't case sensitive".
ANY_CASE = frozenset({"RETRY", "EXIT"})
BATCH = "batch"
LOGS = "logs"


@functools.cache
def _service_model(service: str) -> Any:
    import botocore.session

    return botocore.session.Session().get_service_model(service)


@functools.cache
def operation_shapes_by_path() -> Mapping[tuple[str, str], str]:
    """AWS Batch's: (HTTP method, path as the model writes it) to the operation's name."""
    model = _service_model(BATCH)
    requests = {name: model.operation_model(name).http for name in model.operation_names}
    return {(http["method"], http["requestUri"]): name for name, http in requests.items()}


@functools.cache
def _request_shape(service: str, operation: str) -> shape_walker.Shape:
    from botocore.model import OperationNotFoundError

    try:
        return shape_walker.described_shape(_service_model(service).operation_model(operation).input_shape)
    except OperationNotFoundError:
        raise unsupported_operation(operation) from None


def check_request(operation: str, request: Mapping[str, Any]) -> None:
    """Raises BatchError that names every member that is missing or wrong."""
    wrong = request_shape_problems(BATCH, operation, request)
    if wrong:
        raise client_error("; ".join(wrong))


def request_shape_problems(service: str, operation: str, request: Mapping[str, Any]) -> list[str]:
    """What is missing or wrong in a request, a sentence for each."""
    wrong: list[str] = []
    for shape, value, place in shape_walker.walk_shape(_request_shape(service, operation), request, "", _inner_place):
        kind = shape["type"]
        if not shape_walker.fits_shape(shape, value):
            wrong.append(f"{place or 'the request'} is no {WORDS.get(kind, kind)}")
        elif kind == "structure":
            missing = [name for name in shape.get("required", ()) if value.get(name) is None]
            wrong.extend(f"{_inner_place(place, name)} is required" for name in missing)
        elif kind == "string" and value not in (words := shape.get("enum", (value,))):
            if value.upper() not in ANY_CASE.intersection(words):
                wrong.append(f"{place} {value} must be one of {' | '.join(words)}")
        elif kind in RANGES and value not in RANGES[kind]:
            wrong.append(f"{place} is out of range")
    return wrong


def _inner_place(place: str, step: str | int) -> str:
    if isinstance(step, int):
        return f"{place}[{step}]"
    return f"{place}.{step}" if place else step
