"""FNV-1a and the base32 alphabet that Flyte shortens names with (`hash/fnv`, `encoding/base32`)."""

from __future__ import annotations

import base64

_FNV = {
    32: (0x811C9DC5, 0x01000193),
    64: (0xCBF29CE484222325, 0x100000001B3),
    128: (0x6C62272E07BB014262B821756295C58D, 0x0000000001000000000000000000013B),
}
_FLYTES_LETTERS = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"abcdefghijklmnopqrstuvwxyz123456")


def fnv1a(data: bytes, bits: int = 32) -> int:
    """FNV-1a of 32, 64 or 128 bits."""
    value, prime = _FNV[bits]
    mask = (1 << bits) - 1
    for byte in data:
        value = ((value ^ byte) * prime) & mask
    return value


def base32(data: bytes) -> str:
    """Unpadded, with Flyte's alphabet of letters and 1 to 6."""
    return base64.b32encode(data).rstrip(b"=").translate(_FLYTES_LETTERS).decode()
