"""The catalogs of cached items, in a folder and in a storage, and how the handler uses them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from flyteidl.core import literals_pb2
from in_memory import MemoryCatalog
from propeller_builders import (
    MemoryBatch,
    Outcome,
    failed,
    integer,
    integers,
    literal_map,
    no_wait,
    request,
    services,
    single,
    succeeded,
    template,
)

from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.catalog import CatalogError, CatalogKey, DiskCatalog, StoredCatalog
from flytekitplugins.awsbatch.propeller.catalog_references import catalog_references
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_request import NodeRequest
from flytekitplugins.awsbatch.propeller.node.node_result import NodeResult
from flytekitplugins.awsbatch.propeller.storage import FsspecStore, StorageError

Make = Callable[..., StoredCatalog]


@pytest.fixture(params=["disk", "storage"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "disk":
        return lambda **options: DiskCatalog(tmp_path / "cache", **options)
    return lambda **options: StoredCatalog(FsspecStore(), f"memory:/{tmp_path}/cache", **options)


def key(number: int = 1, version: str = "1.0") -> CatalogKey:
    task = template()
    return CatalogKey(task.id, version, task.interface, literal_map(x=integer(number)))


OUTPUTS = literal_map(o0=integer(5))


def test_what_is_put_is_found_under_its_key_alone(make: Make) -> None:
    catalog = make()
    catalog.put(key(), OUTPUTS)
    assert make().get(key()) == OUTPUTS
    assert catalog.get(key(2)) is None
    assert catalog.get(key(version="2.0")) is None
    other = template()
    other.id.name = "other"
    assert catalog.get(replace(key(), task=other.id)) is None
    renamed = template().interface
    renamed.outputs.variables["o1"].CopyFrom(renamed.outputs.variables["o0"])
    assert catalog.get(replace(key(), interface=renamed)) is None


def test_the_version_of_the_code_does_not_count(make: Make) -> None:
    catalog = make()
    catalog.put(key(), OUTPUTS)
    later = template()
    later.id.version = "v2"
    assert catalog.get(replace(key(), task=later.id)) == OUTPUTS


def test_ignored_inputs_do_not_count(make: Make) -> None:
    catalog = make()
    both = literal_map(x=integer(1), now=integer(123))
    catalog.put(replace(key(), inputs=both, ignored_inputs=("now",)), OUTPUTS)
    assert catalog.get(key()) == OUTPUTS


def test_a_disabled_cache_neither_finds_nor_stores(make: Make) -> None:
    make().put(key(), OUTPUTS)
    disabled = make(enabled=False)
    disabled.put(key(2), OUTPUTS)
    assert disabled.get(key()) is None
    assert make().get(key()) == OUTPUTS
    assert make().get(key(2)) is None


def test_overwriting_misses_and_stores(make: Make) -> None:
    make().put(key(), OUTPUTS)
    overwriting = make(overwrite=True)
    assert overwriting.get(key()) is None
    overwriting.put(key(), literal_map(o0=integer(6)))
    assert make().get(key()) == literal_map(o0=integer(6))


def test_clear_forgets_everything(tmp_path: Path) -> None:
    catalog = DiskCatalog(tmp_path / "cache")
    catalog.clear()
    catalog.put(key(), OUTPUTS)
    catalog.clear()
    assert catalog.get(key()) is None


def test_a_blank_cache_version_is_an_error(make: Make) -> None:
    with pytest.raises(CatalogError, match="cache_version"):
        make().get(key(version="  "))


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    catalog = DiskCatalog(tmp_path / "file" / "cache")
    assert catalog.get(key()) is None
    with pytest.raises(CatalogError, match="cannot be written"):
        catalog.put(key(), OUTPUTS)


def test_a_damaged_cache_is_cleared(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    DiskCatalog(folder).put(key(), OUTPUTS)
    (entry,) = folder.iterdir()
    entry.write_bytes(b"not an entry" * 1000)
    with pytest.raises(CatalogError, match=r"cannot be read: .* not a flyteidl\.core\.LiteralMap"):
        DiskCatalog(folder).get(key())
    DiskCatalog(folder).clear()
    again = DiskCatalog(folder)
    again.put(key(), OUTPUTS)
    assert again.get(key()) == OUTPUTS


def test_clear_goes_on_beside_runs_that_use_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, unlink = DiskCatalog(tmp_path / "cache"), os.unlink
    catalog.put(key(), OUTPUTS)

    def beside_others(path: Any, **options: Any) -> None:
        unlink(path, **options)
        catalog.put(key(2), OUTPUTS)
        unlink(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", beside_others)
        catalog.clear()
    assert catalog.get(key()) is None
    assert catalog.get(key(2)) == OUTPUTS


def test_clear_empties_a_folder_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "of an older version").mkdir(parents=True)
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    catalog = DiskCatalog(tmp_path / "cache")
    catalog.put(key(), OUTPUTS)
    catalog.clear()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_entry_that_has_lost_its_contents_is_computed_again(tmp_path: Path) -> None:
    """As after a power cut. Outputs without one of the task's would fail its map for ever."""
    catalog = DiskCatalog(tmp_path)
    catalog.put(key(), OUTPUTS)
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(b"")
    assert catalog.get(key()) is None
    catalog.put(key(), OUTPUTS)
    assert catalog.get(key()) == OUTPUTS


def test_names_that_differ_only_in_case_are_different_entries(tmp_path: Path) -> None:
    """Also where a file system takes them for the same name, as macOS does."""
    catalog = DiskCatalog(tmp_path)
    for version in ("v1", "V1"):
        catalog.put(key(version=version), OUTPUTS)
    assert len({path.name.lower() for path in tmp_path.iterdir()}) == 2


def test_clearing_a_cache_that_was_never_used_makes_no_folder(tmp_path: Path) -> None:
    DiskCatalog(tmp_path / "cache").clear()
    assert not (tmp_path / "cache").exists()


# In a run.


def all_succeed(job: int, child: int | None) -> Outcome:
    return succeeded(literal_map(o0=integer(100 + (child or 0))))


def run(made: NodeRequest, given: HandlerServices) -> tuple[NodeResult, int]:
    """The result, and how many jobs were submitted."""
    result = NodeExecution(made, given).run(no_wait)
    assert isinstance(given.batch, MemoryBatch)
    return result, len(given.batch.submitted)


def second(made: NodeRequest) -> NodeRequest:
    return replace(made, execution=replace(made.execution, name="exec2"))


def test_failed_children_are_not_stored_and_their_siblings_are(make: Make) -> None:
    made = request(template(cached="1.0", retries=0), literal_map(x=integers([1, 2, 3])))
    first = services(lambda job, child: failed() if child == 1 else all_succeed(job, child), catalog=make())
    assert run(made, first)[0].phase is TaskPhase.PERMANENT_FAILURE
    again = services(all_succeed, catalog=make())
    run(second(made), again)
    assert isinstance(again.batch, MemoryBatch)
    # Only the one that had failed.
    assert "arrayProperties" not in again.batch.submitted[0]


def test_of_equal_items_the_first_is_kept(make: Make) -> None:
    catalog = make()
    made = request(template(cached="1"), literal_map(x=integers([7, 7, 8])))
    assert run(made, services(all_succeed, catalog=catalog))[1] == 1
    result, submitted = run(second(made), services(all_succeed, catalog=catalog))
    assert (result.outputs, submitted) == (literal_map(o0=integers([100, 100, 102])), 0)


def test_items_without_outputs_are_computed_each_time(make: Make) -> None:
    catalog = make()
    silent = template(cached="1")
    silent.interface.ClearField("outputs")
    made = request(silent, literal_map(x=integers([7, 8])))
    for _ in range(2):
        result, submitted = run(second(made), services(all_succeed, catalog=catalog))
        assert (result.phase, submitted) == (TaskPhase.SUCCESS, 1)


def test_equal_items_are_stored_after_the_first_one() -> None:
    """A storage stores several at the same time: equal ones would not see each other's entry."""
    stored = []

    class Recorded(MemoryCatalog):
        def put(self, key: CatalogKey, outputs: literals_pb2.LiteralMap) -> None:
            stored.append(outputs.literals["o0"])
            super().put(key, outputs)

    made = request(template(cached="1"), literal_map(x=integers([7, 7, 8, 7])))
    run(made, services(all_succeed, catalog=Recorded()))
    assert stored == [integer(number) for number in (100, 102, 101, 103)]


def test_a_lookup_that_fails_runs_everything(make: Make) -> None:
    class Broken(MemoryCatalog):
        def get(self, key: CatalogKey) -> literals_pb2.LiteralMap | None:
            raise CatalogError("unreachable")

    result, submitted = run(
        request(template(cached="1"), literal_map(x=integers([1, 2]))), services(all_succeed, catalog=Broken())
    )
    assert (result.phase, submitted) == (TaskPhase.SUCCESS, 1)


def test_a_put_that_fails_is_let_go() -> None:
    class Full(MemoryCatalog):
        puts = 0

        def put(self, key: CatalogKey, outputs: literals_pb2.LiteralMap) -> None:
            self.puts += 1
            raise CatalogError("full")

    catalog = Full()
    result, _ = run(
        request(template(cached="1"), literal_map(x=integers([1, 2]))), services(all_succeed, catalog=catalog)
    )
    assert result.phase is TaskPhase.SUCCESS
    # Flyte's writer tries three times.
    assert catalog.puts == 6


def test_inputs_that_the_task_ignores_make_the_lookup_miss() -> None:
    """Flyte's own: lookups hash all inputs, puts do not."""
    catalog = MemoryCatalog()
    made = request(template(cached="1", ignored=("y",)), literal_map(x=integers([1]), y=integer(7)))
    run(made, services(all_succeed, catalog=catalog))
    assert run(second(made), services(all_succeed, catalog=catalog))[1] == 1


def test_a_cached_single_task_fails_after_its_job_as_in_flyte() -> None:
    result, submitted = run(request(single(cached="1"), literal_map(x=integer(1))), services(all_succeed))
    assert (result.phase, submitted) == (TaskPhase.PERMANENT_FAILURE, 1)
    assert result.error is not None
    assert "CATALOG_READER_QUEUE_FAILED" in result.error.message
    assert "cache=False" in result.error.message


def blob(uri: str) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=literals_pb2.Blob(uri=uri)))


def listed(*items: literals_pb2.Literal) -> literals_pb2.Literal:
    return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))


def packed(value: object) -> literals_pb2.Literal:
    binary = literals_pb2.Binary(value=msgpack.dumps(value), tag="msgpack")
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=binary))


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        (blob("s3://b/file"), ["s3://b/file"]),
        (listed(blob("s3://b/1"), listed(blob("awsbatch://home/2"))), ["s3://b/1", "awsbatch://home/2"]),
        (
            literals_pb2.Literal(
                scalar=literals_pb2.Scalar(union=literals_pb2.Union(value=blob("s3://b/in a union"))),
            ),
            ["s3://b/in a union"],
        ),
        (
            literals_pb2.Literal(
                scalar=literals_pb2.Scalar(structured_dataset=literals_pb2.StructuredDataset(uri="s3://b/frame"))
            ),
            ["s3://b/frame"],
        ),
        (
            literals_pb2.Literal(offloaded_metadata=literals_pb2.LiteralOffloadedMetadata(uri="s3://b/offloaded.pb")),
            ["s3://b/offloaded.pb"],
        ),
        (
            packed({"n": 1, "file": {"path": "s3://b/deep"}, "all": [{"uri": "s3://b/frame"}]}),
            ["s3://b/deep", "s3://b/frame"],
        ),
        (packed({"note": "s3://b/text"}), []),
        (blob("https://example.org/data"), []),
        (blob("/tmp/here"), []),
        (integer(1), []),
    ],
    ids=["file", "lists", "union", "dataframe", "offloaded", "dataclass", "text", "web", "path", "number"],
)
def test_what_an_entry_refers_to_is_found_wherever_it_is_nested(
    literal: literals_pb2.Literal, expected: list[str]
) -> None:
    assert list(catalog_references(literal_map(o0=literal))) == expected


def test_an_entry_of_another_run_is_kept(make: Make) -> None:
    first, later = (make() for _ in range(2))
    first.put(key(), OUTPUTS)
    later.put(key(), literal_map(o0=integer(6)))
    assert later.get(key()) == OUTPUTS


def test_an_entry_whose_file_has_gone_is_a_miss(make: Make) -> None:
    there = {"s3://b/a", "s3://b/b"}
    catalog = make(exists=there.__contains__)
    outputs = literal_map(o0=listed(blob("s3://b/a"), blob("s3://b/b")))
    catalog.put(key(), outputs)
    assert catalog.get(key()) == outputs
    there.remove("s3://b/b")
    assert catalog.get(key()) is None
    again = literal_map(o0=listed(blob("s3://b/a")))
    catalog.put(key(), again)
    assert catalog.get(key()) == again


def test_files_that_cannot_be_looked_for_fail_the_lookup(make: Make) -> None:
    def exists(url: str) -> bool:
        raise StorageError(url, "Forbidden")

    catalog = make(exists=exists)
    catalog.put(key(), literal_map(o0=blob("s3://b/a")))
    with pytest.raises(CatalogError, match="s3://b/a: Forbidden"):
        catalog.get(key())
