"""Messages of many subtasks as one text, equal ones under the ranges of their indexes (`array/errorcollector`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .indexes import index_ranges

_MORE = "... and many more."


def error_summary(messages: Iterable[tuple[int, str]], limit: int) -> str:
    """One line per message, in byte order, until `limit` bytes are reached; never cut within a line.

    Empty when not even the note that there is more would fit.

    :param messages: each with the index of its subtask.
    """
    indexes: defaultdict[str, list[int]] = defaultdict(list)
    for index, message in messages:
        indexes[message].append(index)
    limit -= len(_MORE)
    if limit < 0:
        return ""
    text, length = "", 0
    for message in sorted(indexes, key=lambda message: message.encode("utf-8")):
        line = f"{summary_index_ranges(indexes[message])}: {message}\n"
        text += line
        length += len(line.encode("utf-8"))
        if length >= limit:
            return text + _MORE
    return text


def summary_index_ranges(indexes: list[int]) -> str:
    """`[0-2][5]`: the indexes in order, neighbours joined."""
    ranges = index_ranges(sorted(indexes))
    return "".join(f"[{first}]" if first == last else f"[{first}-{last}]" for first, last in ranges)
