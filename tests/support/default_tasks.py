"""Tasks with defaults of kinds that flytekit converts; children import this module."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from flytekit import HashMethod, task, workflow
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import AWSBatchConfig

BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB111"])


@task(task_config=BATCH)
def first_word(file: FlyteFile = __file__, times: int = 2) -> str:  # type: ignore[assignment]
    """A text stands for a file, as flytekit takes it."""
    return " ".join([Path(file.download()).read_text().split()[0]] * times)


@workflow
def first_word_twice() -> str:
    return first_word()


@task(task_config=BATCH)
def of_optional(n: int | None) -> str:
    return f"{n}"


@task(task_config=BATCH)
def of_hashed(x: Annotated[str, HashMethod(str.upper)] = "left out") -> str:
    return x


@workflow
def of_hashed_in_a_workflow() -> str:
    return of_hashed()


@task(task_config=BATCH)
def of_wrong_default(x: float = 1, n: int = None) -> str:  # type: ignore[assignment]  # noqa: RUF013
    return f"{x!r} {n}"


@task(task_config=BATCH)
def of_mutable_default(x: dict = {"a": (1, 2)}) -> str:  # type: ignore[type-arg]  # noqa: B006
    return f"{x}"
