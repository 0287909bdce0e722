"""Tasks that `lint` speaks up about, with the code switched off, beside what it says to write instead; children import
this module."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from compat_remedies import StockMap
from flytekit import Deck, Resources, Secret, TaskMetadata, current_context, task, workflow
from flytekit.configuration import SerializationSettings
from flytekit.core.python_function_task import PythonFunctionTask

from flytekitplugins.awsbatch import AWSBatchConfig, map_task
from flytekitplugins.awsbatch.sdk.emulated_calls import EmulatedCalls

ALWAYS_FINE = ["AB104", "AB105", "AB111"]


class StockSingle(EmulatedCalls, PythonFunctionTask[Any]):
    """What the published plugin makes of a function: flytekit's own task, with the type and the output prefix that the
    handler wants."""

    def __init__(self, function: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(None, function, task_type="aws-batch", **kwargs)

    def get_default_command(self, settings: SerializationSettings) -> list[str]:
        words = super().get_default_command(settings)
        return [f"{word}/0" if word == "{{.outputPrefix}}" else word for word in words]


class StockPod(StockSingle):
    """As a task with a pod template is sent: without a container."""

    def get_container(self, settings: SerializationSettings) -> None:
        return None


def batch(*codes: str, **fields: Any) -> AWSBatchConfig:
    return AWSBatchConfig(lint_ignore=[*ALWAYS_FINE, *codes], **fields)


def stock(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    return lambda function: StockSingle(function, **options)


@task(task_config=batch())
def plus_one(n: int) -> int:
    return n + 1


def told(*codes: str, config: dict[str, Any] | None = None, **options: Any) -> Any:
    """`plus_one` with other options; a child finds `plus_one` itself."""
    return task(task_config=batch(*codes, **(config or {})), **options)(plus_one.task_function)


@task(task_config=batch("AB001"), cache=True, cache_version="1")
def cached(n: int) -> int:
    return n + 1


@task(task_config=batch("AB101"), cache=True, cache_version="1", cache_ignore_input_vars=("seed",))
def ignoring(n: int, seed: int) -> int:
    return n + 1


@task(task_config=batch())
def not_ignoring(n: int, seed: int) -> int:
    return n + 1


@task(task_config=batch(), retries=0)
def fails_at_first(n: int) -> str:
    attempt = os.environ["AWS_BATCH_JOB_ATTEMPT"]
    if attempt == "1":
        raise RuntimeError("not yet")
    return f"attempt {attempt}"


@task(task_config=batch("AB103"), secret_requests=[Secret(group="told", key="token")])
def with_secret(n: int) -> str:
    return str(current_context().secrets.get("told", "token"))


@task(task_config=batch("AB110"), environment={"BATCH_JOB_ARRAY_INDEX_OFFSET": "1"})
def with_offset(n: int) -> int:
    return n


@task(task_config=batch("AB102", "AB112"), limits=Resources(cpu="1", mem="1Gi", gpu="1"))
def with_gpu(n: int) -> int:
    return n


@task(task_config=batch())
def with_list(n: int, factors: list[int]) -> int:
    return n * sum(factors)


@dataclass
class Factors:
    values: list[int]


@task(task_config=batch())
def with_list_inside(n: int, factors: Factors) -> int:
    return n * sum(factors.values)


def show(n: int) -> int:
    Deck("notes", f"looked at {n}")
    return n


def go_on() -> str:
    checkpoint = current_context().checkpoint
    before = checkpoint.read()
    checkpoint.write(b"half way")
    if os.environ["AWS_BATCH_JOB_ATTEMPT"] == "1":
        raise RuntimeError("lost the machine")
    return (before or b"nothing").decode()


@stock(enable_deck=True)
def stock_show(n: int) -> int:
    return show(n)


@task(task_config=batch(), enable_deck=True)
def our_show(n: int) -> int:
    return show(n)


@stock()
def stock_go_on(n: int) -> str:
    return go_on()


@task(task_config=batch())
def our_go_on(n: int) -> str:
    return go_on()


@StockPod
def stock_pod(n: int) -> int:
    return n


@stock(execution_mode=PythonFunctionTask.ExecutionBehavior.DYNAMIC)
def stock_dynamic(n: int) -> int:
    return within_all_limits(n=n)


# AWS Batch accepts it, and fails the job without an attempt.
TOO_LONG = told("AB010", environment={"LONG": "x" * 8192})

# Each is refused by AWS Batch, over and over, until propeller gives up: by code, with AWS's words.
REFUSED: dict[str, tuple[Any, str]] = {
    "AB006": (told("AB006", retries=10), "retryStrategy.attempts is 11"),
    "AB007": (told("AB007", timeout=59), "timeout.attemptDurationSeconds is 59"),
    "AB008": (told("AB008", environment={"AWS_BATCH_COLOUR": "red"}), "AWS_BATCH_COLOUR"),
    "AB009": (told("AB009", container_image="https://example.com/app:v1"), "jobDefinitionName '' is invalid"),
    "AB010": (
        told("AB010", config={"parameters": {"long": "x" * 31_000}}),
        "the request has more than 30720 bytes",
    ),
    "AB107": (told("AB107", config={"platformCapabilities": "FARGATE"}), "executionRoleArn"),
}


@task(
    task_config=batch(parameters={"long": "x" * 3000}, tags={f"t{n}": "v" * 200 for n in range(20)}),
    retries=9,
    timeout=60,
    environment={"COLOUR": "red", "LONG": "x" * 4096},
    container_image="example.com/app:v1",
    limits=Resources(cpu="1", mem="500M"),
)
def within_all_limits(n: int) -> int:
    return n + 1


@workflow
def overridden_map(ns: list[int]) -> list[int]:
    return map_task(plus_one)(n=ns).with_overrides(
        retries=3, timeout=300, container_image="example.com/other:v1", cache=True, cache_version="1"
    )


@workflow
def remedies(ns: list[int]) -> tuple[int, list[int], list[int], list[int]]:
    """What lint says to write, in one execution."""
    bound = map_task(partial(with_list_inside, factors=Factors([1, 2])))(n=ns)
    patient = map_task(plus_one, metadata=TaskMetadata(retries=3))(n=ns)
    return within_all_limits(n=1), map_task(within_all_limits)(n=ns), bound, patient


# flytekit refuses a list in a functools.partial, but takes one where it says only the name.
stock_bound = StockMap(with_list, bound_inputs={"factors"})
