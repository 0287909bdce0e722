"""The child's command, run as AWS Batch runs it: a process of its own with the environment that the handler sends."""

from __future__ import annotations

import functools
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
import sdk_tasks
from flyteidl.core.errors_pb2 import ContainerError
from flyteidl.core.literals_pb2 import Binary, Literal, LiteralCollection, LiteralMap, LiteralOffloadedMetadata, Scalar
from flytekit.core.context_manager import FlyteContextManager
from sdk_array import HERE, Array
from sdk_builders import collection, inputs, integer, text

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.container.input_files import read_index_lookup_file, read_inputs_file


@pytest.fixture
def squares(tmp_path: Path) -> Array:
    return Array(tmp_path, inputs(x=collection(map(integer, [3, 4, 5]))), map_task(sdk_tasks.square))


def test_a_child_writes_the_outputs_of_its_item_below_the_items_index(squares: Array) -> None:
    done = squares.child(1)
    assert done.returncode == 0, done.stderr
    assert squares.written() == ["1/outputs.pb"]
    assert squares.outputs(1) == inputs(o0=integer(16))


def test_the_one_child_of_a_list_of_one_has_a_stand_in_for_its_index(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=collection([integer(3)])), map_task(sdk_tasks.square))
    done = array.child(0, BATCH_JOB_ARRAY_INDEX_VAR_NAME="FAKE_JOB_ARRAY_INDEX", FAKE_JOB_ARRAY_INDEX="0")
    assert (done.returncode, array.outputs(0)) == (0, inputs(o0=integer(9)))


def test_the_offset_is_added(squares: Array) -> None:
    done = squares.child(0, BATCH_JOB_ARRAY_INDEX_OFFSET="2")
    assert (done.returncode, squares.written(), squares.outputs(2)) == (0, ["2/outputs.pb"], inputs(o0=integer(25)))


def test_a_partly_cached_array_maps_its_children_through_the_index_lookup(squares: Array) -> None:
    lookup = LiteralCollection(literals=[integer(0), integer(2)])
    (squares.data / "indexlookup.pb").write_bytes(lookup.SerializeToString())
    done = squares.child(1)
    assert (done.returncode, squares.written(), squares.outputs(2)) == (0, ["2/outputs.pb"], inputs(o0=integer(25)))


def test_an_exception_ends_in_error_pb_and_exit_code_1(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=collection([integer(2), integer(7)])), map_task(sdk_tasks.refuse_odd))
    done = array.child(1)
    assert (done.returncode, array.written()) == (1, ["1/error.pb"])
    error = array.error(1)
    assert (error.code, error.kind) == ("USER:RuntimeError", ContainerError.NON_RECOVERABLE)
    assert error.message.endswith("ValueError: 7 is odd")


def test_without_fail_on_error_it_is_error_pb_alone_as_in_flytekit(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=collection([integer(7)])), map_task(sdk_tasks.refuse_odd))
    done = array.child(0, FLYTE_FAIL_ON_ERROR="false")
    assert (done.returncode, array.written()) == (0, ["0/error.pb"])


def test_an_index_beyond_the_inputs_is_an_error_of_that_item(squares: Array) -> None:
    done = squares.child(3)
    assert (done.returncode, squares.written()) == (1, ["3/error.pb"])
    assert squares.error(3).message.endswith("ChildError: item 3 does not exist: input x has 3")


def test_inputs_that_cannot_be_read_are_an_error_of_the_item(squares: Array) -> None:
    (squares.data / "inputs.pb").write_bytes(b"\xff\xff")
    done = squares.child(0)
    assert (done.returncode, squares.written()) == (1, ["0/error.pb"])
    assert "inputs.pb is not a flyteidl.core.LiteralMap" in squares.error(0).message


def test_a_module_that_cannot_be_imported_is_an_error_of_the_item(squares: Array) -> None:
    done = squares.child(0, PYTHONPATH="")
    assert (done.returncode, squares.written()) == (1, ["0/error.pb"])
    assert "No module named 'sdk_tasks'" in squares.error(0).message


def test_a_child_that_cannot_know_its_item_writes_nothing_and_says_why(squares: Array) -> None:
    done = squares.child(0, BATCH_JOB_ARRAY_INDEX_VAR_NAME="")
    assert (done.returncode, squares.written()) == (1, [])
    assert "Error: BATCH_JOB_ARRAY_INDEX_VAR_NAME is not set." in done.stderr


def test_an_empty_list_ends_quietly_without_importing_the_users_code(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=collection([])), map_task(sdk_tasks.square))
    done = array.child(0, PYTHONPATH="", FLYTE_SDK_LOGGING_LEVEL="30")
    assert (done.returncode, array.written(), done.stdout, done.stderr) == (0, [], "", "")


def test_bound_inputs_reach_every_child_whole(tmp_path: Path) -> None:
    scale = sdk_tasks.Scale(2.5, {"unit": "kg"})
    array = Array(
        tmp_path,
        inputs(
            x=collection(map(integer, [1, 2])),
            y=collection(map(integer, [3, 4])),
            # A dataclass as flytekit puts it into a literal: {"factor": 2.5, "labels": {"unit": "kg"}}.
            scale=Literal(
                scalar=Scalar(
                    binary=Binary(
                        tag="msgpack",
                        value=b"\x82\xa6factor\xcb\x40\x04\x00\x00\x00\x00\x00\x00\xa6labels\x81\xa4unit\xa2kg",
                    )
                )
            ),
        ),
        map_task(functools.partial(sdk_tasks.scaled, scale=scale)),
    )
    done = array.child(1)
    assert done.returncode == 0, done.stderr
    assert array.outputs(1) == inputs(o0=text("20 kg"))


def test_a_list_that_was_offloaded_for_its_size_is_fetched(squares: Array) -> None:
    whole = squares.data / "x_offloaded.pb"
    whole.write_bytes(squares.inputs.literals["x"].SerializeToString())
    squares.inputs.literals["x"].CopyFrom(
        Literal(offloaded_metadata=LiteralOffloadedMetadata(uri=str(whole), size_bytes=whole.stat().st_size))
    )
    squares.__post_init__()
    done = squares.child(2)
    assert (done.returncode, squares.outputs(2)) == (0, inputs(o0=integer(25)))


def test_a_task_without_outputs_writes_an_empty_map(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    array = Array(
        tmp_path, inputs(path=collection([text("/nowhere/else"), text(str(target))])), map_task(sdk_tasks.touch)
    )
    done = array.child(1)
    assert (done.returncode, array.outputs(1), target.read_text()) == (0, LiteralMap(), "touched")


def test_each_child_has_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    first = Array(tmp_path, inputs(x=collection([integer(5), integer(6)])), map_task(sdk_tasks.remember))
    codes = [first.child(index).returncode for index in (0, 1)]
    assert (codes, first.outputs(0), first.outputs(1)) == (
        [0, 0],
        inputs(o0=text("nothing")),
        inputs(o0=text("nothing")),
    )
    again = replace(first, prev_checkpoint=str(tmp_path / "checkpoints"))
    assert again.child(1).returncode == 0
    assert again.outputs(1) == inputs(o0=text("seen 6"))


def test_a_second_attempt_of_a_job_goes_on_from_what_the_first_one_left(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=collection([integer(5), integer(6)])), map_task(sdk_tasks.remember))
    said = []
    for index, attempt in ((0, "1"), (0, "2"), (1, "2")):
        assert array.child(index, AWS_BATCH_JOB_ATTEMPT=attempt).returncode == 0
        said.append(array.outputs(index))
    assert said == [inputs(o0=text(one)) for one in ("nothing", "seen 5", "nothing")]


def test_a_task_called_inside_a_child_runs_in_that_child(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=collection([integer(4)])), map_task(sdk_tasks.nested))
    # As with `pyflyte run --remote --env FLYTE_AWSBATCH=local`: the switch reaches the cluster.
    done = array.child(0, FLYTE_AWSBATCH="local")
    assert (done.returncode, array.outputs(0)) == (0, inputs(o0=integer(16)))


def test_fast_registration_brings_the_code(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=collection([integer(3), integer(4)])), map_task(sdk_tasks.square), fast=True)
    (tmp_path / "code").mkdir()
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as archive:
        archive.add(HERE / "sdk_tasks.py", "sdk_tasks.py")
    done = array.child(1, PYTHONPATH=str(tmp_path / "nothing-here"))
    assert done.returncode == 0, done.stderr
    assert array.outputs(1) == inputs(o0=integer(16))


def test_a_single_task_writes_where_the_handler_reads_a_job_that_is_no_array(tmp_path: Path) -> None:
    array = Array(tmp_path, inputs(x=integer(6)), sdk_tasks.square)
    done = array.child(0)
    assert done.returncode == 0, done.stderr
    assert (array.written(), array.outputs(0)) == (["0/outputs.pb"], inputs(o0=integer(36)))


def test_a_dry_run_says_what_it_would_do(squares: Array) -> None:
    command = squares.command()
    separator = command.index("--")
    done = subprocess.run(
        [*command[:separator], "--test", "--max-concurrency", "3", *command[separator:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("Would run Child(inputs=")
    assert squares.written() == []


def test_files_of_a_remote_store_are_fetched_through_flytekit_and_a_missing_lookup_is_none() -> None:
    context = FlyteContextManager.current_context()
    lookup = LiteralCollection(literals=[integer(4)])
    with fsspec.open("memory://bucket/with/indexlookup.pb", "wb") as file:
        file.write(lookup.SerializeToString())
    assert read_index_lookup_file(context, "memory://bucket/with/inputs.pb") == lookup
    assert read_index_lookup_file(context, "memory://bucket/without/inputs.pb") is None


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_files_of_this_machine_are_read_where_they_are(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    whole = inputs(x=collection([integer(1)]))
    (folder / "inputs.pb").write_bytes(whole.SerializeToString())
    path = form.format(folder / "inputs.pb")
    assert read_inputs_file(FlyteContextManager.current_context(), path, set()) == whole
