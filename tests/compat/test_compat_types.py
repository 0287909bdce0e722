"""Every type of value goes into jobs and comes out of them as it does in plain flytekit, one by one and mapped."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import compat_types as types
import pytest
from compat_run import a_file, compared, emulated, plainly, seen
from flytekit import StructuredDataset, TaskMetadata, Workflow
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.testing import Emulation
from flytekitplugins.awsbatch.wire import awsbatch_url

NOON = datetime(2024, 2, 29, 12, 30, 15, 250, tzinfo=timezone.utc)
VALUES: list[tuple[Any, list[Any]]] = [
    (types.integer, [-(2**53), 3]),
    (types.floating, [1.0, 1e300]),
    (types.text, ["", "naïve\n\0 text"]),
    (types.boolean, [True, False]),
    (types.moment, [NOON, NOON + timedelta(microseconds=1)]),
    (types.span, [timedelta(days=3, microseconds=7), timedelta()]),
    (types.optional, [None, 1, 2]),
    (types.either, [3, "three"]),
    (types.colour, [types.Colour.RED, types.Colour.BLUE]),
    (types.record, [types.Outer("a", types.Inner({"x": 0.5}), []), types.Outer("b", types.Inner(), ["t"], 3)]),
    (types.numbers, [[], [1, 2]]),
    (types.mapping, [{"a": 1}, {}]),
    (types.grid, [[[1, 2], []], [[3]]]),
    (types.opaque, [types.Opaque(1), types.Opaque(2)]),
]


def all_of_them(tasks: list[Any]) -> Workflow:
    """A workflow that calls each task on one value and maps it over several: one execution, so one warm interpreter."""
    made = Workflow(name=f"{__name__}.{'_'.join(name(task) for task in tasks)}")
    for task in tasks:
        kind = task.python_interface.inputs["x"]
        single = made.add_entity(task, x=made.add_workflow_input(name(task), kind))
        mapped = made.add_entity(map_task(task), x=made.add_workflow_input(f"{name(task)}_list", list[kind]))
        made.add_workflow_output(f"{name(task)}_out", single.outputs["o0"])
        made.add_workflow_output(f"{name(task)}_list_out", mapped.outputs["o0"])
    return made


def twice_consumed(tasks: list[Any], cached: bool) -> Workflow:
    """A workflow that maps each task over a list, and twice over what comes out of that."""
    suffix = "_cached" if cached else ""
    made = Workflow(name=f"{__name__}.consumed_{'_'.join(name(task) for task in tasks)}{suffix}")
    for task in tasks:
        kind = task.python_interface.inputs["x"]
        given = made.add_workflow_input(name(task), list[kind])
        metadata = TaskMetadata(cache=True, cache_version="1") if cached else TaskMetadata()
        first = made.add_entity(map_task(task, metadata=metadata), x=given)
        for number in range(2):
            consumer = made.add_entity(map_task(task), x=first.outputs["o0"])
            made.add_workflow_output(f"{name(task)}_{number}", consumer.outputs["o0"])
    return made


def consume(batch: Emulation, marks: Path, values: list[tuple[Any, list[Any]]], is_cached: bool = True) -> None:
    """Two consumers, whose every first attempt fails; then the same once more, what they consume from the cache."""
    tasks, given = [task for task, _ in values], {name(task): items for task, items in values}
    expected = seen(plainly(lambda: twice_consumed(tasks, cached=False)(**given)))
    flow = twice_consumed(tasks, cached=True)
    sizes = [len(items) for _, items in values]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(types.FAIL_FIRST, str(marks))
        first, requests = emulated(batch, lambda: flow(**given))
        assert seen(first) == expected
        assert sizes_of(requests) == Counter(3 * sizes)
    assert len(list(marks.iterdir())) == 3 * sum(sizes)
    second, requests = emulated(batch, lambda: flow(**given))
    assert seen(second) == expected
    # Items that are lists are stored where they are not looked for, as on a cluster.
    found = [len(items) for task, items in values if is_cached and not returns_list(task)]
    assert sizes_of(requests) == Counter(3 * sizes) - Counter(found)


def returns_list(task: Any) -> bool:
    return any(one.type.collection_type is not None for one in task.interface.outputs.values())


def sizes_of(requests: list[dict[str, Any]]) -> Counter[int]:
    return Counter(request.get("arrayProperties", {"size": 1})["size"] for request in requests)


def name(task: Any) -> str:
    return str(task.name.rpartition(".")[2])


def compare(batch: Emulation, values: list[tuple[Any, list[Any]]]) -> Any:
    flow = all_of_them([task for task, _ in values])
    given = {
        f"{name(task)}{suffix}": one for task, items in values for suffix, one in (("", items[0]), ("_list", items))
    }
    return compared(batch, lambda: flow(**given), jobs=[size for _, items in values for size in (1, len(items))])


def test_values(batch: Emulation) -> None:
    compare(batch, VALUES)


def test_files_and_folders(batch: Emulation, tmp_path: Path) -> None:
    files = [FlyteFile(str(a_file(tmp_path, f"in{n}.txt", f"text {n} "))) for n in range(2)]
    folders = [FlyteDirectory(str(a_file(tmp_path / f"in{n}", "a.txt", f"inside {n}").parent)) for n in range(2)]
    made = compare(batch, [(types.file, files), (types.folder, folders)])
    stored = awsbatch_url(str(batch.home / "runs")) + "/"
    assert made.file_out.remote_source.startswith(stored)
    assert all(one.remote_source.startswith(stored) for one in made.folder_list_out)


@pytest.mark.processes_only("two hundred containers say no more than those of the other tests")
@pytest.mark.parametrize("part", range(4))
def test_values_are_the_same_for_every_consumer_attempt_and_run(batch: Emulation, tmp_path: Path, part: int) -> None:
    # In parts, each of which keeps a test's time limit on a busy machine.
    consume(batch, tmp_path, VALUES[part::4])


def test_files_and_folders_are_the_same_for_every_consumer_attempt_and_run(batch: Emulation, tmp_path: Path) -> None:
    files = [FlyteFile(str(a_file(tmp_path, f"in{n}.txt", f"text {n} "))) for n in range(2)]
    folders = [FlyteDirectory(str(a_file(tmp_path / f"in{n}", "a.txt", f"inside {n}").parent)) for n in range(2)]
    (tmp_path / "marks").mkdir()
    consume(batch, tmp_path / "marks", [(types.file, files), (types.folder, folders)])
    assert [Path(one.path).read_text() for one in files] == ["text 0 ", "text 1 "]


def test_no_inputs_no_outputs_several_outputs_named_outputs(batch: Emulation) -> None:
    result = compared(batch, lambda: types.shapes(a=11), jobs=[1, 1, 2, 1, 1])
    assert tuple(result) == ("made of nothing", 2, 3, "x", 11, ["x"] * 11)
    compared(batch, lambda: types.none_in(x=None), jobs=[1])
    division, _ = emulated(batch, lambda: types.named(a=11))
    assert (type(division).__name__, division.quotient, division.rest) == ("Division", 2, 3)


def test_shapes_are_the_same_for_every_consumer_attempt_and_run(batch: Emulation, tmp_path: Path) -> None:
    expected = seen(plainly(lambda: types.shapes_twice(a=11)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(types.FAIL_FIRST, str(tmp_path))
        first, requests = emulated(batch, lambda: types.shapes_twice(a=11))
    assert seen(first) == expected
    sizes = Counter({1: 7, 2: 4})
    assert sizes_of(requests) == sizes
    assert len(list(tmp_path.iterdir())) == sum(size * number for size, number in sizes.items())
    second, requests = emulated(batch, lambda: types.shapes_twice(a=11))
    assert seen(second) == expected
    # Single jobs cannot be cached (AB001).
    assert sizes_of(requests) == Counter({1: 7, 2: 3})


def tables_and_models() -> tuple[Any, list[tuple[Any, list[Any]]]]:
    pytest.importorskip("pyarrow")
    pytest.importorskip("pydantic")
    pd = pytest.importorskip("pandas")
    tables = pytest.importorskip("compat_tables")
    frames = [pd.DataFrame({"n": [1, 2], "s": ["a", "z"]}), pd.DataFrame({"n": [3], "s": ["b"]})]
    sets = [StructuredDataset(dataframe=frame) for frame in frames]
    schemas = [tables.as_schema(frame) for frame in frames]
    models = [tables.Model(name="a", sizes=[3, 1]), tables.Model(name="b", sizes=[])]
    return tables, [(tables.frame, frames), (tables.dataset, sets), (tables.schema, schemas), (tables.model, models)]


def test_tables_and_models(batch: Emulation) -> None:
    tables, values = tables_and_models()
    made = compare(batch, values)
    assert made.model_list_out == [tables.Model(name="A", sizes=[1, 3]), tables.Model(name="B", sizes=[])]


@pytest.mark.parametrize("kind", ["frame", "dataset", "schema", "model"])
def test_tables_and_models_are_the_same_for_every_consumer_attempt_and_run(
    batch: Emulation, tmp_path: Path, kind: str
) -> None:
    _, values = tables_and_models()
    # Of a bare frame flytekit makes another file for each call, which is another key of the cache.
    consume(batch, tmp_path, [one for one in values if name(one[0]) == kind], is_cached=kind != "frame")
