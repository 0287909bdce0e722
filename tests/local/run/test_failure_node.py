"""What a workflow's failure node is told of the node that failed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from flytekit import task, workflow
from flytekit.types.error import FlyteError

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

told: list[str] = []


@task(task_config=AWSBatchConfig())
def odd(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


@task
def clean_up(xs: list[int], err: FlyteError | None = None) -> None:
    assert err is not None
    told.append(err.message)


@task(task_config=AWSBatchConfig(), retries=1)
def clean_up_in_a_job(folder: str, err: FlyteError | None = None) -> None:
    assert err is not None
    Path(folder, os.environ["AWS_BATCH_JOB_ID"]).write_text(err.message)


@task(task_config=AWSBatchConfig(), retries=1)
def breaks(folder: str) -> int:
    if folder:
        raise ValueError("it never works")
    return 1


@workflow(on_failure=clean_up_in_a_job)
def failing_with_a_job(folder: str) -> int:
    return breaks(folder=folder)


@workflow(on_failure=clean_up)
def failing(xs: list[int]) -> list[int]:
    return map_task(odd)(x=xs)


def test_it_is_told_the_error_in_propellers_words(awsbatch: Any) -> None:
    with pytest.raises(Exception, match="ValueError") as caught:
        failing(xs=[1])
    (message,) = told
    assert message.startswith("[1/1] currentAttempt done. Last Error: UNKNOWN::[0]: ")
    assert "ValueError" in message
    # The person before the terminal is told what to do next.
    assert "rerun" in str(caught.value)


def test_it_is_told_the_error_when_it_is_a_job_itself(awsbatch: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="it never works"):
        failing_with_a_job(folder=str(tmp_path))
    (mark,) = tmp_path.iterdir()
    assert mark.name in {job["jobId"] for job in awsbatch.jobs}
    assert mark.read_text().startswith("[2/2] currentAttempt done. Last Error: ")
