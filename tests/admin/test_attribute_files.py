"""flytectl's attribute files: accepted as they are, refused as flytectl refuses them, written so that it takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flytekitplugins.awsbatch.admin.attribute_files import (
    dump_attribute_file,
    is_attribute_file,
    read_attribute_file,
)
from flytekitplugins.awsbatch.admin.queue_rules import StoredRule
from flytekitplugins.awsbatch.propeller.golang.numbers import print_float, round_to_float32
from flytekitplugins.awsbatch.settings.document import parse_yaml
from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.yaml_nodes import Mark


def reading(text: str) -> tuple[list[StoredRule], list[str]]:
    problems: list[Problem] = []
    return list(read_attribute_file(parse_yaml(text, "era.yaml"), problems.append)), [
        str(problem) for problem in problems
    ]


def test_a_file_as_flytectl_shows_it() -> None:
    text = "domain: development\nproject: flytesnacks\nworkflow: core.merge_sort\ntags:\n  - foo\n  - bar\n"
    ((override,), problems) = reading(text)
    assert (override, problems) == (StoredRule("flytesnacks", "development", "core.merge_sort", ("foo", "bar")), [])
    assert override.where == Mark("era.yaml", 1)


@pytest.mark.parametrize(
    ("text", "project"),
    [("project: 5", "5"), ("project: yes", "true"), ("project: 1e6", "1e+06"), ("PROJECT: 2020-01-01", "2020-01-01")],
)
def test_a_name_may_be_any_scalar(text: str, project: str) -> None:
    assert reading(text) == ([StoredRule(project)], [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("project: p\ntags: a\n", "era.yaml:2: tags: got 'a', expected a list of texts, even for one tag"),
        ("tags: [yes]\n", "era.yaml:1: tags: got a list of 1, expected texts only: put 'yes' between quotes"),
        ("project: [p]\n", "era.yaml:1: project: got a list of 1, expected a text"),
        (
            "other: 1\n",
            "era.yaml:1: other: is not a key of an attribute file; expected one of project, domain, workflow, tags",
        ),
    ],
)
def test_what_flytectl_refuses_is_refused(text: str, said: str) -> None:
    assert reading(text) == ([], [said])


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("project: p\ntags: [a]", True),
        ("tags: [a]", True),
        ("queues: {}\nproject: p", False),
        ("flyteadmin: {}", False),
        ("", False),
    ],
)
def test_attribute_files_are_told_by_their_keys(text: str, is_one: bool) -> None:
    assert is_attribute_file(parse_yaml(text, "f")) is is_one


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@given(NAMES, NAMES, NAMES, st.lists(NAMES, max_size=3))
def test_a_written_file_reads_back(project: str, domain: str, workflow: str, tags: list[str]) -> None:
    override = StoredRule(project, domain, workflow, tuple(tags))
    assert reading(dump_attribute_file(override)) == ([override], [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        (0.0, "0"),
        (-0.0, "-0"),
        (123456.0, "123456"),
        (1e6, "1e+06"),
        (1234567.0, "1.234567e+06"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (0.1, "0.1"),
        (16777217.0, "1.6777216e+07"),
        (1e300, "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_floats_are_written_as_go_writes_a_float32(value: float, text: str) -> None:
    assert print_float(round_to_float32(value), 32) == text
