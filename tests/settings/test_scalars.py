"""What a plain scalar means: Go's rules, where PyYAML would say something else."""

from __future__ import annotations

import math

import pytest

from flytekitplugins.awsbatch.settings.scalars import UnreadableScalarError, resolve_scalar
from flytekitplugins.awsbatch.settings.yaml_nodes import Timestamp

LONG = "tag:yaml.org,2002:"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("y", "y"),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("", None),
        ("~", None),
        ("Null", None),
        ("nil", "nil"),
        ("010", 8),
        ("0o17", 15),
        ("0b11", 3),
        ("-0x1F", -31),
        ("08", 8.0),
        ("1_000", 1000),
        ("1__0", 10),
        ("_1", "_1"),
        ("0x_1", 1),
        ("9223372036854775808", 9223372036854775808),
        ("18446744073709551616", 18446744073709551616.0),
        ("1e3", 1000.0),
        ("5.", 5.0),
        (".5_0", 0.5),
        ("+.5", 0.5),
        ("1e400", "1e400"),
        ("1:30", "1:30"),
        ("-.Inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("2020-1-1", Timestamp("2020-1-1")),
        ("2020-13-01", "2020-13-01"),
        ("2020-01-01 1:2:3.5", Timestamp("2020-01-01 1:2:3.5")),
        ("2001-12-14t21:59:43.10-05:00", Timestamp("2001-12-14t21:59:43.10-05:00")),
        ("2020-01-01T25:00:00Z", "2020-01-01T25:00:00Z"),
    ],
)
def test_plain_scalars_resolve_as_in_go(text: str, value: object) -> None:
    resolved = resolve_scalar(text, "", plain=True)
    assert (type(resolved), resolved) == (type(value), value)


@pytest.mark.parametrize("text", ["1", "true", "null", "2020-01-01", ""])
def test_quotes_keep_a_text(text: str) -> None:
    assert resolve_scalar(text, "", plain=False) == text


@pytest.mark.parametrize(
    ("text", "tag", "value"),
    [
        ("1", "str", "1"),
        ("5", "int", 5),
        ("3", "float", 3.0),
        ("YQ==", "binary", "a"),
        ("x", "custom", "x"),
        ("2020-01-01", "timestamp", Timestamp("2020-01-01")),
    ],
)
def test_a_tag_decides(text: str, tag: str, value: object) -> None:
    assert resolve_scalar(text, LONG + tag, plain=False) == value


@pytest.mark.parametrize(("text", "tag"), [("x", "int"), ("yes", "bool"), ("0", "null"), ("***", "binary")])
def test_a_tag_that_does_not_fit_is_refused(text: str, tag: str) -> None:
    with pytest.raises(UnreadableScalarError, match=tag):
        resolve_scalar(text, LONG + tag, plain=True)
