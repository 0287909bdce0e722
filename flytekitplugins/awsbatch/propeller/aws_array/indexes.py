"""The two numbers a subtask has, as different types: mixing them up is the handler's easiest mistake."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NewType

# Its place in the user's list.
OriginalIndex = NewType("OriginalIndex", int)
# Its place in the array job, where cached items are left out.
ChildIndex = NewType("ChildIndex", int)


def index_ranges(indexes: Iterable[int]) -> list[list[int]]:
    """[first, last] of each run of consecutive indexes."""
    found: list[list[int]] = []
    for index in indexes:
        if found and found[-1][1] == index - 1:
            found[-1][1] = index
        else:
            found.append([index, index])
    return found
