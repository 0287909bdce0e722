"""A job is given the defaults of the inputs that its call leaves out, as a registered workflow binds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import default_tasks as tasks
import pytest
from flyteidl.core.literals_pb2 import LiteralMap

from flytekitplugins.awsbatch.testing import emulation


def inputs_of_last_run(awsbatch: Any) -> LiteralMap:
    (path,) = awsbatch.home.rglob("inputs.pb")
    return LiteralMap.FromString(path.read_bytes())


def test_a_default_is_converted_like_any_input(awsbatch: Any) -> None:
    assert tasks.first_word() == '"""Tasks """Tasks'
    given = inputs_of_last_run(awsbatch).literals
    assert sorted(given) == ["file", "times"]
    assert given["file"].scalar.blob.uri.startswith("awsbatch://")


def test_so_it_is_in_a_workflow(awsbatch: Any) -> None:
    assert tasks.first_word_twice() == '"""Tasks """Tasks'


def test_what_is_given_counts(awsbatch: Any) -> None:
    assert tasks.first_word(times=1) == '"""Tasks'


@pytest.mark.parametrize(("entity", "expected"), [(tasks.of_hashed, "LEFT OUT"), (tasks.of_hashed_in_a_workflow, "")])
def test_a_default_that_a_workflow_binds_has_no_hash(awsbatch: Any, entity: Any, expected: str) -> None:
    assert entity() == "left out"
    assert inputs_of_last_run(awsbatch).literals["x"].hash == expected


def test_an_optional_input_that_is_left_out_is_none(awsbatch: Any) -> None:
    assert tasks.of_optional() == "None"


def test_a_default_of_another_type_is_left_to_the_function(awsbatch: Any) -> None:
    assert tasks.of_wrong_default() == "1 None"
    assert not inputs_of_last_run(awsbatch).literals


def test_what_flytekit_refuses_as_a_default_is_left_to_the_function(awsbatch: Any) -> None:
    assert tasks.of_mutable_default() == "{'a': (1, 2)}"
    assert not inputs_of_last_run(awsbatch).literals


def test_a_resume_does_not_compare_what_a_call_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default may be another value in each process."""
    with emulation(tmp_path, quiet=True):
        assert tasks.first_word_twice() == '"""Tasks """Tasks'
    (run,) = (tmp_path / "runs").iterdir()
    monkeypatch.setitem(tasks.first_word.python_interface._inputs, "times", (int, 3))
    with emulation(tmp_path, quiet=True, resume=run.name) as awsbatch:
        assert tasks.first_word_twice() == '"""Tasks """Tasks'
        assert awsbatch.requests == []
    assert "succeeded before" in awsbatch.printed
