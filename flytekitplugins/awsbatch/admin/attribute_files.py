"""flytectl's attribute files: queue tags for a project, its domain or a workflow, stored in FlyteAdmin's database.

Read as `flytectl update execution-queue-attribute --attrFile` reads them, which is stricter than the server reads its
own configuration. Sources: flytectl `cmd/config/subcommand/executionqueueattribute/file_config.go` and sigs.k8s.io/yaml
(YAML 1.1 words such as `yes` are booleans, and become text only where the field itself is a text).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import yaml

from flytekitplugins.awsbatch.propeller.golang.numbers import print_float, round_to_float32
from flytekitplugins.awsbatch.settings.document import Document
from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.yaml_nodes import (
    ListNode,
    MapNode,
    Mark,
    Node,
    Scalar,
    Timestamp,
    shown_yaml_value,
)

from .queue_rules import PLACES, StoredRule

KEYS = (*PLACES, "tags")
PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9.-]*")
YAML_1_1 = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}


def is_attribute_file(document: Document) -> bool:
    """Whether a file is flytectl's, not a server's: a map with `tags` or `project` and no section of Flyte's."""
    names = [key.lower() for key, _ in document.root] if document.root is not None else []
    return ("tags" in names or "project" in names) and not {"queues", "emulator", "plugins"} & set(names)


def read_attribute_file(document: Document, report: Callable[[Problem], None]) -> Iterator[StoredRule]:
    """The file's override, unless the file is wrong.

    :param report: told each thing that flytectl would refuse.
    """
    found: list[Problem] = list(document.problems)
    values: dict[str, str] = dict.fromkeys(PLACES, "")
    tags: tuple[str, ...] = ()
    root = document.root or MapNode(())
    for key, value in sorted(root.entries, key=lambda entry: entry[0].text):
        name = key.text.lower()
        try:
            if name in PLACES:
                values[name] = _text_field(value)
            elif name == "tags":
                tags = _tags_field(value)
            else:
                expected = f"is not a key of an attribute file; expected one of {', '.join(KEYS)}"
                found.append(Problem(document.file, key.mark.line, key.text, "", expected))
        except ValueError as error:
            found.append(Problem(document.file, value.mark.line, key.text, shown_yaml_value(value), str(error)))
    for problem in found[len(document.problems) :]:
        report(problem)
    if not found:
        yield StoredRule(**values, tags=tags, where=Mark(document.file, root.mark.line))


def _text_field(node: Node) -> str:
    """A text field: a number or a boolean becomes text."""
    value = _yaml_1_1(node)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return print_float(round_to_float32(value), 32)
    if isinstance(value, str | int):
        return str(value)
    raise ValueError("expected a text")


def _tags_field(node: Node) -> tuple[str, ...]:
    """The list of tags: texts only, as they are."""
    if isinstance(node, Scalar) and node.value is None:
        return ()
    if not isinstance(node, ListNode):
        raise ValueError("expected a list of texts, even for one tag")
    return tuple(_tag_text(item) for item in node.items)


def _tag_text(node: Node) -> str:
    value = _yaml_1_1(node)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise ValueError(f"expected texts only: put {shown_yaml_value(node)} between quotes")


def _yaml_1_1(node: Node) -> object:
    """A scalar as go.yaml.in/yaml/v2 resolves it; a list or a map as itself."""
    if not isinstance(node, Scalar):
        return node
    if node.plain and isinstance(node.value, str) and node.text in YAML_1_1:
        return YAML_1_1[node.text]
    return node.text if isinstance(node.value, Timestamp) else node.value


def dump_attribute_file(override: StoredRule) -> str:
    """The file's text, as `flytectl update execution-queue-attribute --attrFile` takes it."""
    named = {name: Text(getattr(override, name)) for name in PLACES if getattr(override, name)}
    content = {**named, "tags": [Text(tag) for tag in override.tags]}
    return yaml.dump(content, Dumper=QuotingDumper, sort_keys=False, allow_unicode=True)


class Text(str):
    """A text that has to be read back as one."""


class QuotingDumper(yaml.SafeDumper):
    """Puts texts between quotes unless they are plain words: Go's readers take more for numbers (`0E0`) than PyYAML."""


def _quoted(dumper: yaml.SafeDumper, text: Text) -> yaml.ScalarNode:
    style = None if PLAIN_WORD.fullmatch(text) and text not in YAML_1_1 else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


QuotingDumper.add_representer(Text, _quoted)
