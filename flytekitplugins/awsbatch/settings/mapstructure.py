"""How FlyteAdmin and FlytePropeller turn a YAML value into a typed setting: weakly.

Numbers and booleans become text (`true` is "1"), text becomes numbers, one value becomes a list of one, "a,b" a list of
two. Sources: mapstructure v2 `decodeString`, `decodeInt`, `decodeBool`, `decodeFloat`, and flytestdlib's
`config/viper/viper.go` (its hooks) and `config/duration.go`.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from decimal import Decimal

from .scalars import integer
from .yaml_nodes import ListNode, MapNode, Node, Scalar

UNITS = {"ns": 1e-3, "us": 1.0, "µs": 1.0, "μs": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6, "h": 3600e6}
DURATION = re.compile(r"([-+]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False", ""})


class MismatchError(ValueError):
    """A value that its setting cannot take; the message says what was expected."""


def string(node: Node) -> str:
    if not isinstance(node, Scalar):
        raise MismatchError("expected a text")
    value = node.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float_text(value)
    raise MismatchError("expected a text: put a date between quotes")


def float_text(value: float) -> str:
    """strconv.FormatFloat(value, 'f', -1, 64): never an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def strings(node: Node) -> tuple[str, ...]:
    """A list of texts: a comma separates, blanks count; one value is a list of one."""
    if isinstance(node, ListNode):
        return tuple(string(item) for item in node.items)
    if isinstance(node, MapNode):
        if node.entries:
            raise MismatchError("expected a list of texts")
        return ()
    if isinstance(node.value, str):
        return tuple(node.value.split(",")) if node.value else ()
    return (string(node),)


def items(node: Node) -> tuple[Node, ...]:
    """The elements of a list of maps: a single map is a list of one, an empty one an empty list."""
    if isinstance(node, ListNode):
        return node.items
    if isinstance(node, MapNode) and not node.entries:
        return ()
    return (node,)


def number(node: Node) -> int:
    value = scalar(node, "expected a whole number")
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    if isinstance(value, str):
        parsed = integer(value or "0") if re.fullmatch(r"[^_]*", value) else None
        if parsed is not None:
            return parsed
    raise MismatchError("expected a whole number")


def real(node: Node) -> float:
    value = scalar(node, "expected a number")
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value or "0")
        except ValueError:
            pass
    raise MismatchError("expected a number")


def boolean(node: Node) -> bool:
    value = scalar(node, "expected true or false")
    if isinstance(value, bool | int | float):
        return value != 0
    if isinstance(value, str) and value in TRUE:
        return True
    if isinstance(value, str) and value in FALSE:
        return False
    raise MismatchError("expected true or false")


def duration(node: Node) -> timedelta:
    """A Go duration (`1m30s`), or nanoseconds as a bare number."""
    expected = "expected a duration such as 30s or 5m"
    value = scalar(node, expected)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return microseconds(value / 1000, expected)
    if not isinstance(value, str):
        raise MismatchError(expected)
    if value in ("", "0", "+0", "-0"):
        return timedelta()
    match = DURATION.fullmatch(value)
    if match is None:
        raise MismatchError(expected)
    total = sum(float(amount) * UNITS[unit] for amount, unit in DURATION_PART.findall(match[2]))
    return microseconds(-total if match[1] == "-" else total, expected)


def microseconds(amount: float, expected: str) -> timedelta:
    try:
        return timedelta(microseconds=amount)
    except OverflowError:
        raise MismatchError(expected) from None


def scalar(node: Node, expected: str) -> object:
    if not isinstance(node, Scalar):
        raise MismatchError(expected)
    return node.value
