"""Makes one section, as its owner declared it, from one map of a document.

What is wrong with a value is recorded and the field keeps its default, so that the rest is still read.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from . import mapstructure, section
from .problems import Problem
from .yaml_nodes import ListNode, MapNode, Mark, Node, Scalar, Timestamp, is_null_yaml, shown_yaml_value

S = TypeVar("S")

# Stands for a value that was wrong and has been reported.
WRONG = object()
# Of the words that a setting admits, a message lists so many.
SHOWN_CHOICES = 12
Decoder = Callable[[Node], Any]
WEAK: dict[Any, Decoder] = {str: mapstructure.weak_text, int: mapstructure.weak_int, bool: mapstructure.weak_bool}
NAMES: dict[Any, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _strictly_typed(kind: type, node: Node) -> Any:
    """One of our own settings: the type that is asked for and no other."""
    value = node.value if isinstance(node, Scalar) else node
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is str and isinstance(node, Scalar) and (isinstance(value, str) or number):
        return node.text
    if (kind is bool or number) and isinstance(value, (int, float) if kind is float else kind):
        return kind(value)
    raise mapstructure.MismatchError(f"expected {NAMES[kind]}")


def _written_key(node: MapNode | None, found: Node | None, key: str) -> str:
    """A key as the document writes it, so that a reader finds it there."""
    entries = node.entries if node is not None else ()
    return next((written.text for written, value in entries if found is not None and value is found), key)


def _wrong_choice(decoded: Any, choices: Sequence[str]) -> str | None:
    """What is expected in the place of a value, or of a list of them, that has other words than those admitted."""
    others = [one for one in (decoded if isinstance(decoded, tuple) else (decoded,)) if one not in choices]
    if not others:
        return None
    known = choices if len(choices) <= SHOWN_CHOICES else [*choices[:3], "...", choices[-1]]
    near = difflib.get_close_matches(str(others[0]), choices, 1, 0.6)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"expected one of {', '.join(known)}{hint}"


@dataclasses.dataclass
class SectionFiller:
    """
    :param problems: gets what is wrong with a value, each under its dotted path.
    :param weakly: as Go decodes Flyte's sections; else strictly, as ours are read.
    :param shared: the path of a section that several owners share, each with keys that the others do not know.
    """

    problems: list[Problem]
    weakly: bool
    shared: str = ""

    def section(self, cls: type[S], node: Node | None, path: str) -> S:
        """An instance of a section from its map."""
        if node is not None and not isinstance(node, MapNode):
            if not (is_null_yaml(node) or self._is_time(node)):
                self.wrong(path, node, "expected a map")
            node = None
        values: dict[str, Any] = {}
        if node is not None and not self.weakly and path != self.shared:
            self.check_keys(node, path, cls)
        for fld in dataclasses.fields(cast(Any, cls)):
            if section.WHERE in fld.metadata:
                marked = node and (node.get(fld.metadata[section.WHERE]) or node)
                values[fld.name] = marked.mark if marked else Mark()
            elif section.KEY in fld.metadata:
                self.field(cls, fld, node, path, values)
        return cls(**values)

    def check_keys(self, node: MapNode, path: str, *classes: type[Any]) -> None:
        """A problem for each key that none of the owners of a map knows."""
        keyed = (fld.metadata for cls in classes for fld in dataclasses.fields(cls) if section.KEY in fld.metadata)
        names = sorted(metadata[section.KEY] for metadata in keyed)
        folded = {name.lower().replace("_", ""): name for name in names}
        for key, _ in node.entries:
            if key.text not in names:
                near = folded.get(key.text.lower().replace("_", "").replace("-", ""))
                close = [near] if near else difflib.get_close_matches(key.text, names, 1, 0.6)
                hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(names)}"
                self.problems.append(Problem.at(key.mark, f"{path}.{key.text}", f"is no setting; {hint}"))

    def wrong(self, path: str, node: Node, expected: str) -> None:
        self.problems.append(Problem.at(node.mark, path, expected, shown_yaml_value(node)))

    def field(
        self, cls: type[Any], fld: dataclasses.Field[Any], node: MapNode | None, path: str, values: dict[str, Any]
    ) -> None:
        key: str = fld.metadata[section.KEY]
        found = (node.get(key) if self.weakly else node.exact.get(key)) if node is not None else None
        here = f"{path}.{_written_key(node, found, key)}"
        required = fld.default is dataclasses.MISSING and fld.default_factory is dataclasses.MISSING
        if required:
            values[fld.name] = None
        if found is None or is_null_yaml(found):
            if required:
                self.problems.append(Problem.at(node.mark if node is not None else Mark(), here, "is missing"))
            return
        decoded = self.decode(typing.get_type_hints(cls)[fld.name], found, here)
        if decoded is WRONG:
            return
        limit, most = fld.metadata.get(section.MINIMUM), fld.metadata.get(section.MAXIMUM)
        choices = fld.metadata.get(section.CHOICES)
        if limit is not None and decoded < limit:
            self.wrong(here, found, f"expected at least {limit:g}")
        elif most is not None and not decoded <= most:
            self.wrong(here, found, f"expected at most {most:g}")
        elif choices is not None and (expected := _wrong_choice(decoded, choices)) is not None:
            self.wrong(here, found, expected)
        else:
            values[fld.name] = decoded

    def _is_time(self, node: Node) -> bool:
        """Go turns a date into a struct without fields, which mapstructure takes for an empty map."""
        return self.weakly and isinstance(node, Scalar) and isinstance(node.value, Timestamp)

    def decode(self, kind: Any, node: Node, path: str) -> Any:
        """A value of a field's type, or WRONG."""
        try:
            return self.value(kind, node, path)
        except ValueError as error:
            # A mismatch, or what an owner's class says of values that fit one by one but not together.
            self.wrong(path, node, str(error))
            return WRONG

    def value(self, kind: Any, node: Node, path: str) -> Any:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            return self.value(next(one for one in arguments if one is not type(None)), node, path)
        if origin is tuple:
            return self.sequence(arguments[0], node, path)
        if origin in (dict, Mapping):
            return self.map(arguments[1], node, path)
        if dataclasses.is_dataclass(kind):
            return self.section(cast(type[Any], kind), node, path)
        return WEAK[kind](node) if self.weakly else _strictly_typed(kind, node)

    def sequence(self, kind: Any, node: Node, path: str) -> tuple[Any, ...]:
        if not self.weakly and not isinstance(node, ListNode):
            # One value is plainly a list of one; a comma in it is not ours to interpret.
            return (self.value(kind, node, path),)
        if kind is str and not isinstance(node, ListNode):
            return mapstructure.weak_texts(node)
        items = enumerate(mapstructure.weak_map_items(node))
        decoded = [self.decode(kind, item, f"{path}[{place}]") for place, item in items]
        return tuple(one for one in decoded if one is not WRONG)

    def map(self, kind: Any, node: Node, path: str) -> dict[str, Any]:
        """A map from text; in Flyte's sections a list of maps is one too, and the only way to keep a key's case."""
        values: dict[str, Any] = {}
        if self.weakly and isinstance(node, ListNode):
            for item in node.items:
                values.update(
                    self.map(kind, item, path) if isinstance(item, ListNode) else self.entries(kind, item, path)
                )
            return values
        # viper lowers the keys of maps outside lists, save those with a dot (viper.go, restoreDottedMapKeys).
        entries = self.entries(kind, node, path)
        return {key.lower() if self.weakly and "." not in key else key: value for key, value in entries.items()}

    def entries(self, kind: Any, node: Node, path: str) -> dict[str, Any]:
        if self._is_time(node):
            return {}
        if not isinstance(node, MapNode):
            raise mapstructure.MismatchError("expected a map")
        decoded = {key: self.decode(kind, value, f"{path}.{key}") for key, value in node}
        return {key: value for key, value in decoded.items() if value is not WRONG}
