"""One YAML text: places, repeated keys, merge keys, anchors, and what stands behind the first document."""

from __future__ import annotations

import pytest

from flytekitplugins.awsbatch.settings.document import Document, parse_yaml
from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.yaml_nodes import ListNode, MapNode, Mark, Scalar


def reason(text: str | bytes) -> str:
    document = parse_yaml(text, "f")
    (problem,) = document.problems
    return str(problem)


def test_every_value_keeps_its_place() -> None:
    root = parse_yaml("a: 1\nb:\n  - x\n", "f.yaml").root
    assert root is not None
    listed = root.get("b")
    assert isinstance(listed, ListNode)
    assert [root.get("a").mark, listed.mark, listed.items[0].mark] == [  # type: ignore[union-attr]
        Mark("f.yaml", 1),
        Mark("f.yaml", 3),
        Mark("f.yaml", 3),
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}", "null"])
def test_a_file_may_say_nothing(text: str) -> None:
    assert parse_yaml(text, "f") == Document("f", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "f:2: a: expected each key once, it already stands in line 1"),
        ("- a\n", "f:1: expected a map of settings at the top"),
        ("a: *b\n", "f:1: got *b, expected an anchor of this name before it"),
        ("a: &a [*a]\n", "f:1: got *a, an anchor cannot contain itself"),
        ("a: !!int x\n", "f:1: got 'x', cannot be read as !!int"),
        ("? [a]\n: 1\n", "f:1: expected a text as the key, not a list or a map"),
        ("a: {<<: 1}\n", "f:1: <<: "),
        ("a: [\n", "not readable as YAML"),
        ("a:\n\tb: 1\n", "indent with spaces, this line begins with a tab"),
        ("a: {{ .Values.x }}: 1\n", "a Helm template has to be rendered first"),
        ("a:\n    b: 1\n  c: 2\n", "keys of one level must be indented alike"),
        ("%YAML 1.2\n---\na: 1\n", "expected YAML 1.1"),
        (b"a: \xff\n", "expected UTF-8 text"),
        ("\ud800: 1", "expected UTF-8 text"),
        ("[" * 200, "expected at most 100 levels"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_cannot_be_read_is_one_problem_that_says_what_to_do(text: str | bytes, said: str) -> None:
    assert said.removesuffix("<<: ") in reason(text)


def test_the_forest_of_aliases_is_cut_before_it_grows() -> None:
    levels = "".join(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]\n" for level in range(1, 12))
    assert "expected at most" in reason(f"l0: &l0 [x]\n{levels}")


def test_own_keys_beat_merged_ones_and_earlier_maps_later_ones() -> None:
    root = parse_yaml("a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\n", "f").root
    merged = root.get("c") if root is not None else None
    assert isinstance(merged, MapNode)
    assert {key: value.value for key, value in merged if isinstance(value, Scalar)} == {"y": 3, "x": 1, "z": 2}


def test_a_quoted_merge_key_is_a_key_like_any_other() -> None:
    root = parse_yaml('c: {"<<": 1}\n', "f").root
    assert root is not None and root.get("c").get("<<") == Scalar(1, "1")  # type: ignore[union-attr]


def test_a_second_document_is_not_read_and_said_so() -> None:
    document = parse_yaml("a: 1\n---\nb: 2\n", "f")
    assert document.root == MapNode(((Scalar("a", "a"), Scalar(1, "1")),))
    assert document.unread == Problem(
        "f", 2, "", "", "is a second document, which Flyte does not read: put it in a file of its own"
    )


def test_text_that_the_first_document_leaves_behind_is_said_so() -> None:
    assert parse_yaml("   a: 1\n  b: 2\n", "f").unread is not None


@pytest.mark.parametrize("text", ["\ufeffa: 1\n", "a: 1\r\n", "a: 1", "a: 1\n...\n"])
def test_marks_and_line_ends_of_other_systems_are_fine(text: str) -> None:
    assert parse_yaml(text, "f") == Document("f", MapNode(((Scalar("a", "a"), Scalar(1, "1")),)))


def test_utf_16_is_read_too() -> None:
    assert parse_yaml("a: 1\n".encode("utf-16"), "f").root == MapNode(((Scalar("a", "a"), Scalar(1, "1")),))
