"""A YAML document after parsing, with the place of each value kept. Immutable; knows neither text nor owners."""

from __future__ import annotations

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

    def get(self, name: str, *, exact: bool = False) -> Node | None:
        """The value of a key: in this very spelling, else (unless `exact`) of the first that differs by case only."""
        folded: Node | None = None
        for key, value in self.entries:
            if key.text == name:
                return value
            if not exact and folded is None and key.text.lower() == name.lower():
                folded = value
        return folded

    def key(self, name: str) -> Scalar | None:
        return next((key for key, _ in self.entries if key.text == name), None)


Node: TypeAlias = Scalar | ListNode | MapNode


def is_null(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and node.value is None)


def shown(node: Node | None) -> str:
    """A value as an error message quotes it."""
    if node is None:
        return ""
    if isinstance(node, ListNode):
        return f"a list of {len(node.items)}" if node.items else "an empty list"
    if isinstance(node, MapNode):
        names = ", ".join(key.text for key, _ in node.entries[:3])
        return f"a map with {names}{', ...' if len(node.entries) > 3 else ''}" if node.entries else "an empty map"
    if node.value is None:
        return "nothing"
    text = node.text if len(node.text) <= SHOWN else node.text[: SHOWN - 3] + "..."
    return repr(text)
