"""A task and a map task on AWS Batch, as short as they get."""

from flytekit import task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@task(task_config=AWSBatchConfig(), retries=1)
def greet(name: str) -> str:
    return f"Hello, {name}!"


@task(task_config=AWSBatchConfig(), retries=1)
def join(greetings: list[str]) -> str:
    return " ".join(greetings)


@workflow
def hello(names: list[str] = ["Ada", "Grace"]) -> str:  # noqa: B006 - a workflow's default becomes part of its interface
    return join(greetings=map_task(greet)(name=names))
