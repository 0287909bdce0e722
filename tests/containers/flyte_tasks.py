"""Flyte tasks that run in containers of images which have this package and not this file."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from flytekit import task, workflow
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@task(task_config=AWSBatchConfig(), retries=1)
def sizes(words: list[str], file: FlyteFile) -> list[int]:
    return [len(word) for word in words] + [len(Path(file.download()).read_text())]


@task(task_config=AWSBatchConfig(), retries=1)
def doubled(file: FlyteFile) -> FlyteFile:
    made = Path.cwd() / "doubled"
    made.write_text(2 * Path(file.download()).read_text())
    return FlyteFile(str(made))


@task(task_config=AWSBatchConfig(), retries=1)
def square(x: int) -> int:
    return x * x


@task(task_config=AWSBatchConfig(), retries=1)
def write(xs: list[int]) -> FlyteDirectory:
    folder = Path.cwd() / "made"
    folder.mkdir()
    (folder / "sum").write_text(str(sum(xs)))
    return FlyteDirectory(str(folder))


@task
def read(folder: FlyteDirectory) -> str:
    return Path(folder.download(), "sum").read_text()


@workflow
def whole(words: list[str], file: FlyteFile) -> str:
    return read(folder=write(xs=map_task(square)(x=sizes(words=words, file=file))))


@task(task_config=AWSBatchConfig(), retries=1)
def where() -> list[str]:
    return [str(Path.cwd()), socket.gethostname(), str(os.environ.get("USER_SECRET")), Path(__file__).parent.name]


@task(task_config=AWSBatchConfig(), retries=1)
def fails(x: int = 0) -> int:
    if x == 0:
        raise ValueError("from inside the container")
    return x
