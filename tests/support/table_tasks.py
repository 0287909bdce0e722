"""Tasks over dataframes, partitioned ones, schemas and pickles; children import this module."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
import pyarrow as pa
from flytekit import StructuredDataset, kwtypes, task, workflow
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.schema import FlyteSchema
from pydantic import BaseModel

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB111"])
Table = Annotated[StructuredDataset, kwtypes(n=int)]


class Opaque:
    """A type that flytekit pickles."""

    def __init__(self, n: int) -> None:
        self.n = n


@dataclass
class Holder:
    table: StructuredDataset


class Model(BaseModel):
    one: FlyteFile
    many: list[FlyteFile]
    folder: FlyteDirectory
    note: str = ""


@task(task_config=BATCH)
def make_table(n: int) -> Table:
    return StructuredDataset(dataframe=pd.DataFrame({"n": [n, n + 1]}))


@task(task_config=BATCH)
def make_holder(n: int) -> Holder:
    return Holder(StructuredDataset(dataframe=pd.DataFrame({"n": [n]}), file_format="parquet"))


@task(task_config=BATCH)
def make_schema(n: int) -> FlyteSchema[kwtypes(n=int)]:  # type: ignore[misc]
    schema = FlyteSchema[kwtypes(n=int)]()
    schema.open().write(pd.DataFrame({"n": [n]}))
    return schema


@task(task_config=BATCH)
def make_opaque(n: int) -> Opaque:
    return Opaque(n)


@task(task_config=BATCH)
def read_table(x: Table) -> list[int]:
    return [int(one) for one in x.open(pd.DataFrame).all()["n"]]


@task(task_config=BATCH)
def read_holder(x: Holder) -> list[int]:
    return [int(one) for one in x.table.open(pd.DataFrame).all()["n"]]


@task(task_config=BATCH)
def spoil_schema(x: FlyteSchema[kwtypes(n=int)]) -> list[int]:  # type: ignore[misc]
    found = [int(one) for one in x.open().all()["n"]]
    shutil.rmtree(x.local_path)
    return found


@task(task_config=BATCH)
def read_opaque(x: Opaque) -> int:
    return x.n


@task(task_config=BATCH)
def make_partitioned(n: int) -> FlyteDirectory:
    folder = tempfile.mkdtemp()
    pd.DataFrame({"n": [n, n + 1], "part": ["a", "b"]}).to_parquet(folder, partition_cols=["part"])
    return FlyteDirectory(folder)


@task(task_config=BATCH)
def read_partitioned(x: FlyteDirectory) -> list[str]:
    folder = x.download()
    found = pd.read_parquet(folder)
    shutil.rmtree(folder)
    return [f"{part}={n}" for part, n in zip(found["part"], found["n"], strict=True)]


@task(task_config=BATCH)
def read_uri(x: StructuredDataset) -> list[int]:
    """A partitioned table, as the user's own folder is given."""
    return sorted(int(one) for one in x.open(pd.DataFrame).all()["n"])


@task(task_config=BATCH)
def spoil_model(x: Model) -> list[str]:
    found = []
    for one in (x.one, *x.many):
        path = Path(one.download())
        found.append(path.read_text())
        path.unlink()
    folder = Path(x.folder.download())
    found += [path.read_text() for path in sorted(folder.iterdir())]
    shutil.rmtree(folder)
    return [*found, x.note]


@workflow
def twice(n: int) -> tuple[list[int], list[int], list[int], list[int], list[int], list[int], int, int]:
    table, schema, opaque, holder = make_table(n=n), make_schema(n=n), make_opaque(n=n), make_holder(n=n)
    first, second = spoil_schema(x=schema), spoil_schema(x=schema)
    first >> second
    return (
        *(read_table(x=table), read_table(x=table), first, second, read_holder(x=holder), read_holder(x=holder)),
        *(read_opaque(x=opaque), read_opaque(x=opaque)),
    )


@workflow
def mapped(ns: list[int]) -> tuple[list[list[int]], list[list[str]]]:
    return map_task(read_table)(x=map_task(make_table)(n=ns)), map_task(read_partitioned)(
        x=map_task(make_partitioned)(n=ns)
    )


@task(task_config=BATCH)
def rows_of_arrow(x: pa.Table) -> int:
    return int(x.num_rows)
