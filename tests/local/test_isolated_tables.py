"""Dataframes, schemas, pickles and models reach a job as files do: as copies of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flytekit import StructuredDataset
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import TaskFailedError, emulation
from flytekitplugins.awsbatch.testing import Emulation

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
pytest.importorskip("pydantic")
tasks: Any = pytest.importorskip("table_tasks")


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with emulation(tmp_path_factory.mktemp("home"), quiet=True) as opened:
        yield opened


def test_a_second_consumer_reads_the_same_values(batch: Emulation) -> None:
    assert tuple(tasks.twice(n=3)) == ([3, 4], [3, 4], [3], [3], [3], [3], 3, 3)
    assert tuple(tasks.mapped(ns=[1, 5])) == ([[1, 2], [5, 6]], [["a=1", "b=2"], ["a=5", "b=6"]])


def test_a_dataframe_and_a_partitioned_table_of_the_callers_are_uploaded(batch: Emulation, tmp_path: Path) -> None:
    assert tasks.read_table(x=StructuredDataset(dataframe=pd.DataFrame({"n": [7]}))) == [7]
    pd.DataFrame({"n": [2, 1], "part": ["a", "b"]}).to_parquet(tmp_path, partition_cols=["part"])
    before = sorted(tmp_path.rglob("*"))
    assert tasks.read_uri(x=StructuredDataset(uri=str(tmp_path), file_format="parquet")) == [1, 2]
    assert sorted(tmp_path.rglob("*")) == before


def test_the_files_in_a_model_of_the_callers_stay(batch: Emulation, tmp_path: Path) -> None:
    def a_file(name: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        return str(path)

    one, many, folder = a_file("one"), [a_file("m0"), a_file("m1")], Path(a_file("folder/x")).parent
    given = tasks.Model(
        one=FlyteFile(one), many=[FlyteFile(each) for each in many], folder=FlyteDirectory(str(folder)), note=one
    )
    before = sorted(tmp_path.rglob("*"))
    assert tasks.spoil_model(x=given) == ["one", "m0", "m1", "folder/x", one]
    assert sorted(tmp_path.rglob("*")) == before


def test_an_arrow_table_cannot_be_read_as_on_a_cluster(batch: Emulation) -> None:
    """flytekit drops the scheme of its URL, and looks for a file here."""
    with pytest.raises(TaskFailedError, match=r"Error converting input .x."):
        tasks.rows_of_arrow(x=pytest.importorskip("pyarrow").table({"n": [7]}))
