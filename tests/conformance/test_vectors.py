"""Every recorded case, each its own test, so that a failure names the case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from . import handler_cases
from .fidelity import DOCUMENT, covering, load, markdown
from .kinds import run_case
from .report import Outcome, read_lines

VECTORS = Path(__file__).with_name("vectors")


def vectors(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    cases = read_lines(VECTORS / f"{name}-cases.jsonl.gz")
    return list(zip(cases, read_lines(VECTORS / f"{name}-expected.jsonl.gz"), strict=True))


@pytest.mark.parametrize(
    ("case", "expected"),
    [pytest.param(*pair, id=pair[0]["name"]) for pair in [*vectors("handler"), *vectors("handler-extra")]],
)
def test_the_handler_does_what_flytes_did(case: dict[str, Any], expected: dict[str, Any]) -> None:
    assert handler_cases.run_case(case, expected) == Outcome([])


@pytest.mark.parametrize(
    ("case", "expected"),
    [pytest.param(*pair, id=f"{pair[0]['id']}-{pair[0]['kind']}") for pair in vectors("queues")],
)
def test_names_paths_and_environment_are_flytes(case: dict[str, Any], expected: dict[str, Any]) -> None:
    assert run_case(case, expected) == Outcome([])


def test_the_handler_does_what_flytes_did_with_templates_timelines_and_faults_put_together_at_random() -> None:
    outcomes = {case["name"]: handler_cases.run_case(case, expected) for case, expected in vectors("random")}
    assert {name: outcome for name, outcome in outcomes.items() if outcome != Outcome([])} == {}
    assert len(outcomes) == 600


@pytest.mark.timeout(600)
def test_safe_mode_differs_only_where_the_deviations_file_says_so() -> None:
    deviating: dict[str, set[str]] = {name: set() for name in load()}
    unexplained = []
    for case, expected in [*vectors("handler"), *vectors("handler-extra"), *vectors("random")]:
        outcome = handler_cases.run_case(case, expected, fidelity="safe")
        if outcome.mismatches and covering(outcome.deviations, outcome.mismatches) is None:
            unexplained.append((case["name"], outcome))
        for name in outcome.deviations:
            if not case["name"].startswith(("random/", "extra/")):
                deviating[name].add(case["name"])
    assert unexplained == []
    assert deviating == {name: set(deviation.cases) for name, deviation in load().items()}


def test_the_fidelity_page_is_the_one_that_the_deviations_file_makes() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == markdown()
