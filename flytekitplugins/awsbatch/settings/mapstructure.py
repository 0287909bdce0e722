"""How FlyteAdmin and FlytePropeller turn a YAML value into a typed setting: weakly.

Numbers and booleans become text (`true` is "1"), text becomes numbers, one value becomes a list of one, "a,b" a list of
two. Sources: mapstructure v2 `decodeString`, `decodeInt`, `decodeBool`, and the hooks of flytestdlib's
`config/viper/viper.go`.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from .scalars import parse_yaml_integer
from .yaml_nodes import ListNode, MapNode, Node, Scalar

TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False", ""})


class MismatchError(ValueError):
    """A value that its setting cannot take; the message says what was expected."""


def weak_text(node: Node) -> str:
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
        return _float_text(value)
    raise MismatchError("expected a text: put a date between quotes")


def _float_text(value: float) -> str:
    """strconv.FormatFloat(value, 'f', -1, 64): never an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def weak_texts(node: Scalar | MapNode) -> tuple[str, ...]:
    """A list of texts from what is no list: a comma separates, blanks count; one value is a list of one."""
    if isinstance(node, MapNode):
        if node.entries:
            raise MismatchError("expected a list of texts")
        return ()
    if isinstance(node.value, str):
        return tuple(node.value.split(",")) if node.value else ()
    return (weak_text(node),)


def weak_map_items(node: Node) -> tuple[Node, ...]:
    """The elements of a list of maps: a single map is a list of one, an empty one an empty list."""
    if isinstance(node, ListNode):
        return node.items
    if isinstance(node, MapNode) and not node.entries:
        return ()
    return (node,)


def weak_int(node: Node) -> int:
    value = node.value if isinstance(node, Scalar) else node
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return int(value)
    if isinstance(value, str):
        parsed = parse_yaml_integer(value or "0") if re.fullmatch(r"[^_]*", value) else None
        if parsed is not None:
            return parsed
    raise MismatchError("expected a whole number")


def weak_bool(node: Node) -> bool:
    value = node.value if isinstance(node, Scalar) else node
    if isinstance(value, int | float):
        return value != 0
    if isinstance(value, str) and value in TRUE | FALSE:
        return value in TRUE
    raise MismatchError("expected true or false")
