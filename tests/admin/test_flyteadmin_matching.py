"""The two generations of FlyteAdmin: what they explain. What they choose is held by the recorded cases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from admin_builders import queues

from flytekitplugins.awsbatch.admin import flyteadmin, flyteadmin_2019
from flytekitplugins.awsbatch.admin.explanation import Explanation, LaunchedExecution
from flytekitplugins.awsbatch.admin.queue_rules import StoredRule, why_rule_is_refused

WHO = LaunchedExecution("p", "development", "w")
THREE = {"qa": "a", "qb": "b", "qc": "c"}


def told(explanation: Explanation) -> list[tuple[str, bool, bool, str]]:
    return [(one.rule, one.matched, one.decided, one.reason) for one in explanation.verdicts]


def test_1_16_tells_why_a_rule_for_one_workflow_decides_for_the_whole_domain() -> None:
    settings = queues("[{project: x, domain: development, workflowName: v, tags: [a]}, {tags: [b]}]", **THREE)
    assert told(flyteadmin.match_as_flyteadmin(settings, WHO)) == [
        (
            "project: x, domain: development, workflowName: v, tags: [a]",
            True,
            True,
            "the last rule for the domain development; the server does not read project and workflowName",
        ),
        ("tags: [b]", True, False, "a rule for the domain, or a later one without a domain, replaces it"),
    ]


@pytest.mark.parametrize(
    ("rules", "reasons"),
    [
        (
            "[{domain: development, tags: [a]}, {domain: development, tags: [z]}, {tags: [b]}]",
            [
                "a later rule for this domain replaces it",
                "the last rule for the domain development, but no queue has one of its tags: no queue at all, the "
                "server does not go on",
                "a rule for the domain, or a later one without a domain, replaces it",
            ],
        ),
        (
            "[{domain: development, tags: []}, {tags: [b]}, {domain: staging, tags: [a]}]",
            [
                "it has no tags, so the server looks for a rule without a domain",
                "the last rule without a domain",
                "the domain is development, not staging",
            ],
        ),
    ],
)
def test_1_16_tells_what_became_of_each_rule(rules: str, reasons: list[str]) -> None:
    assert [one.reason for one in flyteadmin.match_as_flyteadmin(queues(rules, **THREE), WHO).verdicts] == reasons


def test_1_16_looks_at_one_attribute_only() -> None:
    overrides = (
        StoredRule("p", tags=("a",)),
        StoredRule("p", "development", tags=("z",)),
        StoredRule("q", tags=("a",)),
    )
    explanation = flyteadmin.match_as_flyteadmin(replace(queues("[{tags: [b]}]", **THREE), overrides=overrides), WHO)
    assert explanation.candidates == ("qb",)
    assert [one.reason for one in explanation.verdicts] == [
        "a more specific attribute is stored, and the server looks at one only",
        "the most specific attribute stored for the execution, but no queue has one of its tags: the file decides",
        "stored for another project, domain or workflow",
        "the last rule without a domain",
    ]


def test_1_16_may_pick_any_queue_of_the_first_tag_that_has_one() -> None:
    explanation = flyteadmin.match_as_flyteadmin(queues("[{tags: [z, a, b]}]", q1="a", q2="a b", q3="b"), WHO)
    assert explanation.candidates == ("q1", "q2")


def test_2019_files_each_rule_and_looks_up_the_most_specific() -> None:
    rules = (
        "[{domain: staging, tags: [a]}, {project: p, workflowName: v, tags: [b]}, {project: q, tags: [c]}, {tags: [c]}]"
    )
    explanation = flyteadmin_2019.match_as_flyteadmin_2019(queues(rules, **THREE), WHO)
    assert explanation.queue == "qb"
    assert told(explanation) == [
        ("domain: staging, tags: [a]", True, False, "a later rule is filed as the default"),
        (
            "project: p, workflowName: v, tags: [b]",
            True,
            True,
            "it is filed as the project's entry, which the lookup finds first",
        ),
        ("project: q, tags: [c]", False, False, "it is filed as the project's entry of another"),
        ("tags: [c]", True, False, "it is filed as the default; a more specific entry is found first"),
    ]


def test_2019_stops_at_a_rule_without_tags() -> None:
    explanation = flyteadmin_2019.match_as_flyteadmin_2019(queues("[{tags: [a]}, {project: x}]", **THREE), WHO)
    assert (explanation.queue, explanation.crash) == (
        "",
        "a rule without tags stops the server of 2019: index out of range",
    )


def test_2019_takes_two_items_of_one_name_for_one_queue() -> None:
    settings = queues("[{tags: [a, b]}]", other="a", same="a")
    settings = replace(settings, queues=(*settings.queues, replace(settings.queues[1], attributes=("b",))))
    assert flyteadmin_2019.match_as_flyteadmin_2019(settings, WHO).candidates == ("same",)


@pytest.mark.parametrize(
    ("override", "refusal"),
    [
        (StoredRule("p"), ""),
        (StoredRule("p", "staging", "w"), ""),
        (StoredRule("p", "", "w"), "expected a domain: an attribute of a workflow belongs to a project and a domain"),
        (StoredRule("p", "nowhere"), "expected a domain that the server knows: development, staging"),
        (StoredRule("", "staging"), ""),
        (StoredRule(""), "expected a project"),
        (StoredRule("", "staging", "w"), "expected a project"),
    ],
)
def test_the_api_refuses_what_has_no_place(override: StoredRule, refusal: str) -> None:
    assert why_rule_is_refused(override, ("development", "staging")) == refusal
