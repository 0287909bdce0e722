"""The default matching, rule by rule, as the setup document promises it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from admin_builders import admin, queues

from flytekitplugins.awsbatch.admin.admin_settings import AdminSettings
from flytekitplugins.awsbatch.admin.documented import match_as_documented
from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.queue_rules import StoredRule


def queue(settings: AdminSettings, project: str = "p", domain: str = "d", workflow: str = "m.w", name: str = "") -> str:
    return match_as_documented(settings, LaunchedExecution(project, domain, workflow, name)).queue


FOUR = {"qa": "a", "qb": "b", "qc": "c", "qd": "d"}


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ("project: p", True),
        ("project: P", False),
        ("project: other", False),
        ("domain: d", True),
        ("domain: other", False),
        ("workflowName: m.w", True),
        ("workflowName: w", True),
        ("workflowName: other.w", False),
        ("workflowName: m", False),
        ("workflowName: W", False),
        ("project: p, domain: d, workflowName: w", True),
        ("project: p, domain: d, workflowName: x", False),
        ("project: p, domain: x, workflowName: w", False),
    ],
)
def test_a_rule_matches_when_all_that_it_gives_is_the_executions(rule: str, matches: bool) -> None:
    assert queue(queues(f"[{{{rule}, tags: [a]}}]", **FOUR)) == ("qa" if matches else "")


@pytest.mark.parametrize(
    ("rule", "matches"),
    [(".flytegen.m.t", True), (".flytegen.t", True), ("t", False), ("m.t", False)],
)
def test_a_task_on_its_own_is_not_taken_for_a_workflow_of_its_name(rule: str, matches: bool) -> None:
    settings = queues(f"[{{workflowName: {rule}, tags: [a]}}]", **FOUR)
    assert queue(settings, workflow=".flytegen.m.t") == ("qa" if matches else "")


BY_RANK = [
    "project: p, domain: d, workflowName: w",
    "project: p, workflowName: w",
    "domain: d, workflowName: w",
    "workflowName: w",
    "project: p, domain: d",
    "project: p",
    "domain: d",
    "",
]


@pytest.mark.parametrize("place", range(len(BY_RANK) - 1))
@pytest.mark.parametrize("reverse", [False, True])
def test_workflow_goes_over_project_over_domain(place: int, reverse: bool) -> None:
    rules = [f"{{{BY_RANK[place]}, tags: [a]}}", f"{{{BY_RANK[place + 1] or 'x: 1'}, tags: [b]}}"]
    assert queue(queues(f"[{', '.join(reversed(rules) if reverse else rules)}]", **FOUR)) == "qa"


def test_among_equals_the_first_in_the_file_wins() -> None:
    assert queue(queues("[{project: p, tags: [a]}, {project: p, tags: [b]}]", **FOUR)) == "qa"


def test_a_queue_fits_when_it_has_all_of_the_tags() -> None:
    settings = queues("[{tags: [a, b]}]", only_a="a", both="b a", only_b="b")
    assert match_as_documented(settings, LaunchedExecution("p", "d", "w")).candidates == ("both",)


def test_a_rule_without_a_fitting_queue_gives_way_to_the_next() -> None:
    settings = queues("[{project: p, tags: [a, b]}, {domain: d, tags: []}, {tags: [c]}]", **FOUR)
    explanation = match_as_documented(settings, LaunchedExecution("p", "d", "w"))
    assert (explanation.queue, [verdict.reason for verdict in explanation.verdicts]) == (
        "qc",
        [
            "the project is the execution's, but no queue has all of the tags a, b, so the next rule is used",
            "the domain is the execution's, but it has no tags, so the next rule is used",
            "it is for every execution",
        ],
    )


def test_among_several_queues_the_executions_name_decides_evenly_and_for_good() -> None:
    settings = queues("[{tags: [a]}]", q1="a", q2="a", q3="a")
    picked = [queue(settings, name=f"f{number}") for number in range(3000)]
    assert picked == [queue(settings, name=f"f{number}") for number in range(3000)]
    assert all(900 < count < 1100 for count in Counter(picked).values()) and len(Counter(picked)) == 3


def test_a_queue_without_a_name_is_none() -> None:
    settings = admin("queues: {executionQueues: [{attributes: [a]}], workflowConfigs: [{tags: [a]}]}")
    assert match_as_documented(settings, LaunchedExecution("p", "d", "w")).candidates == ()


OVERRIDES = (
    StoredRule("p", tags=("a",)),
    StoredRule("p", "d", tags=("b",)),
    StoredRule("p", "d", "m.w", ("c",)),
)


@pytest.mark.parametrize(("count", "expected"), [(0, "qd"), (1, "qa"), (2, "qb"), (3, "qc")])
def test_attributes_go_before_the_files_rules_most_specific_first(count: int, expected: str) -> None:
    rules = "[{project: p, domain: d, workflowName: w, tags: [d]}]"
    assert queue(replace(queues(rules, **FOUR), overrides=OVERRIDES[:count])) == expected


def test_an_attribute_that_finds_no_queue_gives_way_too() -> None:
    settings = replace(queues("[{tags: [d]}]", **FOUR), overrides=(StoredRule("p", "d", tags=("z",)), *OVERRIDES[:1]))
    assert queue(settings) == "qa"


def test_an_attribute_stored_again_replaces_the_first() -> None:
    settings = replace(queues("[]", **FOUR), overrides=(*OVERRIDES[:1], StoredRule("p", tags=("d",))))
    assert queue(settings) == "qd"


def test_every_rule_is_explained_in_the_order_of_its_turn() -> None:
    explanation = match_as_documented(
        queues("[{tags: [a]}, {project: x, tags: [b]}, {domain: d, tags: [c]}, {workflowName: v, tags: [d]}]", **FOUR),
        LaunchedExecution("p", "d", "m.w"),
    )
    assert [(verdict.rule, verdict.matched, verdict.decided, verdict.reason) for verdict in explanation.verdicts] == [
        ("workflowName: v, tags: [d]", False, False, "the workflow is m.w, not v"),
        ("project: x, tags: [b]", False, False, "the project is p, not x"),
        ("domain: d, tags: [c]", True, True, "the domain is the execution's"),
        (
            "tags: [a]",
            True,
            False,
            "it is for every execution; a more specific or earlier rule has decided",
        ),
    ]
