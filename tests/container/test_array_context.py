"""Which children go the short way, and that what was found out for them is not used once it is out of date."""

from __future__ import annotations

import dataclasses
import functools
import os
from pathlib import Path
from typing import Any

import pytest
import sdk_tasks
from flytekit import task
from flytekit.core.context_manager import FlyteContextManager
from sdk_builders import collection, inputs, integer

from flytekitplugins.awsbatch import AWSBatchConfig, map_task
from flytekitplugins.awsbatch.container.command_line import Child
from flytekitplugins.awsbatch.container.fast.array_context import find_out, known, remember
from flytekitplugins.awsbatch.maptask import MapTaskResolver


@task
def ordinary(x: int) -> int:
    return x


@task(task_config=AWSBatchConfig())
def on_batch(x: int) -> int:
    return x


@task(enable_deck=True)
def with_deck(x: int) -> int:
    return x


class OwnTask(type(on_batch)):  # type: ignore[misc]
    def post_execute(self, user_params: Any, rval: Any) -> Any:
        return rval


own_kind = OwnTask(AWSBatchConfig(), ordinary.task_function)


@pytest.fixture
def child(tmp_path: Path) -> Child:
    (tmp_path / "inputs.pb").write_bytes(inputs(x=collection(map(integer, [3, 4]))).SerializeToString())
    return Child(
        inputs=str(tmp_path / "inputs.pb"),
        output_prefix=str(tmp_path / "out"),
        raw_output_data_prefix=f"file://{tmp_path}/raw",
        checkpoint_path=None,
        prev_checkpoint=None,
        resolver=MapTaskResolver().name(),
        resolver_args=(),
    )


@pytest.fixture(autouse=True)
def context_as_before() -> Any:
    before = FlyteContextManager.size()
    yield
    while FlyteContextManager.size() > before:
        FlyteContextManager.pop_context()


def of(child: Child, inner: Any, **values: Any) -> Child:
    bound = map_task(inner).bound_inputs
    made = dataclasses.replace(child, resolver_args=("vars", ",".join(bound)), _loaded={}, **values)
    made._loaded["task"] = inner.func if isinstance(inner, functools.partial) else inner
    return made


@pytest.mark.parametrize("inner", [ordinary, on_batch, sdk_tasks.square], ids=["any task", "batch", "another module"])
def test_ordinary_tasks_with_files_here_go_the_short_way(child: Child, inner: Any) -> None:
    found = find_out(of(child, inner))
    assert found is not None
    assert found.inputs.item(1) == inputs(x=integer(4))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("inner", "values"),
    [
        (with_deck, {}),
        (own_kind, {}),
        (ordinary, {"output_prefix": "s3://bucket/out"}),
        (ordinary, {"raw_output_data_prefix": None}),
        (ordinary, {"timeout": 60}),
        (ordinary, {"dynamic_addl_distro": "s3://bucket/code"}),
        (ordinary, {"inputs": "/nowhere/inputs.pb"}),
    ],
    ids=["deck", "own class", "remote outputs", "no raw prefix", "timeout", "distribution", "no inputs"],
)
def test_everything_else_goes_the_long_way(child: Child, inner: Any, values: dict[str, Any]) -> None:
    made = dataclasses.replace(child, resolver_args=("vars", ""), _loaded={"task": inner}, **values)
    assert find_out(made) is None


def test_outputs_that_may_become_files_of_their_own_go_the_long_way(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_F_L_MIN_SIZE_MB", "10")
    assert find_out(of(child, ordinary)) is None


def test_what_was_found_out_holds_until_the_files_or_the_environment_change(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLYTE_INTERNAL_EXECUTION_ID", "f1")
    made = of(child, ordinary)
    arguments = ("--for", "this test")
    found = find_out(made)
    assert found is not None
    remember(arguments, found)
    assert known(arguments) is found
    assert known(("--for", "another")) is None

    monkeypatch.setenv("FLYTE_INTERNAL_EXECUTION_ID", "f2")
    assert known(arguments) is None
    monkeypatch.setenv("FLYTE_INTERNAL_EXECUTION_ID", "f1")

    lookup = Path(child.inputs).with_name("indexlookup.pb")
    lookup.write_bytes(b"")
    assert known(arguments) is None
    lookup.unlink()
    assert known(arguments) is found

    os.utime(child.inputs, ns=(1, 1))
    assert known(arguments) is None
