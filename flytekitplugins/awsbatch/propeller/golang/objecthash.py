"""`objecthash`: one hash for one JSON value, whatever the order of its keys (benlaurie/objecthash, CommonJSONHash)."""

from __future__ import annotations

import math
from hashlib import sha256
from typing import Any


def object_hash(value: Any) -> bytes:
    """SHA-256 of a JSON value; every number counts as a float, as in JSON."""
    if value is None:
        return _hash(b"n", b"")
    if isinstance(value, bool):
        return _hash(b"b", b"1" if value else b"0")
    if isinstance(value, str):
        return _hash(b"u", value.encode("utf-8"))
    if isinstance(value, int | float):
        return _hash(b"f", _float_text(float(value)).encode())
    if isinstance(value, list):
        return _hash(b"l", b"".join(object_hash(item) for item in value))
    entries = sorted((object_hash(key), object_hash(item)) for key, item in value.items())
    return _hash(b"d", b"".join(key + item for key, item in entries))


def _hash(kind: bytes, data: bytes) -> bytes:
    return sha256(kind + data).digest()


def _float_text(value: float) -> str:
    """Sign, binary exponent and mantissa of a finite number: between a half (exclusive) and one (inclusive)."""
    if value == 0:
        return "+0:"
    mantissa, exponent = math.frexp(abs(value))
    # As in Go's loop, the mantissa of a power of two is one, not a half.
    if mantissa == 0.5:
        mantissa, exponent = 1.0, exponent - 1
    digits = ""
    while mantissa:
        bit = int(mantissa)
        digits += str(bit)
        mantissa = (mantissa - bit) * 2
    return f"{'+' if value > 0 else '-'}{exponent}:{digits}"
