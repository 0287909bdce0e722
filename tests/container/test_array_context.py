"""Which arrays take the fast path, and that what was found out about one is not used once it is out of date."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sdk_tasks
from flyteidl.core.literals_pb2 import LiteralMap as LiteralMapMessage
from flytekit import task
from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from flytekit.models.literals import LiteralMap
from sdk_builders import collection, inputs, integer

from flytekitplugins.awsbatch import AWSBatchConfig, map_task
from flytekitplugins.awsbatch.container.array_index import OriginalIndex
from flytekitplugins.awsbatch.container.command_line import Child
from flytekitplugins.awsbatch.container.fast.array_context import find_array_context
from flytekitplugins.awsbatch.container.fast.item_context import item_context, item_temporary_folder
from flytekitplugins.awsbatch.maptask import MapTaskResolver


@task
def ordinary(x: int) -> int:
    return x


@task(task_config=AWSBatchConfig())
def on_batch(x: int) -> int:
    return x


@task(task_config=AWSBatchConfig())
def by_name(x: int) -> dict[str, int]:
    return {"x": x}


@task(task_config=AWSBatchConfig())
def several(x: int) -> list[int]:
    return [x]


@task(task_config=AWSBatchConfig())
def one_by_one(x: int) -> Iterator[int]:
    yield x
    raise ValueError("in the middle")


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
def test_ordinary_tasks_with_files_here_take_the_fast_path(child: Child, inner: Any) -> None:
    found = find_array_context(of(child, inner))
    assert found is not None
    assert found.inputs.item(1) == inputs(x=integer(4))  # type: ignore[arg-type]
    assert found.task_literals is not None


@pytest.mark.parametrize(
    ("inner", "native"), [(on_batch, 3), (by_name, {"x": 3}), (several, [3])], ids=["number", "dict", "list"]
)
def test_outputs_of_any_type_are_written_without_flytekits_own_way(child: Child, inner: Any, native: Any) -> None:
    found = find_array_context(of(child, inner))
    assert found is not None
    literals = found.task_literals
    assert literals is not None
    written = literals.serialised_outputs(item_context(found, OriginalIndex(0)), native)
    assert written is not None
    outputs = LiteralMap.from_flyte_idl(LiteralMapMessage.FromString(written))
    kind = inner.python_interface.outputs["o0"]
    assert TypeEngine.to_python_value(found.context, outputs.literals["o0"], kind) == native


def test_what_can_be_read_only_once_is_left_to_flytekit(child: Child) -> None:
    """Read here until its error came, it would be an empty list there."""
    found = find_array_context(of(child, one_by_one))
    assert found is not None
    literals = found.task_literals
    assert literals is not None
    native = one_by_one.task_function(x=3)
    assert literals.serialised_outputs(item_context(found, OriginalIndex(0)), native) is None
    assert next(native) == 3


@pytest.mark.skipif(sys.version_info < (3, 11), reason="pathlib of Python 3.10 keeps os.mkdir for itself")
def test_finding_a_context_leaves_no_folders(child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = sorted(tmp_path.rglob("*"))

    assert find_array_context(of(child, ordinary)) is not None

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("inner", [with_deck, own_kind], ids=["deck", "own class"])
def test_flytekit_handles_other_tasks(child: Child, inner: Any) -> None:
    found = find_array_context(of(child, inner))
    assert found is not None
    assert found.task_literals is None


@pytest.mark.parametrize(
    "values",
    [
        {"output_prefix": "s3://bucket/out"},
        {"raw_output_data_prefix": None},
        {"timeout": 60},
        {"dynamic_addl_distro": "s3://bucket/code"},
        {"inputs": "/nowhere/inputs.pb"},
    ],
    ids=["remote outputs", "no raw prefix", "timeout", "distribution", "no inputs"],
)
def test_flytekit_handles_other_arrays(child: Child, values: dict[str, Any]) -> None:
    assert find_array_context(of(child, ordinary, **values)) is None


def test_flytekit_handles_outputs_that_may_become_files_of_their_own(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_F_L_MIN_SIZE_MB", "10")
    assert find_array_context(of(child, ordinary)) is None


def test_the_module_of_the_task_is_not_needed_before_the_fork(child: Child) -> None:
    made = dataclasses.replace(child, resolver_args=("vars", "", "resolver", "no_such_module.resolver"))
    assert find_array_context(made) is not None


def test_an_array_context_is_valid_until_the_files_or_the_environment_change(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLYTE_INTERNAL_EXECUTION_ID", "f1")
    found = find_array_context(of(child, ordinary))
    assert found is not None
    assert found.is_context_valid()

    monkeypatch.setenv("FLYTE_INTERNAL_EXECUTION_ID", "f2")
    assert not found.is_context_valid()
    monkeypatch.setenv("FLYTE_INTERNAL_EXECUTION_ID", "f1")

    lookup = Path(child.inputs).with_name("indexlookup.pb")
    lookup.write_bytes(b"")
    assert not found.is_context_valid()
    lookup.unlink()
    assert found.is_context_valid()

    os.utime(child.inputs, ns=(1, 1))
    assert not found.is_context_valid()


def test_an_items_files_go_where_tempfile_would_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(value: str) -> tuple[str, str]:
        monkeypatch.setenv("TMPDIR", value)
        monkeypatch.setattr(tempfile, "tempdir", None)
        return item_temporary_folder(), tempfile.gettempdir()

    for value in (str(tmp_path), str(tmp_path / "missing"), "", "relative"):
        mine, pythons = found(value)
        assert mine == pythons
    assert list(tmp_path.iterdir()) == []
