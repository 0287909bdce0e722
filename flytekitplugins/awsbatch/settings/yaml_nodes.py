"""A YAML document after parsing, with the place of each value kept. Immutable; knows neither text nor owners."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

SHOWN = 60


@dataclass(frozen=True)
class Mark:
    """Where a value stands: the file as the user named it, and its line counted from 1."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Timestamp:
    """A plain scalar that Go's YAML reader turns into a time, which no setting of Flyte's accepts."""

    text: str


ScalarValue: TypeAlias = "None | bool | int | float | str | Timestamp"


@dataclass(frozen=True)
class Scalar:
    """
    :param text: as written, without quotes.
    :param plain: written without quotes, so that its text decides its type.
    """

    value: ScalarValue
    text: str
    plain: bool = True
    mark: Mark = field(default=Mark(), compare=False)


@dataclass(frozen=True)
class ListNode:
    items: tuple[Node, ...]
    mark: Mark = field(default=Mark(), compare=False)


@dataclass(frozen=True)
class MapNode:
    """Keys in the document's order, each once."""

    entries: tuple[tuple[Scalar, Node], ...]
    mark: Mark = field(default=Mark(), compare=False)

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        """The entries whose key is text or became text."""
        for key, value in self.entries:
            yield key.text, value

    @functools.cached_property
    def exact(self) -> dict[str, Node]:
        """The values by the keys as they are written."""
        return dict(self)

    @functools.cached_property
    def _folded(self) -> dict[str, Node]:
        """The values by the keys in lower case, the first of those that differ by case only."""
        return {key.text.lower(): value for key, value in reversed(self.entries)}

    def get(self, name: str) -> Node | None:
        """The value of a key: in this very spelling, else of the first that differs by case only."""
        return self.exact.get(name) or self._folded.get(name.lower())


Node: TypeAlias = Scalar | ListNode | MapNode


def is_null_yaml(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and node.value is None)


def shown_yaml_value(node: Node) -> str:
    """A value as an error message quotes it."""
    if isinstance(node, ListNode):
        return f"a list of {len(node.items)}" if node.items else "an empty list"
    if isinstance(node, MapNode):
        names = ", ".join(key.text for key, _ in node.entries[:3])
        return f"a map with {names}{', ...' if len(node.entries) > 3 else ''}" if node.entries else "an empty map"
    if node.value is None:
        return "nothing"
    text = node.text if len(node.text) <= SHOWN else node.text[: SHOWN - 3] + "..."
    return repr(text)
