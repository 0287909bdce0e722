"""A user's module, which tests copy into a folder of the user's: jobs find it in the archive that is uploaded."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from aws_helper import SIGN
from flytekit import task, workflow
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.structured import StructuredDataset

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

BATCH = AWSBatchConfig()


@dataclass
class Bundle:
    one: FlyteFile
    many: dict[str, list[FlyteFile]]
    note: str = ""


class Made(NamedTuple):
    file: FlyteFile
    folder: FlyteDirectory
    table: StructuredDataset
    bundle: Bundle


def made(who: str) -> Made:
    folder = Path(tempfile.mkdtemp())
    (folder / "d" / "deep").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "c.txt", "d/x.txt", "d/deep/y.txt"):
        (folder / name).write_text(f"{SIGN}{who} {name}")
    return Made(
        FlyteFile(str(folder / "a.txt")),
        FlyteDirectory(str(folder / "d")),
        StructuredDataset(dataframe=pd.DataFrame({"n": [1, 2, 3]})),
        Bundle(FlyteFile(str(folder / "b.txt")), {"k": [FlyteFile(str(folder / "c.txt"))]}, str(folder)),
    )


def read(file: FlyteFile, folder: FlyteDirectory, table: StructuredDataset, bundle: Bundle) -> list[str]:
    """The contents of everything; nothing of it is this machine's own."""
    for one in (file, bundle.one, *bundle.many["k"]):
        assert str(one.remote_source).startswith("s3://"), one
    inside = Path(folder.download())
    return [
        Path(file.download()).read_text(),
        *sorted(one.read_text() for one in inside.rglob("*.txt")),
        str(table.open(pd.DataFrame).all()["n"].tolist()),
        Path(bundle.one.download()).read_text(),
        Path(bundle.many["k"][0].download()).read_text(),
    ]


@task(task_config=BATCH)
def make(who: str) -> Made:
    return made(who)


@task
def between(file: FlyteFile, folder: FlyteDirectory, table: StructuredDataset, bundle: Bundle) -> Made:
    """Runs in the caller's process."""
    assert "AWS_BATCH_JOB_ID" not in os.environ
    return made("and ".join(read(file, folder, table, bundle)))


@task(task_config=BATCH)
def check(
    file: FlyteFile,
    folder: FlyteDirectory,
    table: StructuredDataset,
    bundle: Bundle,
    own: FlyteFile,
    mine: FlyteDirectory,
) -> list[str]:
    inside = sorted(one.name for one in Path(mine.download()).rglob("*") if one.is_file())
    return [*read(file, folder, table, bundle), Path(own.download()).read_text(), *inside]


@workflow
def types(own: FlyteFile, mine: FlyteDirectory) -> list[str]:
    first = make(who="job")
    second = between(file=first.file, folder=first.folder, table=first.table, bundle=first.bundle)
    return check(file=second.file, folder=second.folder, table=second.table, bundle=second.bundle, own=own, mine=mine)


@task(task_config=BATCH, cache=True, cache_version="1")
def noted(n: int) -> FlyteFile:
    print(f"child {n} says {SIGN}")
    path = Path(tempfile.mkdtemp(), f"{n}.txt")
    path.write_text(f"{SIGN}{n}")
    return FlyteFile(str(path))


@task
def texts(files: list[FlyteFile]) -> list[str]:
    return [Path(one.download()).read_text() for one in files]


@workflow
def notes(ns: list[int]) -> list[str]:
    return texts(files=map_task(noted)(n=ns))


@task(task_config=BATCH)
def sign(n: int) -> str:
    return f"{n} {SIGN}"


@task(task_config=BATCH)
def strict(text: str) -> str:
    if SIGN == "bad":
        raise ValueError(SIGN)
    return text


@workflow
def chain(n: int) -> str:
    return strict(text=sign(n=n))
