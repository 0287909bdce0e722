"""What a workflow's failure node is told of the node that failed."""

from __future__ import annotations

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
