"""Workflows whose calls are overridden, in every place that a call can be; children import this module."""

from __future__ import annotations

import asyncio

from flytekit import Resources, conditional, dynamic, eager, task, workflow
from flytekit.exceptions.eager import EagerException

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB111"])


@task(task_config=BATCH, limits=Resources(cpu="1", mem="500M"))
def step(n: int) -> int:
    return n + 1


@workflow
def part(n: int) -> int:
    return step(n=n).with_overrides(limits=Resources(cpu="3"))


@workflow
def overridden(n: int) -> list[int]:
    first = step(n=n)
    second = step(n=first).with_overrides(
        node_name="wide", requests=Resources(cpu="2", mem="600M"), limits=Resources(cpu="2", mem="600M")
    )
    third = part(n=second)
    return map_task(step)(n=[third, 1]).with_overrides(limits=Resources(mem="700M"))


@workflow
def dropped(n: int) -> list[int]:
    return map_task(step)(n=[n]).with_overrides(retries=3, container_image="registry.example/other:v1")


@dynamic
def unseen(n: int) -> int:
    return step(n=n).with_overrides(limits=Resources(cpu="4"))


@workflow
def elsewhere(n: int) -> int:
    branch = conditional("b").if_(n > 0).then(step(n=n).with_overrides(limits=Resources(cpu="4"))).else_().fail("no")
    return unseen(n=branch)


@eager
async def eagerly(n: int) -> int:
    return step(n=n) + step(n=n)


@task(task_config=BATCH)
def refuse(n: int) -> int:
    if n:
        raise ValueError("no")
    return n


@workflow
def refused(n: int) -> int:
    return refuse(n=n)


@eager
async def eagerly_caught(n: int) -> int:
    """How often it caught what a cluster raises: from a task, from a workflow, and from a task on another thread."""
    caught = 0
    for call in (refuse, refused):
        try:
            call(n=n)
        except EagerException:
            caught += 1
    try:
        await asyncio.to_thread(refuse, n=n)
    except EagerException:
        caught += 1
    return caught


@workflow
def several_branches(n: int) -> list[int]:
    first = (
        conditional("outer")
        .if_(n > 10)
        .then(step(n=n))
        .elif_(n > 3)
        .then(
            conditional("inner")
            .if_(n > 5)
            .then(step(n=n).with_overrides(limits=Resources(cpu="2")))
            .else_()
            .then(step(n=n).with_overrides(node_name="small"))
        )
        .else_()
        .then(step(n=n).with_overrides(limits=Resources(cpu="3")))
    )
    return conditional("maps").if_(n > 10).then(map_task(step)(n=[1])).else_().then(map_task(step)(n=[first, 2]))


@workflow
def given_to_a_branch(n: int) -> int:
    before = step(n=n).with_overrides(limits=Resources(cpu="2"))
    return (
        conditional("later").if_(n > 10).then(before).else_().then(step(n=n).with_overrides(limits=Resources(cpu="3")))
    )
