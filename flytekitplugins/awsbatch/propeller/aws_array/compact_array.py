"""Small numbers, one per subtask, in an array that refuses what its width cannot hold (`bitarray.CompactArray`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from .handler_errors import HandlerError, PanicError

# AWS Batch's own limit is 10,000 children; a saved state that names more than this is damaged.
LARGEST_ARRAY = 100_000


def bounded_array_size(count: int) -> int:
    """The count itself. ValueError: no array has as many items, so a file that says so must not be unrolled."""
    if not 0 <= count <= LARGEST_ARRAY:
        raise ValueError(f"an array of {count} items: AWS Batch takes 10000, and at most {LARGEST_ARRAY} are read")
    return count


def _runs(items: Sequence[int]) -> list[list[int]]:
    """[value, count] pairs: ten thousand equal items are one pair."""
    return [[value, sum(1 for _ in group)] for value, group in groupby(items)]


def _unroll(pairs: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The items of `_runs`. Raises ValueError when they are more than an array has."""
    bounded_array_size(sum(bounded_array_size(count) for _, count in pairs))
    return tuple(value for value, count in pairs for _ in range(count))


@dataclass(frozen=True)
class CompactArray:
    """Frozen; `of` checks the width.

    :param item_size: bits an item may have.
    :param items: one per subtask, by child index.
    """

    item_size: int = 0
    items: tuple[int, ...] = field(default=(), metadata={"serialize": _runs, "deserialize": _unroll})

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
