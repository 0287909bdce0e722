"""The documented rules for a server of today: equal in effect wherever 1.16 can express them, honest where not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from admin_builders import SETUP_DOCUMENT, admin, queues
from hypothesis import given
from hypothesis import strategies as st

from flytekitplugins.awsbatch.admin import documented, flyteadmin
from flytekitplugins.awsbatch.admin.admin_settings import DOMAINS, AdminSettings, ExecutionQueue
from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.export_rules import (
    Exported,
    export_rules,
    exported_file_name,
    exported_server_block,
)
from flytekitplugins.awsbatch.admin.queue_rules import Rule, StoredRule, why_rule_is_refused


def test_the_setup_documents_example() -> None:
    exported = export_rules(admin((SETUP_DOCUMENT / "matching.yaml").read_text()))
    assert exported == Exported(
        attributes=(
            StoredRule("my_queue_1", "production", "my_workflow_1", ("critical",)),
            StoredRule("my_queue_3", "production", "my_workflow_3", ("critical",)),
            *(StoredRule("production", domain, "my_workflow_2", ("gpu",)) for domain in DOMAINS),
        ),
        rules=(Rule(tags=("default",)),),
        notes=(
            "FlyteAdmin compares whole names (module.function): give those of my_workflow_1, my_workflow_2, "
            "my_workflow_3 with --workflow, or correct them in the files",
        ),
    )


def test_a_rule_for_a_project_or_a_domain_needs_no_more_than_one_entry() -> None:
    exported = export_rules(
        queues("[{project: p, tags: [a]}, {domain: staging, tags: [b]}, {tags: [c]}]", qa="a", qb="b", qc="c")
    )
    assert (exported.attributes, exported.rules, exported.unmet) == (
        (StoredRule("p", tags=("a",)),),
        (Rule(domain="staging", tags=("b",)), Rule(tags=("c",))),
        (),
    )


def test_full_names_and_further_projects_complete_what_rules_leave_open() -> None:
    settings = queues("[{workflowName: w, tags: [a]}, {tags: [c]}]", qa="a", qc="c")
    exported = export_rules(settings, ["p"], ["m.w", "n.w", "m.other"])
    assert exported.attributes == tuple(
        StoredRule("p", domain, workflow, ("a",)) for domain in DOMAINS for workflow in ("m.w", "n.w")
    )
    assert len(exported.notes) == 1 and "the rule for w names none" in exported.notes[0]
    assert any("workflow m.w in any other/staging" in one for one in exported.unmet)


def test_tags_that_only_together_single_out_a_queue_are_named_as_not_expressible() -> None:
    exported = export_rules(queues("[{tags: [a, b]}]", q1="a", q2="a b", q3="b"))
    assert exported.unmet[0] == "workflow any other in any other/development: documented q2, a 1.16 server q1 or q2"


NAMES = st.sampled_from(["", "p", "q"])
RULES = st.builds(
    Rule,
    tags=st.lists(st.sampled_from(["a", "b", "c", "z"]), max_size=2).map(tuple),
    project=NAMES,
    domain=st.sampled_from(["", *DOMAINS[:2]]),
    workflow=st.sampled_from(["", "m.v", "m.w"]),
)
OVERRIDES = st.builds(
    StoredRule,
    st.sampled_from(["p", "q"]),
    st.sampled_from(DOMAINS[:2]),
    st.sampled_from(["", "m.v"]),
    st.lists(st.sampled_from(["a", "b", "z"]), max_size=2).map(tuple),
)


@given(st.lists(RULES, max_size=5), st.lists(OVERRIDES, max_size=3))
def test_where_every_queue_has_a_tag_of_its_own_a_server_then_does_as_documented(
    rules: list[Rule], overrides: list[StoredRule]
) -> None:
    settings = AdminSettings(
        queues=tuple(ExecutionQueue(f"q{tag}", (tag,)) for tag in "abc"), rules=tuple(rules), overrides=tuple(overrides)
    )
    exported = export_rules(settings, projects=["p", "q"])
    served = replace(settings, rules=exported.rules, overrides=exported.attributes)
    assert [why_rule_is_refused(one, DOMAINS) for one in exported.attributes] == [""] * len(exported.attributes)
    for project in ("p", "q"):
        for domain in DOMAINS:
            for workflow in ("m.v", "m.w", "m.x"):
                who = LaunchedExecution(project, domain, workflow)
                assert (
                    flyteadmin.match_as_flyteadmin(served, who).explained_queues
                    == documented.match_as_documented(settings, who).explained_queues
                )


@pytest.mark.parametrize(
    ("override", "taken", "name"),
    [
        (StoredRule("p", "d", "m.w"), set(), "p-d-m.w.yaml"),
        (StoredRule("p"), {"p.yaml"}, "p-2.yaml"),
        (StoredRule("P"), {"p.yaml", "p-2.yaml"}, "P-3.yaml"),
        (StoredRule("../etc/x y"), set(), "_etc_x_y.yaml"),
        (StoredRule("проект"), set(), "_.yaml"),
        (StoredRule("p" * 300), set(), "p" * 100 + ".yaml"),
    ],
)
def test_file_names_are_tame_and_never_taken(override: StoredRule, taken: set[str], name: str) -> None:
    assert exported_file_name(override, taken) == name
    assert name.lower() in taken


def test_the_servers_block_reads_back() -> None:
    settings = queues("[]", qa="a b", qb="")
    rules = (Rule(domain="staging", tags=("a",)), Rule(tags=("b",)))
    assert admin(exported_server_block(settings, rules)) == replace(settings, rules=rules)
