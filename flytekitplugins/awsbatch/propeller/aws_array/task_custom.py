"""The two readings of a template's custom: as an ArrayJob (`array/core/state.go`) and, in `submit_input`, as a
SubmitJob request. Both go through JSON, as in Flyte, and both ignore keys that they do not know."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from flyteidl.core import tasks_pb2
from google.protobuf.struct_pb2 import Struct, Value

from ..golang.numbers import json_float, to_float32
from .handler_errors import HandlerError

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_INT64 = 2**63


@dataclass(frozen=True)
class ArrayJob:
    """`plugins.ArrayJob`. The last of the two success criteria in the message's own order counts; the other is 0."""

    size: int = 0
    min_successes: int = 0
    min_success_ratio: float = 0.0


def array_job_of_custom(template: tasks_pb2.TaskTemplate) -> ArrayJob:
    """What a template of an array says about its size and successes.

    :raises HandlerError: a value of the wrong type, each round.
    """
    if not template.HasField("custom"):
        if template.task_type_version == 0:
            return ArrayJob(size=1, min_successes=1)
        return ArrayJob(size=1, min_success_ratio=1.0)
    fields = template.custom.fields
    _integer(_field(fields, "parallelism", "parallelism"))
    size = _integer(_field(fields, "size", "size")) or 0
    min_successes = _integer(_field(fields, "min_successes", "minSuccesses"))
    ratio = _float(_field(fields, "min_success_ratio", "minSuccessRatio"))
    if ratio is not None:
        return ArrayJob(size, 0, ratio)
    return ArrayJob(size, min_successes or 0, 0.0)


def custom_minimum_successes(ratio: float, size: int) -> int:
    """`ceil(ratio * size)` in 64 bits of a ratio of 32: 0.1 of 10 is 2. What no int64 holds is the lowest one."""
    product = ratio * size
    if not math.isfinite(product) or not -_INT64 <= math.ceil(product) < _INT64:
        return -_INT64
    return math.ceil(product)


def _field(fields: Any, name: str, json_name: str) -> Value | None:
    """A field's value under either of its names, the JSON one first; None where it is absent or null."""
    key = json_name if json_name in fields else name
    if key not in fields or fields[key].WhichOneof("kind") == "null_value":
        return None
    found: Value = fields[key]
    return found


def _integer(value: Value | None) -> int | None:
    text = _number_text(value)
    if text is None:
        return None
    try:
        number = json.loads(text, parse_float=_no_integer, parse_constant=_no_integer)
        if number is None:
            return 0
        if isinstance(number, bool) or not isinstance(number, int) or not -_INT64 <= number < _INT64:
            raise ValueError(f"cannot unmarshal {text} into Go value of type int64")
    except ValueError as error:
        raise HandlerError("", f"json: {error}") from None
    return number


def _float(value: Value | None) -> float | None:
    if value is not None and value.WhichOneof("kind") == "string_value" and value.string_value in _NON_FINITE:
        return _NON_FINITE[value.string_value]
    if value is not None and not math.isfinite(value.number_value):
        return float(value.number_value)
    text = _number_text(value)
    if text is None:
        return None
    try:
        number = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_float)
        if number is None:
            return 0.0
        if not isinstance(number, Decimal):
            raise ValueError(f"cannot unmarshal {text} into Go value of type float32")
        single = to_float32(Fraction(number)) if abs(number.adjusted()) < 100 else _extreme(number)
        if math.isinf(single):
            raise ValueError(f"cannot unmarshal number {text} into Go value of type float32")
    except ValueError as error:
        raise HandlerError("", f"json: {error}") from None
    return single


def _extreme(number: Decimal) -> float:
    return math.inf if number and number.adjusted() > 0 else 0.0


def _number_text(value: Value | None) -> str | None:
    """A value as the JSON number that `jsonpb` takes it for: quotes around a number do not matter."""
    if value is None:
        return None
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        # What the JSON writer escaped stays escaped, so it is no number: a line break is not white space here.
        return json.dumps(value.string_value)[1:-1]
    return _json_text(value)


def _json_text(value: Value) -> str:
    """A struct's value as Go's JSON writers put it. HandlerError: a number that JSON has not, or no value at all."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        if not math.isfinite(value.number_value):
            raise HandlerError("", f"google.protobuf.Value cannot have {value.number_value} value")
        return json_float(value.number_value)
    if kind == "null_value":
        return "null"
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "string_value":
        return json.dumps(value.string_value)
    if kind == "list_value":
        return f"[{','.join(_json_text(item) for item in value.list_value.values)}]"
    if kind == "struct_value":
        return custom_struct_json(value.struct_value)
    raise HandlerError("", "google.protobuf.Value: none of the oneof fields is set")


def custom_struct_json(struct: Struct) -> str:
    """A struct as JSON, its keys in byte order."""
    ordered = sorted(struct.fields, key=lambda key: key.encode("utf-8"))
    return "{" + ",".join(f"{json.dumps(key)}:{_json_text(struct.fields[key])}" for key in ordered) + "}"


def _no_integer(text: str) -> Any:
    raise ValueError(f"cannot unmarshal number {text} into Go value of type int64")


def _no_float(text: str) -> Any:
    raise ValueError(f"invalid character {text[0]!r} looking for beginning of value")
