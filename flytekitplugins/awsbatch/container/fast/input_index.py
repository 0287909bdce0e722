"""Where each item of the mapped inputs lies in an inputs.pb, so that a child parses its own item and not ten thousand.

Reads protobuf's wire format (varints and length-delimited fields) as far as the way to an item goes, and gives up on
anything it does not expect: then the whole file has to be parsed. Converts nothing.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path

from flyteidl.core.literals_pb2 import LiteralMap

from ..array_index import ChildError, OriginalIndex

LENGTH_DELIMITED = 2
# Field numbers in `flyteidl/core/literals.proto`.
LITERALS = LiteralMap.LITERALS_FIELD_NUMBER
KEY, VALUE = 1, 2
COLLECTION = 2
ITEMS = 1
# A varint has at most 64 bits; a damaged file of continued bytes would make a number as long as itself.
MAX_SHIFT = 63


class UnexpectedBytesError(Exception):
    """This is not how such a message is usually written, valid or not."""


class InputIndex:
    """The places of all items. Keeps the file mapped: forked children share its pages."""

    def __init__(self, data: mmap | bytes, bound: Collection[str]) -> None:
        """Raises UnexpectedBytesError."""
        self._data = data
        self._bound = LiteralMap()
        self._items: dict[str, tuple[array[int], array[int]]] = {}
        seen: set[str] = set()
        for start, end in _fields_with_items(data, 0, len(data), LITERALS):
            name, value = _entry(data, start, end)
            if name in seen:
                raise UnexpectedBytesError(f"two inputs {name}")
            seen.add(name)
            if name in bound:
                self._bound.literals[name].ParseFromString(data[value[0] : value[1]])
            else:
                self._items[name] = _items_of_input_index(data, *value)
        self.names = sorted(self._items)
        # Whether there is no item at all.
        self.empty = not any(starts for starts, _ in self._items.values())

    @classmethod
    def of_file(cls, path: Path, bound: Collection[str]) -> InputIndex:
        """Raises UnexpectedBytesError, OSError, and ValueError for an empty file."""
        with path.open("rb") as file:
            return cls(mmap(file.fileno(), 0, access=ACCESS_READ), bound)

    def item(self, index: OriginalIndex) -> LiteralMap | None:
        """As `child.item_inputs`, but a ChildError has no message: parsing the whole file gives it."""
        if self.empty:
            return None
        one = LiteralMap()
        for name in self._bound.literals:
            one.literals[name].CopyFrom(self._bound.literals[name])
        for name in self.names:
            starts, ends = self._items[name]
            if index >= len(starts):
                raise ChildError
            one.literals[name].ParseFromString(self._data[starts[index] : ends[index]])
        return one


def _entry(data: mmap | bytes, start: int, end: int) -> tuple[str, tuple[int, int]]:
    """Returns the name of an input and the place of its literal."""
    found = list(islice(_numbered_fields(data, start, end), 3))
    if [number for number, _, _ in found] != [KEY, VALUE]:
        raise UnexpectedBytesError("an input that is not a name and a literal")
    (_, a, b), (_, c, d) = found
    return data[a:b].decode(), (c, d)


def _items_of_input_index(data: mmap | bytes, start: int, end: int) -> tuple[array[int], array[int]]:
    """The places of the items of a literal that is a list and nothing else."""
    collections = list(_fields_with_items(data, start, end, COLLECTION))
    if len(collections) != 1:
        raise UnexpectedBytesError("a mapped input that is not one list")
    starts, ends = array("Q"), array("Q")
    for a, b in _fields_with_items(data, *collections[0], ITEMS):
        starts.append(a)
        ends.append(b)
    return starts, ends


def _fields_with_items(data: mmap | bytes, start: int, end: int, only: int) -> Iterator[tuple[int, int]]:
    for number, a, b in _numbered_fields(data, start, end):
        if number != only:
            raise UnexpectedBytesError(f"field {number}")
        yield a, b


def _numbered_fields(data: mmap | bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field of a message that has only length-delimited fields with small numbers."""
    position = start
    try:
        while position < end:
            tag = data[position]
            if tag & 7 != LENGTH_DELIMITED or tag >= 0x80:
                raise UnexpectedBytesError(f"tag {tag}")
            position += 1
            length = data[position]
            position += 1
            if length >= 0x80:
                length &= 0x7F
                shift = 7
                while True:
                    byte = data[position]
                    position += 1
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                    if shift > MAX_SHIFT:
                        raise UnexpectedBytesError("a length of more than 64 bits")
            yield tag >> 3, position, position + length
            position += length
    except IndexError:
        raise UnexpectedBytesError("a message that ends too early") from None
    if position != end:
        raise UnexpectedBytesError("a field that is longer than its message")
