"""One YAML text read as FlyteAdmin reads its configuration: first document only, repeated keys refused, places kept.

Nothing here knows what a setting means. Source: go.yaml.in/yaml/v3 `decode.go` (unique keys, merge keys, aliases).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml
from yaml import events
from yaml.events import Event, ScalarEvent

from .problems import Problem, SettingsError
from .scalars import TAG_PREFIX, UnreadableScalarError, resolve_scalar
from .yaml_nodes import ListNode, MapNode, Mark, Node, Scalar

# What a deployment's file can be, with room to spare: a Kubernetes ConfigMap and a Helm release hold 1 MiB each.
MAX_BYTES = 4 * 2**20
# Aliases written out count in all three; Go's reader goes to 10,000 levels, but no configuration does.
MAX_DEPTH = 100
MAX_VALUES = 100_000
MAX_ITEMS = 5_000
# YAML's own limit for a key that is written without `? `.
MAX_KEY = 1024


@dataclass(frozen=True)
class Document:
    """A file's content.

    :param root: its root map; None when the file is empty.
    :param problems: what is wrong with keys and scalars in it.
    :param unread: says what stands behind the first document, where Go's reader stops without a word.
    """

    file: str
    root: MapNode | None
    problems: tuple[Problem, ...] = ()
    unread: Problem | None = None


def parse_yaml(text: str | bytes, file: str, lines_before: int = 0) -> Document:
    """Reads a text; an unreadable one gives a document without a root and the problem that says why.

    :param lines_before: of the file, when the text is only a part of it.
    """
    try:
        return DocumentBuilder(file, lines_before).build_document(text)
    except SettingsError as unreadable:
        return Document(file, None, unreadable.problems)


class Built(NamedTuple):
    """A node, how many values it stands for when its aliases are written out, and how many levels lie below it."""

    node: Node
    values: int = 1
    levels: int = 0


@dataclass
class DocumentBuilder:
    """Makes a document from the events of YAML's parser."""

    file: str
    lines_before: int
    anchors: dict[str, Built] = field(default_factory=dict)
    open_anchors: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def build_document(self, text: str | bytes) -> Document:
        stream = self.events(text)
        root: Node | None = None
        for event in stream:
            if isinstance(event, events.DocumentStartEvent):
                if event.version and event.version != (1, 1):
                    expected = "expected YAML 1.1: Go's reader refuses another version"
                    raise self.unreadable(self.line(event), "", expected)
                root = self.node(next(stream), stream, 0).node
                # The parser must get past the document's end for what follows on its last line to be checked.
                next(stream)
                break
        if root is None or (isinstance(root, Scalar) and root.value is None):
            root = MapNode(())
        if not isinstance(root, MapNode):
            raise self.unreadable(root.mark.line, "", "expected a map of settings at the top")
        return Document(self.file, root if root.entries else None, tuple(self.problems), self.unread(stream))

    def unread(self, stream: Iterator[Event]) -> Problem | None:
        """What the file holds behind its first document."""
        try:
            for event in stream:
                if isinstance(event, events.DocumentStartEvent):
                    expected = "is a second document, which Flyte does not read: put it in a file of its own"
                    return self.unreadable(self.line(event), "", expected).problems[0]
        except SettingsError as error:
            return error.problems[0]
        return None

    def events(self, text: str | bytes) -> Iterator[Event]:
        try:
            data = text if isinstance(text, bytes) else text.encode("utf-8")
        except UnicodeEncodeError:
            raise self.unreadable(0, "", "expected UTF-8 text") from None
        if len(data) > MAX_BYTES:
            raise self.unreadable(0, "", f"expected at most {MAX_BYTES // 2**20} MiB of settings")
        self.lines = data.decode("utf-8", "replace").split("\n")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            yield from yaml.parse(data, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 + self.lines_before if mark else 0
            said = error.problem or error.context or str(error)
            raise self.unreadable(line, "", f"not readable as YAML: {said}") from None
        except (yaml.YAMLError, UnicodeError) as error:
            reason = getattr(error, "reason", None) or str(error)
            raise self.unreadable(0, "", f"expected UTF-8 text in YAML: {reason}") from None

    def node(self, event: Event, stream: Iterator[Event], depth: int) -> Built:
        line = self.line(event)
        mark = Mark(self.file, line)
        anchor: str = getattr(event, "anchor", None) or ""
        if isinstance(event, events.AliasEvent):
            built = self._alias(anchor, line)
        elif isinstance(event, ScalarEvent):
            built = Built(self.scalar(event, mark))
        elif depth > MAX_DEPTH:
            raise self.unreadable(line, "", f"expected at most {MAX_DEPTH} levels")
        else:
            self.open_anchors.add(anchor)
            is_list = isinstance(event, events.SequenceStartEvent)
            built = (self.sequence if is_list else self.mapping)(stream, mark, depth)
            self.open_anchors.discard(anchor)
        if depth + built.levels > MAX_DEPTH:
            raise self.unreadable(line, "", f"expected at most {MAX_DEPTH} levels once aliases are written out")
        if built.values > MAX_VALUES:
            raise self.unreadable(line, "", f"expected at most {MAX_VALUES} values once aliases are written out")
        if anchor and not isinstance(event, events.AliasEvent):
            self.anchors[anchor] = built
        return built

    def _alias(self, anchor: str, line: int) -> Built:
        if anchor in self.open_anchors:
            raise self.unreadable(line, f"*{anchor}", "an anchor cannot contain itself")
        if anchor not in self.anchors:
            raise self.unreadable(line, f"*{anchor}", "expected an anchor of this name before it")
        return self.anchors[anchor]

    def scalar(self, event: ScalarEvent, mark: Mark) -> Scalar:
        plain = event.style is None or event.style == ""
        try:
            value = resolve_scalar(event.value, event.tag or "", plain)
        except UnreadableScalarError as error:
            raise self.unreadable(mark.line, repr(event.value), str(error)) from None
        return Scalar(value, event.value, plain, mark)

    def sequence(self, stream: Iterator[Event], mark: Mark, depth: int) -> Built:
        items: list[Built] = []
        for event in stream:
            if isinstance(event, events.SequenceEndEvent):
                break
            items.append(self.node(event, stream, depth + 1))
            self._check_length(len(items), "items in a list", mark)
        return self.parent(ListNode(tuple(item.node for item in items), mark), items)

    def mapping(self, stream: Iterator[Event], mark: Mark, depth: int) -> Built:
        pairs: dict[str, tuple[Scalar, Node]] = {}
        merged: list[tuple[Scalar, Node]] = []
        lines: dict[str, int] = {}
        parts: list[Built] = []
        for event in stream:
            if isinstance(event, events.MappingEndEvent):
                break
            parts += [self.node(event, stream, depth + 1), self.node(next(stream), stream, depth + 1)]
            key, value = parts[-2].node, parts[-1].node
            if not isinstance(key, Scalar):
                raise self.unreadable(key.mark.line, "", "expected a text as the key, not a list or a map")
            self._check_length(len(parts) // 2, "keys in a map", mark)
            line = self.line(event)
            if len(key.text) > MAX_KEY:
                raise self.unreadable(line, "", f"expected a key of at most {MAX_KEY} characters")
            if key.text in lines:
                expected = f"expected each key once, it already stands in line {lines[key.text]}"
                self.problems.append(Problem(self.file, line, key.text, "", expected))
            elif isinstance(event, ScalarEvent) and _is_merge_key(event):
                merged.extend(self._merged(value))
            else:
                pairs[key.text] = key, value
            lines.setdefault(key.text, line)
        for key, value in merged:
            pairs.setdefault(key.text, (key, value))
        self._check_length(len(pairs), "keys in a map", mark)
        return self.parent(MapNode(tuple(pairs.values()), mark), parts)

    def parent(self, node: Node, parts: Sequence[Built]) -> Built:
        return Built(node, 1 + sum(part.values for part in parts), 1 + max((part.levels for part in parts), default=0))

    def _check_length(self, length: int, what: str, mark: Mark) -> None:
        if length > MAX_ITEMS:
            raise self.unreadable(mark.line, "", f"expected at most {MAX_ITEMS} {what}")

    def _merged(self, value: Node) -> Iterator[tuple[Scalar, Node]]:
        """The entries that a merge key brings in, in order of precedence."""
        for one in value.items if isinstance(value, ListNode) else (value,):
            if not isinstance(one, MapNode):
                raise self.unreadable(value.mark.line, "<<", "expected a map or a list of maps to merge")
            yield from one.entries

    def line(self, event: Event) -> int:
        return event.start_mark.line + 1 + self.lines_before if event.start_mark else 0

    def unreadable(self, line: int, value: str, expected: str) -> SettingsError:
        """The error of a text that is no configuration, with the one problem that stops the reading."""
        place = line - 1 - self.lines_before
        source = self.lines[place] if 0 <= place < len(self.lines) else ""
        return SettingsError([Problem(self.file, line, "", value, expected + _remedy_hint(expected, source))])


def _is_merge_key(event: ScalarEvent) -> bool:
    return event.value == "<<" and (not event.style if not event.tag else event.tag == f"{TAG_PREFIX}merge")


def _remedy_hint(said: str, line: str) -> str:
    """What to do about the usual causes of a complaint, as the end of its sentence."""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "; indent with spaces, this line begins with a tab"
    if "{{" in line:
        return "; a Helm template has to be rendered first (helm template)"
    if any(sign in said for sign in ("block end", "document start", "expected key")):
        return "; keys of one level must be indented alike, a pasted block as its new neighbours"
    return ""
