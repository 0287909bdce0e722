"""The setup document's blocks, word for word, in every place that it names; and the truth table in docs/."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from admin_builders import SETUP_DOCUMENT, admin

from flytekitplugins.awsbatch.admin import documented, flyteadmin, flyteadmin_2019
from flytekitplugins.awsbatch.admin.admin_settings import MATCHINGS, ExecutionQueue
from flytekitplugins.awsbatch.admin.enabled_plugins import Handler, enabled_plugin_of
from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.queue_matching import match_queue
from flytekitplugins.awsbatch.admin.queue_rules import Rule
from flytekitplugins.awsbatch.local.all_settings import load_all_settings

SIMPLEST = (SETUP_DOCUMENT / "simplest.yaml").read_text()
MATCHING = (SETUP_DOCUMENT / "matching.yaml").read_text()
PROPELLER = (SETUP_DOCUMENT / "propeller.yaml").read_text()
DOCS = Path(__file__).parents[2] / "docs"

PROJECTS = ("my_queue_1", "my_queue_3", "production", "other")
DOMAINS = ("production", "staging", "development")
WORKFLOWS = ("my_workflow_1", "my_workflow_2", "my_workflow_3", "other")


def table() -> list[str]:
    """The rows of the truth table: each combination and the queue that each way of matching finds."""
    settings = admin(MATCHING)
    rows = []
    for who in product(PROJECTS, DOMAINS, WORKFLOWS):
        execution = LaunchedExecution(*who)
        found = [match_queue(settings, execution, matching).queue for matching in MATCHINGS]
        shown = [queue if queue == found[0] else f"**{queue}**" for queue in found]
        rows.append(f"| {' | '.join((*who, *shown))} |")
    return rows


def test_the_truth_table_in_docs_is_what_the_matchers_do() -> None:
    lines = (DOCS / "explanation" / "queue-matching.md").read_text().splitlines()
    begin = lines.index("| project | domain | workflow | documented | FlyteAdmin 1.16 | FlyteAdmin 2019 |") + 2
    assert lines[begin : begin + 48] == table()
    assert len(table()) == 48


def test_of_the_example_a_server_of_today_sends_22_elsewhere_than_one_of_2019() -> None:
    settings = admin(MATCHING)
    moved = [
        who
        for who in product(PROJECTS, DOMAINS, WORKFLOWS)
        if flyteadmin.match_as_flyteadmin(settings, LaunchedExecution(*who)).queue
        != flyteadmin_2019.match_as_flyteadmin_2019(settings, LaunchedExecution(*who)).queue
    ]
    assert len(moved) == 22


def test_the_simplest_setup() -> None:
    settings = admin(SIMPLEST)
    assert (settings.queues, settings.rules) == (
        (ExecutionQueue("tutorial", ("default",)),),
        (Rule(tags=("default",)),),
    )
    assert settings.server.role_name_key == "eks.amazonaws.com/role-arn"
    assert documented.match_as_documented(settings, LaunchedExecution("any", "thing", "at.all")).queue == "tutorial"


def test_the_more_complex_matching() -> None:
    settings = admin(MATCHING)
    assert settings.queues == (
        ExecutionQueue("gpu_dynamic", ("gpu",)),
        ExecutionQueue("critical", ("critical",)),
        ExecutionQueue("default", ("default",)),
    )
    assert settings.rules == (
        Rule("my_queue_1", "production", "my_workflow_1", ("critical",)),
        Rule("production", "", "my_workflow_2", ("gpu",)),
        Rule("my_queue_3", "production", "my_workflow_3", ("critical",)),
        Rule(tags=("default",)),
    )


def indented(text: str, *keys: str) -> str:
    """A block as it stands, below the keys of a chart."""
    head = "".join(f"{' ' * depth}{key}:\n" for depth, key in enumerate(keys))
    return head + "".join(f"{' ' * len(keys)}{line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    "keys", [(), ("configmap", "adminServer"), ("configMaps", "adminServer"), ("configuration", "inline")]
)
def test_the_blocks_read_the_same_below_a_charts_keys(keys: tuple[str, ...]) -> None:
    assert admin(indented(MATCHING, *keys), indented(PROPELLER, *keys)) == admin(MATCHING, PROPELLER)


def test_the_block_pasted_right_below_config_maps_reads_the_same() -> None:
    assert admin("configMaps:\n" + SIMPLEST) == admin(SIMPLEST)


@pytest.mark.parametrize("first", [SIMPLEST, MATCHING])
@pytest.mark.parametrize("turned", [False, True])
def test_two_blocks_pasted_into_one_file_are_both_read(tmp_path: Path, first: str, turned: bool) -> None:
    order = (PROPELLER, first) if turned else (first, PROPELLER)
    (tmp_path / "flyte.yaml").write_text("".join(order))
    settings = load_all_settings([str(tmp_path / "flyte.yaml")])
    assert settings.admin == admin(*order)


def test_propellers_block() -> None:
    settings = admin(PROPELLER)
    assert settings.handler.role_annotation_key == "eks.amazonaws.com/role-arn"
    assert enabled_plugin_of("container_array", settings.task_plugins) == Handler("aws_array")
    assert enabled_plugin_of("aws-batch", settings.task_plugins) == Handler("aws_array")
