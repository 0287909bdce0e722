"""How Go writes floating point numbers, and how it reads a float32."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from fractions import Fraction


def _shortest(value: float, bits: int) -> tuple[str, str, int]:
    """(sign, digits, exponent of the first digit) of the shortest text that reads back as `value`."""
    text = repr(value) if bits == 64 else _shortest32(value)
    sign, digits, exponent = Decimal(text).as_tuple()
    written = "".join(map(str, digits))
    assert isinstance(exponent, int)
    first = len(written) + exponent - 1
    return "-" if sign else "", written.rstrip("0") or "0", first if value else 0


def _shortest32(value: float) -> str:
    for precision in range(1, 10):
        text = f"{value:.{precision}g}"
        if to_float32(Fraction(Decimal(text))) == value:
            return text
    return repr(value)


def _special(value: float) -> str | None:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None


def _exponential(sign: str, digits: str, exponent: int) -> str:
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _plain(sign: str, digits: str, exponent: int) -> str:
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole, rest = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{sign}{whole}{'.' + rest if rest else ''}"


def print_float(value: float, bits: int = 64) -> str:
    """`%v`: the shortest text that reads back, in exponent form below 1e-4 and from 1e+06 on."""
    special = _special(value)
    if special is not None:
        return special
    sign, digits, exponent = _shortest(value, bits)
    if exponent < -4 or exponent >= 6:
        return _exponential(sign, digits, exponent)
    return _plain(sign, digits, exponent)


def json_float(value: float) -> str:
    """`encoding/json`: exponent form below 1e-6 and from 1e21 on, its exponent without padding. Finite only."""
    sign, digits, exponent = _shortest(value, 64)
    if value and (abs(value) < 1e-6 or abs(value) >= 1e21):
        return _exponential(sign, digits, exponent).replace("e-0", "e-")
    return _plain(sign, digits, exponent)


def to_float32(value: Fraction) -> float:
    """The float32 nearest to an exact number, ties to even; infinite beyond the largest (`ParseFloat(s, 32)`)."""
    near = round_to_float32(value)
    if math.isinf(near):
        return near
    # Rounding twice (to a double, then to a float) can miss by one step.
    bits = struct.unpack("i", struct.pack("f", near))[0]
    steps = (0,) if bits in (0, -(2**31)) else (0, -1, 1)
    candidates = [struct.unpack("f", struct.pack("i", bits + step))[0] for step in steps]
    finite = [one for one in candidates if math.isfinite(one)]
    nearest: float = min(finite, key=lambda one: (abs(Fraction(one) - value), _is_odd(one)))
    return nearest


def round_to_float32(value: Fraction | float) -> float:
    """The float32 nearest to a number, by way of a double; infinite beyond the largest."""
    try:
        rounded: float = struct.unpack("f", struct.pack("f", float(value)))[0]
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return rounded


def _is_odd(value: float) -> int:
    return int(struct.unpack("i", struct.pack("f", value))[0]) & 1
