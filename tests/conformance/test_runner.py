"""The runner's own promises: a line a mismatch, the sums last, an exit status that tells."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from . import handler_cases
from .__main__ import main
from .fidelity import covering, load
from .report import ABSENT, Mismatch, Outcome, Report, differences
from .test_vectors import VECTORS, vectors

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path: Path) -> Any:
    def write(cases: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[str]:
        for name, lines in (("cases", cases), ("expected", expected)):
            (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return ["--cases", str(tmp_path / "cases"), "--expected", str(tmp_path / "expected")]

    return write


def pair(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return next(pair for pair in vectors("handler") if pair[0]["name"] == name)


def test_cases_that_pass_print_the_sums_alone(files: Any, capsys: pytest.CaptureFixture[str]) -> None:
    case, expected = pair("single/plain")
    assert main(["handler", *files([case], [expected])]) == 0
    assert capsys.readouterr().out == "1 passed, 0 failed\n"


def test_each_mismatch_is_a_line_with_case_path_and_both_values(files: Any, capsys: pytest.CaptureFixture[str]) -> None:
    case, expected = copy.deepcopy(pair("single/plain"))
    expected["rounds"][3]["transition"]["phase"] = "PhaseQueued"
    expected["requests"].pop()
    del expected["files"]
    assert main(["handler", *files([case], [expected])]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "single/plain: files: expected <absent>, got {}"
    assert lines[1].startswith('single/plain: requests[1]: expected <absent>, got {"op": "SubmitJob"')
    assert lines[2:] == [
        'single/plain: rounds[3].transition.phase: expected "PhaseQueued", got "PhaseRunning"',
        "0 passed, 1 failed",
    ]


def test_safe_mode_counts_deviations_apart(files: Any, capsys: pytest.CaptureFixture[str]) -> None:
    case, expected = pair("phases/single-fails-short")
    assert main(["handler", "--fidelity", "safe", *files([case], [expected])]) == 0
    assert capsys.readouterr().out == "1 deviated as tests/conformance/deviations.toml says\n0 passed, 0 failed\n"


def test_a_kind_that_nobody_answers_fails(files: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queues", *files([{"id": "q1", "kind": "new"}], [{"id": "q1", "kind": "new"}])]) == 1
    assert capsys.readouterr().out == 'q1 new: kind: expected "new", got "no such kind"\n0 passed, 1 failed\n'


def test_a_case_that_cannot_be_run_fails_and_the_next_one_runs(files: Any, capsys: pytest.CaptureFixture[str]) -> None:
    case, expected = pair("single/plain")
    broken = {"name": "broken", "task_template": {"id": 5}}
    assert main(["handler", *files([broken, case], [expected, expected])]) == 1
    out = capsys.readouterr().out
    assert out.startswith("broken: exception: expected <absent>, got ")
    assert out.endswith("1 passed, 1 failed\n")


def test_files_of_different_length_are_an_error(files: Any) -> None:
    case, expected = pair("single/plain")
    with pytest.raises(ValueError, match="zip"):
        main(["handler", *files([case], [expected, expected])])


def test_the_command_line_runs_gzipped_files_from_the_repository() -> None:
    command = [sys.executable, "-m", "tests.conformance", "queues"]
    command += ["--cases", VECTORS / "queues-cases.jsonl.gz", "--expected", VECTORS / "queues-expected.jsonl.gz"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = f"{len(vectors('queues'))} passed, 0 failed\n"
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


def test_the_fidelity_page_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity"]) == 0
    assert "## What `safe` does differently" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("expected", "got", "paths"),
    [
        ({"a": [1, 2]}, {"a": [1, 2]}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 477047822803082100000}, {"a": 4.770478228030821e20}, []),
        ({"a": 2**53 + 1}, {"a": 2**53}, ["a"]),
        ({"a": 1.5}, {"a": "1.5"}, ["a"]),
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a[1]"]),
        ({"a": {"b": 1}}, {"a": {}}, ["a.b"]),
        ({"a": None}, {}, ["a"]),
        ([], {}, [""]),
    ],
)
def test_differences_lead_as_deep_as_they_can(expected: Any, got: Any, paths: list[str]) -> None:
    assert [mismatch.path for mismatch in differences(expected, got)] == paths


def test_only_what_the_file_says_is_a_deviation() -> None:
    inside, outside = Mismatch("rounds[1].reason", 1, 2), Mismatch("generated_name", 1, 2)
    assert covering(["short-failure"], [inside]) == "short-failure"
    assert covering(["short-failure"], [inside, outside]) is None
    assert covering(["unheard-of"], [inside]) is None
    assert covering([], [inside]) is None
    assert set(load()) == {
        "short-failure",
        "success-with-error",
        "parent-ended-first",
        "vanished-child",
        "not-an-array",
        "size-limit",
        "no-retries",
        "attempt-counter",
    }


def test_a_long_value_is_cut_in_its_line() -> None:
    report = Report()
    report.add("case", [Mismatch("a", "x" * 1000, ABSENT)])
    assert len(report.lines[0]) < 400


def test_what_is_not_to_be_compared_is_left_out() -> None:
    case, expected = copy.deepcopy(pair("cache/single-no-item-inputs"))
    for one in expected["rounds"]:
        one["round"] = one["step"] = 99
        if one["error"]:
            one["error"] = "[CATALOG_READER_QUEUE_FAILED] Error enqueuing work items, and other words"
    expected |= {"rounds_run": 99, "steps_used": 99, "enqueued_owners": ["x"], "catalog_gets": 99}
    assert handler_cases.run_case(case, expected) == Outcome([])
    for one in expected["rounds"]:
        if one["error"]:
            one["error"] = "[OTHER] code"
    assert [found.path for found in handler_cases.run_case(case, expected).mismatches] == ["rounds[6].error"]
