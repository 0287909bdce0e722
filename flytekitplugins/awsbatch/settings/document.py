"""One YAML text read as FlyteAdmin reads its configuration: first document only, repeated keys refused, places kept.

Nothing here knows what a setting means. Source: go.yaml.in/yaml/v3 `decode.go` (unique keys, merge keys, aliases).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml import events
from yaml.events import Event, ScalarEvent

from .problems import Problem
from .scalars import TAG_PREFIX, UnreadableScalarError, resolve
from .yaml_nodes import ListNode, MapNode, Mark, Node, Scalar

# Go's reader goes to 10,000 levels and counts aliases against the document's size; a real file has neither.
MAX_DEPTH = 100
MAX_NODES = 1_000_000


class UnreadableError(Exception):
    """A text that is no configuration; carries the one problem that stops the reading."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


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


def parse(text: str | bytes, file: str, lines_before: int = 0) -> Document:
    """Reads a text; an unreadable one gives a document without a root and the problem that says why.

    :param lines_before: of the file, when the text is only a part of it.
    """
    try:
        return Builder(file, lines_before).document(text)
    except UnreadableError as unreadable:
        return Document(file, None, (unreadable.problem,))


@dataclass
class Builder:
    file: str
    lines_before: int
    anchors: dict[str, tuple[Node, int]] = field(default_factory=dict)
    open_anchors: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def document(self, text: str | bytes) -> Document:
        stream = self.events(text)
        root: Node | None = None
        for event in stream:
            if isinstance(event, events.DocumentStartEvent):
                if event.version and event.version != (1, 1):
                    raise self.unreadable(
                        self.line(event), "", "expected YAML 1.1: Go's reader refuses another version"
                    )
                root, _ = self.node(next(stream), stream, 0)
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
                    return self.unreadable(self.line(event), "", expected).problem
        except UnreadableError as error:
            return error.problem
        return None

    def events(self, text: str | bytes) -> Iterator[Event]:
        try:
            data = text if isinstance(text, bytes) else text.encode("utf-8")
        except UnicodeEncodeError:
            raise self.unreadable(0, "", "expected UTF-8 text") from None
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

    def node(self, event: Event, stream: Iterator[Event], depth: int) -> tuple[Node, int]:
        """A node, and how many nodes it stands for when its aliases are written out."""
        line = self.line(event)
        mark = Mark(self.file, line)
        if depth > MAX_DEPTH:
            raise self.unreadable(line, "", f"expected at most {MAX_DEPTH} levels")
        if isinstance(event, events.AliasEvent):
            return self.alias(event.anchor or "", line)
        anchor: str | None = getattr(event, "anchor", None)
        if anchor:
            self.open_anchors.add(anchor)
        if isinstance(event, ScalarEvent):
            built: tuple[Node, int] = (self.scalar(event, mark), 1)
        elif isinstance(event, events.SequenceStartEvent):
            built = self.sequence(stream, mark, depth)
        else:
            built = self.mapping(stream, mark, depth)
        if built[1] > MAX_NODES:
            raise self.unreadable(line, "", f"expected at most {MAX_NODES} values once aliases are written out")
        if anchor:
            self.open_anchors.discard(anchor)
            self.anchors[anchor] = built
        return built

    def alias(self, anchor: str, line: int) -> tuple[Node, int]:
        if anchor in self.open_anchors:
            raise self.unreadable(line, f"*{anchor}", "an anchor cannot contain itself")
        if anchor not in self.anchors:
            raise self.unreadable(line, f"*{anchor}", "expected an anchor of this name before it")
        node, size = self.anchors[anchor]
        return node, size + 1

    def scalar(self, event: ScalarEvent, mark: Mark) -> Scalar:
        plain = event.style is None or event.style == ""
        try:
            value = resolve(event.value, event.tag or "", plain)
        except UnreadableScalarError as error:
            raise self.unreadable(mark.line, repr(event.value), str(error)) from None
        return Scalar(value, event.value, plain, mark)

    def sequence(self, stream: Iterator[Event], mark: Mark, depth: int) -> tuple[Node, int]:
        items: list[Node] = []
        size = 1
        for event in stream:
            if isinstance(event, events.SequenceEndEvent):
                break
            item, item_size = self.node(event, stream, depth + 1)
            items.append(item)
            size += item_size
        return ListNode(tuple(items), mark), size

    def mapping(self, stream: Iterator[Event], mark: Mark, depth: int) -> tuple[Node, int]:
        pairs: list[tuple[Scalar, Node]] = []
        merged: list[tuple[Scalar, Node]] = []
        seen: dict[str, int] = {}
        size = 1
        for event in stream:
            if isinstance(event, events.MappingEndEvent):
                break
            key, key_size = self.node(event, stream, depth + 1)
            is_merge = isinstance(event, ScalarEvent) and is_merge_key(event)
            value, value_size = self.node(next(stream), stream, depth + 1)
            size += key_size + value_size
            if not isinstance(key, Scalar):
                raise self.unreadable(key.mark.line, "", "expected a text as the key, not a list or a map")
            line = self.line(event)
            if key.text in seen:
                self.problem(line, key.text, f"expected each key once, it already stands in line {seen[key.text]}")
                continue
            seen[key.text] = line
            if is_merge:
                merged.extend(self.merged(value))
            else:
                pairs.append((key, value))
        own = {key.text for key, _ in pairs}
        for key, value in merged:
            if key.text not in own:
                own.add(key.text)
                pairs.append((key, value))
        return MapNode(tuple(pairs), mark), size

    def merged(self, value: Node) -> Iterator[tuple[Scalar, Node]]:
        """The entries that a merge key brings in, in order of precedence."""
        for one in value.items if isinstance(value, ListNode) else (value,):
            if not isinstance(one, MapNode):
                raise self.unreadable(value.mark.line, "<<", "expected a map or a list of maps to merge")
            yield from one.entries

    def line(self, event: Event) -> int:
        return event.start_mark.line + 1 + self.lines_before if event.start_mark else 0

    def problem(self, line: int, key: str, expected: str) -> None:
        self.problems.append(Problem(self.file, line, key, "", expected))

    def unreadable(self, line: int, value: str, expected: str) -> UnreadableError:
        place = line - 1 - self.lines_before
        source = self.lines[place] if 0 <= place < len(self.lines) else ""
        return UnreadableError(Problem(self.file, line, "", value, expected + hint(expected, source)))


def is_merge_key(event: ScalarEvent) -> bool:
    return event.value == "<<" and (not event.style if not event.tag else event.tag == f"{TAG_PREFIX}merge")


def hint(said: str, line: str) -> str:
    """What to do about the usual causes of a complaint, as the end of its sentence."""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "; indent with spaces, this line begins with a tab"
    if "{{" in line:
        return "; a Helm template has to be rendered first (helm template)"
    if any(sign in said for sign in ("block end", "document start", "expected key")):
        return "; keys of one level must be indented alike, a pasted block as its new neighbours"
    return ""
