"""Workflows that a real FlyteAdmin and FlytePropeller 1.16.8 ran; `data/real_jobs.json` has the jobs they submitted."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial

from flytekit import Resources, conditional, current_context, task, workflow
from flytekit.exceptions.user import FlyteRecoverableException

from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@task(task_config=AWSBatchConfig(tags={"team": "a"}, propagateTags=True), retries=1)
def square(x: int) -> int:
    return x * x


@task(task_config=AWSBatchConfig(), retries=1)
def add(x: int, y: int) -> int:
    return x + y


@task
def plain(x: int) -> int:
    return x + 1


@task(
    task_config=AWSBatchConfig(lint_ignore=["AB112"]),
    retries=1,
    environment={"MINE": "1"},
    limits=Resources(cpu="1", mem="300Mi"),
)
def env(x: int) -> dict[str, str]:
    return dict(os.environ)


@task(
    task_config=AWSBatchConfig(schedulingPriority=5, tags={"k": "v"}, extra={"shareIdentifier": "a"}),
    retries=3,
)
def custom(x: int) -> int:
    return x


@task(task_config=AWSBatchConfig(), retries=1, timeout=timedelta(seconds=60))
def slow(x: int) -> int:
    return x


@task(task_config=AWSBatchConfig(), retries=2)
def checkpointed(x: int) -> str:
    checkpoint = current_context().checkpoint
    assert checkpoint is not None
    before = checkpoint.read()
    if before is None:
        checkpoint.write(f"saved {x}".encode())
        raise FlyteRecoverableException("again")
    return before.decode()


@workflow
def wf_map(xs: list[int]) -> list[int]:
    return map_task(square)(x=xs)


@workflow
def wf_single(x: int) -> int:
    return square(x=x)


@workflow
def wf_partial(xs: list[int], y: int) -> list[int]:
    return map_task(partial(add, y=y))(x=xs)


@workflow
def wf_mixed(xs: list[int]) -> list[int]:
    a = plain(x=3)
    return map_task(partial(add, y=square(x=a)))(x=xs)


@workflow
def wf_env(xs: list[int]) -> list[dict[str, str]]:
    return map_task(env)(x=xs)


@workflow
def wf_override(xs: list[int]) -> list[int]:
    limits, requests = Resources(cpu="2", mem="400Mi"), Resources(cpu="1", mem="300Mi")
    return map_task(square)(x=xs).with_overrides(limits=limits, requests=requests)


@workflow
def wf_override_single(x: int) -> int:
    return square(x=x).with_overrides(limits=Resources(cpu="2", mem="400Mi"), node_name="my-node")


@workflow
def wf_custom(xs: list[int]) -> list[int]:
    return map_task(custom)(x=xs)


@workflow
def wf_custom_single(x: int) -> int:
    return custom(x=x)


@workflow
def wf_timeout(xs: list[int]) -> list[int]:
    return map_task(slow)(x=xs)


@workflow
def wf_timeout_single(x: int) -> int:
    return slow(x=x)


@workflow
def wf_checkpoint(xs: list[int]) -> list[str]:
    return map_task(checkpointed)(x=xs)


@workflow
def wf_sub(xs: list[int]) -> list[int]:
    return wf_map(xs=wf_map(xs=xs))


@workflow
def wf_conditional(x: int) -> int:
    return conditional("c").if_(x > 3).then(square(x=x)).else_().then(add(x=x, y=100))
