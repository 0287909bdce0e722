"""Tasks that return dicts."""

from flytekit import task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig

BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB111"])


@task(task_config=BATCH)
def numbered(keys: list[str]) -> dict[str, int]:
    return {key: number for number, key in enumerate(keys)}


@task(task_config=BATCH)
def nested(keys: list[str]) -> list[dict[str, dict[str, int]]]:
    return [{"inner": dict.fromkeys(keys, 1)}, {"inner": dict.fromkeys(keys[::-1], 2)}]


@task(task_config=BATCH, cache=True, cache_version="1")
def repeated(key: str) -> dict[str, int]:
    return {f"{key}2": 2, f"{key}1": 1}


@task
def same(given: dict[str, int]) -> dict[str, int]:
    return given


@task(task_config=BATCH)
def count(given: dict[str, int]) -> int:
    return len(given)


@workflow
def passed_on(keys: list[str]) -> dict[str, int]:
    return same(given=numbered(keys=keys))


@workflow
def used(keys: list[str]) -> int:
    return count(given=numbered(keys=keys))
