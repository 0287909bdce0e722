"""Kubernetes' `resource.Quantity`: how `500m` or `1Gi` is read, compared and scaled, with its overflows.

Small numbers are an int64 and a power of ten, all others a decimal with nine places; the two round differently, so
both forms are kept (`k8s.io/apimachinery/pkg/api/resource`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

_FORM = re.compile(r"([+-]?)(0*)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[+-]?[0-9]*)\Z")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)\Z")
_MAX_INT64 = 2**63 - 1
_NANO = -9
_INT64_DIGITS = 18
# Powers of ten that an int64 holds.
_POWERS = 19
MEGA = 6


class QuantityError(ValueError):
    """Kubernetes would not parse it."""


@dataclass(frozen=True)
class Quantity:
    """`number` times ten to the `scale`; `small` when Kubernetes holds it as an int64."""

    number: int = 0
    scale: int = 0
    small: bool = True

    @property
    def zero(self) -> bool:
        return self.number == 0

    def __gt__(self, other: Quantity) -> bool:
        return self._decimal() > other._decimal()

    def scaled(self, scale: int) -> int:
        """In units of ten to the `scale`, as an int64: rounded away from zero, and overflowing as Go overflows."""
        if self.small:
            return _scale_down(self.number, scale - self.scale) if self.scale < scale else self._scale_up(scale)
        difference = scale - self.scale
        if difference <= 0:
            # A power of ten that no int64 holds becomes the lowest one, on the processors that Flyte is built for.
            return _int64(_int64(self.number) * (_ten(-difference) if difference > -_POWERS else -_MAX_INT64 - 1))
        if self.number < _MAX_INT64 and difference < _POWERS:
            whole = _int64(self.number)
            quotient = abs(whole) // _ten(difference)
            result = quotient if whole >= 0 else -quotient
            return result + 1 if whole % _ten(difference) else result
        quotient, remainder = divmod(self.number, _ten(difference))
        return _int64(_int64(quotient) + (1 if remainder else 0))

    def _scale_up(self, scale: int) -> int:
        places = self.scale - scale
        if places > 63:
            return 0
        product = self.number * _ten(places)
        if abs(product) <= _MAX_INT64:
            return product
        # Go has a short way for these, which hands out the overflown product.
        return _int64(product) if places in (1, 2, 3, 6, 9) else 0

    def _decimal(self) -> Decimal:
        digits = tuple(int(digit) for digit in str(abs(self.number)))
        return Decimal((1 if self.number < 0 else 0, digits, self.scale))


def parse_quantity(text: str) -> Quantity:
    """`ParseQuantity`. Raises QuantityError."""
    form = _FORM.match(text)
    if not text or form is None:
        raise QuantityError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    sign, zeros, digits, places, suffix = (part or "" for part in form.groups())
    written = zeros or digits or places
    digits = digits or "0"
    binary = _BINARY.get(suffix)
    exponent = _decimal_exponent(suffix) if binary is None else 0
    if binary is None:
        precision, scale, factor = _INT64_DIGITS - len(digits) - len(places), exponent, 1
    else:
        precision, scale, factor = 15 - len(digits) - binary * 3 // 10 - 1, 0, 2**binary
        if places:
            precision = -1
    scale -= len(places)
    if precision >= 0 and scale >= _NANO:
        number = int(digits + places) * factor
        if number <= _MAX_INT64:
            return Quantity(-number if sign == "-" else number, scale)
    if not written:
        raise QuantityError("unable to parse numeric part of quantity")
    return _large(Fraction(f"{digits}.{places or '0'}") * factor, exponent, binary is not None, sign == "-")


def _decimal_exponent(suffix: str) -> int:
    if suffix in _DECIMAL:
        return _DECIMAL[suffix]
    written = _EXPONENT.match(suffix)
    if written is None or abs(int(written[1])) > 2**63 - 1:
        raise QuantityError("unable to parse quantity's suffix")
    return (int(written[1]) + 2**31) % 2**32 - 2**31


def _large(amount: Fraction, exponent: int, binary: bool, negative: bool) -> Quantity:
    """What is too long for the short form: nine decimal places, rounded up, so that nothing asked for becomes zero."""
    if exponent < -1000:
        nanos = 1 if amount else 0
    else:
        scaled = amount * Fraction(10) ** min(exponent, 1000) * 10**9
        nanos = -(-scaled.numerator // scaled.denominator)
    if binary and nanos > _MAX_INT64 * 10**9:
        return Quantity(-_MAX_INT64 if negative else _MAX_INT64, 0, small=False)
    return Quantity(-nanos if negative else nanos, _NANO, small=False)


def _scale_down(number: int, places: int) -> int:
    quotient, rest = divmod(abs(number), _ten(min(places, 63)))
    quotient += 1 if rest else 0
    return quotient if number >= 0 else -quotient


def _ten(power: int) -> int:
    result: int = 10**power
    return result


def _int64(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63
