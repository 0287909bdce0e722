"""MessagePack as `shamaton/msgpack` reads it into an empty interface and `fmt` prints it with `%v`.

Python's own msgpack forgets whether a float had 32 or 64 bits, which Go's text shows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .numbers import print_float

_SIZES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_NUMBERS = {
    0xCA: (">f", "float32"),
    0xCB: (">d", "float64"),
    0xCC: (">B", "uint8"),
    0xCD: (">H", "uint16"),
    0xCE: (">I", "uint32"),
    0xCF: (">Q", "uint64"),
    0xD0: (">b", "int8"),
    0xD1: (">h", "int16"),
    0xD2: (">i", "int32"),
    0xD3: (">q", "int64"),
}
# Keys of one kind are printed in their own order; those of different kinds in the order in which Go's linker lays out
# the types, which is this one in the binaries seen.
_KINDS = ["", "string", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
_KINDS += ["float32", "float64", "bool", "time.Time"]
_TIMESTAMP = 0xFF
_BILLION = 10**9
# The days in 400 years, after which the calendar repeats itself.
_CYCLE = 146097
_DAY = 86400
_YEAR_ONE = 62135596800
# The first second that Go's time has, a first of March: it counts on from there, in 64 bits.
_FIRST_SECOND = -(292277022400 // 400 * _CYCLE + 306) * _DAY - _YEAR_ONE


class MsgpackError(ValueError):
    """Go would not decode it."""


class UnhashableError(Exception):
    """Bytes as a map's key: Go panics."""


@dataclass(frozen=True)
class _Value:
    """A decoded value: Go's type, what it sorts by, and its text."""

    kind: str
    order: Any
    text: str


def print_msgpack(data: bytes) -> str:
    """`%v` of the decoded value. Raises MsgpackError, or UnhashableError where Go panics."""
    return _decoded(data).text


def type_of_msgpack(data: bytes) -> str:
    """`%T` of a decoded scalar. Raises as `print_msgpack`."""
    return _decoded(data).kind or "<nil>"


def _decoded(data: bytes) -> _Value:
    reader = _Reader(data)
    try:
        value = reader.value()
    except RecursionError:
        raise MsgpackError("more lists and maps within each other than are read here") from None
    if reader.position != len(data):
        raise MsgpackError(f"data has left over: size={len(data)}, last={reader.position}")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def value(self) -> _Value:  # noqa: PLR0911 - one line a form
        code = self._take(1)[0]
        if code <= 0x7F:
            return _number("uint8", code)
        if code >= 0xE0:
            return _number("int8", code - 0x100)
        if code in _NUMBERS:
            form, kind = _NUMBERS[code]
            return _number(kind, struct.unpack(form, self._take(struct.calcsize(form)))[0])
        if code == 0xC0:
            return _Value("", 0, "<nil>")
        if code in (0xC2, 0xC3):
            return _Value("bool", code, "true" if code == 0xC3 else "false")
        if code & 0xE0 == 0xA0 or code in (0xD9, 0xDA, 0xDB):
            data = self._take(code & 0x1F if code < 0xC0 else self._size(code))
            return _Value("string", data, data.decode("utf-8", "replace"))
        if code in (0xC4, 0xC5, 0xC6):
            data = self._take(self._size(code))
            return _Value("[]uint8", data, f"[{' '.join(map(str, data))}]")
        if code & 0xF0 == 0x90 or code in (0xDC, 0xDD):
            return self._list(code & 0x0F if code < 0xC0 else self._size(code))
        if code & 0xF0 == 0x80 or code in (0xDE, 0xDF):
            return self._map(code & 0x0F if code < 0xC0 else self._size(code))
        return self._extension(code)

    def _list(self, length: int) -> _Value:
        self._require(length)
        return _Value("slice", None, f"[{' '.join([self.value().text for _ in range(length)])}]")

    def _map(self, length: int) -> _Value:
        self._require(2 * length)
        entries: dict[tuple[int, Any], tuple[_Value, _Value]] = {}
        for _ in range(length):
            code = self._peek()
            if 0x80 <= code <= 0x9F or code in (0xDC, 0xDD, 0xDE, 0xDF):
                raise MsgpackError(f"a list or a map cannot be a map's key: code {code:x}")
            key = self.value()
            value = self.value()
            if key.kind == "[]uint8":
                raise UnhashableError("runtime error: hash of unhashable type []uint8")
            entries[_KINDS.index(key.kind), key.order] = (key, value)
        ordered = [entries[name] for name in sorted(entries)]
        return _Value("map", None, f"map[{' '.join(f'{key.text}:{value.text}' for key, value in ordered)}]")

    def _extension(self, code: int) -> _Value:
        if code == 0xD6 and self._peek() == _TIMESTAMP:
            self._take(1)
            return _time(struct.unpack(">I", self._take(4))[0], 0)
        if code == 0xD7 and self._peek() == _TIMESTAMP:
            self._take(1)
            both = struct.unpack(">Q", self._take(8))[0]
            return _time(both & 0x3FFFFFFFF, both >> 34)
        if code == 0xC7 and self._data[self.position : self.position + 2] == bytes([12, _TIMESTAMP]):
            self._take(2)
            nanos, seconds = struct.unpack(">Iq", self._take(12))
            return _time(seconds, nanos)
        raise MsgpackError(f"invalid code {code:x} decoding as interface")

    def _size(self, code: int) -> int:
        return int.from_bytes(self._take(_SIZES[code]), "big")

    def _peek(self) -> int:
        self._require(1)
        return self._data[self.position]

    def _take(self, count: int) -> bytes:
        self._require(count)
        self.position += count
        return self._data[self.position - count : self.position]

    def _require(self, count: int) -> None:
        if self.position + count > len(self._data):
            raise MsgpackError("too short bytes")


def _number(kind: str, value: float) -> _Value:
    if kind.startswith("float"):
        return _Value(kind, value, print_float(value, int(kind[5:])))
    return _Value(kind, value, str(value))


def _time(seconds: int, nanos: int) -> _Value:
    if nanos >= _BILLION:
        raise MsgpackError(f"nanoseconds must not be larger than 999999999 : {nanos}")
    days, second = divmod((seconds - _FIRST_SECOND) % 2**64 + _FIRST_SECOND + _YEAR_ONE, _DAY)
    cycles, days = divmod(days, _CYCLE)
    moment = datetime(1, 1, 1) + timedelta(days, second)
    year, fraction = 400 * cycles + moment.year, f".{nanos:09d}".rstrip("0") if nanos else ""
    text = f"{'-' if year < 0 else ''}{abs(year):04d}-{moment:%m-%d %H:%M:%S}{fraction}"
    # Sorted by time.Time's own fields: the nanoseconds come first, then the seconds since the year 1.
    return _Value("time.Time", (nanos, (seconds + _YEAR_ONE + 2**63) % 2**64), f"{text} +0000 UTC")
