"""How Flyte's sections turn values into types: mapstructure's weak rules."""

from __future__ import annotations

import pytest

from flytekitplugins.awsbatch.settings import mapstructure
from flytekitplugins.awsbatch.settings.document import parse_yaml
from flytekitplugins.awsbatch.settings.fill import SectionFiller
from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.yaml_nodes import Node


def node(text: str) -> Node:
    document = parse_yaml(f"v: {text}\n", "f")
    assert document.root is not None, document.problems
    found = document.root.get("v")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", "a"),
        ("true", "1"),
        ("false", "0"),
        ("010", "8"),
        ("1.0", "1"),
        ("1e21", "1000000000000000000000"),
        ("1.5e-7", "0.00000015"),
        (".inf", "+Inf"),
        (".nan", "NaN"),
        ("null", ""),
        ("-0.0", "-0"),
    ],
)
def test_scalars_become_text(text: str, value: str) -> None:
    assert mapstructure.weak_text(node(text)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", ("a",)),
        ("'a, b'", ("a", " b")),
        ("''", ()),
        ("{}", ()),
        ("[]", ()),
        ("[a, 1, null]", ("a", "1", "")),
        ("5", ("5",)),
    ],
)
def test_anything_becomes_a_list_of_texts(text: str, value: tuple[str, ...]) -> None:
    assert SectionFiller([], weakly=True).sequence(str, node(text), "v") == value


@pytest.mark.parametrize(("text", "value"), [("'0x10'", 16), ("2.9", 2), ("true", 1), ("''", 0), ("'-5'", -5)])
def test_scalars_become_whole_numbers(text: str, value: int) -> None:
    assert mapstructure.weak_int(node(text)) == value


@pytest.mark.parametrize(("text", "value"), [("'T'", True), ("0", False), ("2", True), ("''", False), ("'f'", False)])
def test_scalars_become_booleans(text: str, value: bool) -> None:
    assert mapstructure.weak_bool(node(text)) is value


@pytest.mark.parametrize(
    ("convert", "text"),
    [
        (mapstructure.weak_text, "[a]"),
        (mapstructure.weak_text, "2020-01-01"),
        (mapstructure.weak_texts, "{a: 1}"),
        (mapstructure.weak_int, "many"),
        (mapstructure.weak_int, "'1_000'"),
        (mapstructure.weak_int, ".inf"),
        (mapstructure.weak_bool, "maybe"),
    ],
)
def test_what_cannot_become_the_type_says_what_was_expected(convert: object, text: str) -> None:
    with pytest.raises(mapstructure.MismatchError, match="expected"):
        convert(node(text))  # type: ignore[operator]


def test_an_item_that_is_no_text_is_named() -> None:
    problems: list[Problem] = []
    assert SectionFiller(problems, weakly=True).sequence(str, node("[a, [b]]"), "v") == ("a",)
    assert [str(problem) for problem in problems] == ["f:1: v[1]: got a list of 1, expected a text"]
