"""Small numbers, one a subtask, in an array that refuses what its width cannot hold (`bitarray.CompactArray`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from .handler_errors import HandlerError, PanicError


@dataclass(frozen=True)
class CompactArray:
    """Frozen; `of` checks the width.

    :param item_size: bits an item may have.
    :param items: one a subtask, by child index.
    """

    item_size: int = 0
    items: tuple[int, ...] = ()

    @classmethod
    def zeros(cls, count: int, max_value: int) -> CompactArray:
        """`NewCompactArray`: as many bits as `max_value` needs, which for a power of two less one is exact.

        HandlerError for a negative `max_value`: as Go's unsigned item it needs all 64 bits, which is one too many.
        """
        if max_value < 0:
            raise HandlerError("", "invalid itemSize, must be less than the size of Item")
        return cls(max_value.bit_length(), (0,) * count)

    def of(self, items: Iterable[int]) -> CompactArray:
        """The same width with other items. PanicError when one is too wide, as Flyte's `SetItem` panics."""
        values = tuple(items)
        limit = self.limit
        if values and max(values) > limit:
            first = next(value for value in values if value > limit)
            raise PanicError(f"Value [{first}] is too big. Max value is [{limit}].")
        return CompactArray(self.item_size, values)

    @property
    def limit(self) -> int:
        """The largest item there is room for."""
        return (1 << self.item_size) - 1

    def __len__(self) -> int:
        return len(self.items)

    def to_json(self) -> dict[str, Any]:
        return {"item": self.item_size, "runs": runs(self.items)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> CompactArray:
        return cls(value["item"], tuple(unroll(value["runs"])))


def runs(items: Sequence[int]) -> list[list[int]]:
    """[value, count] pairs: ten thousand equal items are one pair."""
    return [[value, sum(1 for _ in group)] for value, group in groupby(items)]


def unroll(pairs: Iterable[Sequence[int]]) -> Iterable[int]:
    for value, count in pairs:
        yield from [value] * count
