"""What a YAML scalar means to Flyte: the rules of Go's YAML reader, which are not those of PyYAML.

`yes` and `off` stay words, `010` is eight, `1_000` a thousand, a date is a time.
Source: go.yaml.in/yaml/v3 `resolve.go`.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from datetime import date

from .yaml_nodes import ScalarValue, Timestamp

TAG_PREFIX = "tag:yaml.org,2002:"

WORDS: dict[str, None | bool | float] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
# What begins with a dot goes to strconv.ParseFloat as it is, which takes an underscore between digits.
DOT_NUMBER = re.compile(r"\.[0-9](_?[0-9])*([eE][-+]?[0-9](_?[0-9])*)?", re.ASCII)
INTEGER = re.compile(r"([-+]?)(0[xX]|0[bB]|0[oO]|0)?([0-9a-fA-F]+)", re.ASCII)
CLOCK = r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?"
DATE = re.compile(rf"(\d{{4}})-(\d{{1,2}})-(\d{{1,2}})(?:[Tt]{CLOCK}(?:Z|[-+]\d\d:\d\d)| {CLOCK})?", re.ASCII)
INT64 = range(-(2**63), 2**63)
UINT64 = range(2**64)


class UnreadableScalarError(ValueError):
    """A tag and a text that do not go together; the message ends a sentence about the text."""


def resolve_scalar(text: str, tag: str, plain: bool) -> ScalarValue:
    """The value of a scalar.

    :param text: as written, without quotes.
    :param tag: the explicit tag (`!!int` in its long form), or empty.
    :param plain: neither quoted nor a block.
    """
    short = tag.removeprefix(TAG_PREFIX) if tag.startswith(TAG_PREFIX) else tag
    if short in ("", "!"):
        return _resolve_plain_scalar(text) if plain else text
    if short == "str":
        return text
    if short == "binary":
        try:
            return base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True).decode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError):
            raise UnreadableScalarError("is marked !!binary and is not base64") from None
    if short not in ("bool", "int", "float", "null", "timestamp"):
        return text
    value = _resolve_plain_scalar(text, dates=short == "timestamp")
    if short == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kinds = {"bool": bool, "int": int, "float": float, "null": type(None), "timestamp": Timestamp}
    if type(value) is not kinds[short]:
        raise UnreadableScalarError(f"cannot be read as !!{short}")
    return value


def _resolve_plain_scalar(text: str, dates: bool = True) -> ScalarValue:
    """The value of a plain scalar without a tag."""
    if text in WORDS:
        return WORDS[text]
    if text[0] == ".":
        return _parse_float(text) if DOT_NUMBER.fullmatch(text) else text
    if not (text[0] in "+-" or (text[0].isascii() and text[0].isdigit())):
        return text
    if dates and _is_date(text):
        return Timestamp(text)
    compact = text.replace("_", "")
    number = parse_yaml_integer(compact)
    if number is not None:
        return number
    value = _parse_float(compact) if NUMBER.fullmatch(compact) else text
    return text if isinstance(value, str) else value


def parse_yaml_integer(text: str) -> int | None:
    """strconv.ParseInt(text, 0, 64), then ParseUint: a leading 0 alone means octal."""
    match = INTEGER.fullmatch(text)
    if match is None:
        return None
    sign, prefix, digits = match.groups()
    base = {None: 10, "0": 8, "0x": 16, "0b": 2, "0o": 8}[prefix.lower() if prefix else None]
    try:
        value = int(digits, base)
    except ValueError:
        return None
    value = -value if sign == "-" else value
    if value in INT64 or (not sign and value in UINT64):
        return value
    return None


def _parse_float(text: str) -> float | str:
    """A float, or the text itself where Go's ParseFloat reports a range error."""
    value = float(text)
    return text if math.isinf(value) else value


def _is_date(text: str) -> bool:
    match = DATE.fullmatch(text)
    if match is None:
        return False
    year, month, day, *rest = match.groups()
    try:
        date(int(year) or 4, int(month), int(day))
    except ValueError:
        return False
    clock = [int(part) for part in rest if part]
    return not clock or (clock[0] < 24 and clock[1] < 60 and clock[2] < 60)
