"""What a single job finds: its earlier attempt's checkpoint, and the place where Flyte looks for its deck."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sdk_tasks
from flytekit.core.context_manager import ExecutionParameters
from sdk_array import Array
from sdk_builders import collection, inputs, integer, text

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.container.job_attempt import fit_attempt_to_single_job


@pytest.fixture
def single(tmp_path: Path) -> Array:
    return Array(tmp_path, inputs(x=integer(4)), sdk_tasks.remember)


def test_the_next_attempt_of_a_single_job_finds_what_the_one_before_saved(single: Array) -> None:
    assert single.child(0, AWS_BATCH_JOB_ATTEMPT="1").returncode == 0
    assert single.outputs(0) == inputs(o0=text("nothing"))
    assert single.child(0, AWS_BATCH_JOB_ATTEMPT="2").returncode == 0
    assert single.outputs(0) == inputs(o0=text("seen 4"))


def test_a_first_attempt_goes_on_from_the_nodes_attempt_before(single: Array) -> None:
    assert single.child(0).returncode == 0
    again = replace(single, prev_checkpoint=str(single.root / "checkpoints"))
    assert again.child(0).returncode == 0
    assert again.outputs(0) == inputs(o0=text("seen 4"))


def test_a_second_attempt_without_a_checkpoint_goes_on_from_the_nodes_attempt_before(single: Array) -> None:
    left = single.root / "before"
    left.mkdir()
    (left / "checkpoint").write_text("seen by another node attempt")
    assert replace(single, prev_checkpoint=str(left)).child(0, AWS_BATCH_JOB_ATTEMPT="2").returncode == 0
    assert single.outputs(0) == inputs(o0=text("seen by another node attempt"))


def test_the_deck_of_a_single_job_lies_where_propeller_looks_for_it(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=integer(3)), sdk_tasks.shown)
    done = array.child(0)
    assert done.returncode == 0, done.stderr
    assert array.written() == ["0/outputs.pb", "deck.html"]
    assert "looked at 3" in (array.data / "0" / "deck.html").read_text()


def test_the_decks_of_a_maps_children_lie_beside_their_outputs(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=collection([integer(0)])), map_task(sdk_tasks.shown))
    assert array.child(0).returncode == 0
    assert array.written() == ["0/deck.html", "0/outputs.pb"]


def parameters(prefix: str | None) -> Any:
    return ExecutionParameters(None, None, None, None, None, None, output_metadata_prefix=prefix)


@pytest.mark.parametrize(
    ("prefix", "found"),
    [("s3://b/n0/data/0/0", "s3://b/n0/data/0"), ("s3://b/data", "s3://b/data"), (None, None)],
)
def test_a_prefix_is_shortened_once(monkeypatch: pytest.MonkeyPatch, prefix: str | None, found: str | None) -> None:
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "job")
    given = parameters(prefix)
    fit_attempt_to_single_job(given)
    fit_attempt_to_single_job(given)
    assert given.output_metadata_prefix == found


@pytest.mark.parametrize("environment", [{}, {"AWS_BATCH_JOB_ID": "job:0", "BATCH_JOB_ARRAY_INDEX_VAR_NAME": "X"}])
def test_elsewhere_nothing_is_changed(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    given = parameters("s3://b/n0/data/0/0")
    fit_attempt_to_single_job(given)
    assert given.output_metadata_prefix == "s3://b/n0/data/0/0"
