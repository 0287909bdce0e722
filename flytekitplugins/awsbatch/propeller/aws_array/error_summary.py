"""Messages of many subtasks as one text, equal ones under the ranges of their indexes (`array/errorcollector`)."""

from __future__ import annotations

_MORE = "... and many more."


class ErrorSummary:
    """Collects messages by index."""

    def __init__(self) -> None:
        self._indexes: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._indexes)

    def collect(self, index: int, message: str) -> None:
        self._indexes.setdefault(message, []).append(index)

    def text(self, limit: int) -> str:
        """One line per message, in byte order, until `limit` bytes are reached; never cut within a line.

        Empty when not even the note that there is more would fit.
        """
        limit -= len(_MORE)
        if limit < 0:
            return ""
        text, length = "", 0
        for message in sorted(self._indexes, key=lambda message: message.encode("utf-8")):
            line = f"{summary_index_ranges(self._indexes[message])}: {message}\n"
            text += line
            length += len(line.encode("utf-8"))
            if length >= limit:
                return text + _MORE
        return text


def summary_index_ranges(indexes: list[int]) -> str:
    """`[0-2][5]`: the indexes in order, neighbours joined."""
    ranges: list[list[int]] = []
    for index in sorted(indexes):
        if ranges and index <= ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return "".join(f"[{first}]" if first == last else f"[{first}-{last}]" for first, last in ranges)
