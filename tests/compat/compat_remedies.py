"""Tasks for what real Flyte does badly, and flytekit's legacy map task as it is; children import this module."""

from __future__ import annotations

import os
import time
from typing import Any

from flytekit import current_context, task
from flytekit.configuration import SerializationSettings
from flytekit.core.legacy_map_task import MapPythonTask

from flytekitplugins.awsbatch import AWSBatchConfig
from flytekitplugins.awsbatch.sdk.emulated_calls import EmulatedCalls

IGNORED = ["AB104", "AB111"]
BATCH = AWSBatchConfig(lint_ignore=IGNORED)


class StockMap(EmulatedCalls, MapPythonTask):
    """flytekit's legacy map task, with its own command and resolver, sent through the emulation.

    Its command has an empty word where nothing is bound, which AWS Batch refuses: a comma stands there unless `as_is`.

    :param custom: what it writes for the handler, where the test wants something else than flytekit's.
    """

    def __init__(self, mapped: Any, custom: dict[str, Any] | None = None, as_is: bool = False, **kwargs: Any) -> None:
        super().__init__(mapped, **kwargs)
        self._custom = custom
        self._as_is = as_is

    def get_command(self, settings: SerializationSettings) -> list[str]:
        return [word or ("" if self._as_is else ",") for word in super().get_command(settings)]

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        if self._custom is not None:
            return self._custom
        return {"parallelism": "0", "minSuccessRatio": 1.0}


@task(task_config=BATCH, cache=True, cache_version="1")
def square(n: int) -> int:
    return n * n


@task(task_config=BATCH)
def only_even_thousands(n: int) -> int:
    if n % 1000:
        raise ValueError(f"not {n}")
    return n


@task(task_config=BATCH)
def fails(n: int) -> int:
    if n >= 0:
        raise ValueError("never")
    return n


@task(task_config=BATCH)
def reads_its_index(n: int) -> int:
    return int(os.environ["AWS_BATCH_JOB_ARRAY_INDEX"])


@task(task_config=BATCH)
def leaves_a_checkpoint(n: int) -> int:
    current_context().checkpoint.write(str(n).encode())
    return n


@task(task_config=BATCH, timeout=60)
def sleeps(seconds: int) -> int:
    time.sleep(seconds)
    return seconds


@task(task_config=AWSBatchConfig(lint_ignore=[*IGNORED, "AB007"]), timeout=14)
def sleeps_briefly(seconds: int) -> int:
    time.sleep(seconds)
    return seconds


@task(task_config=AWSBatchConfig(schedulingPriority=7, extra={"shareIdentifier": "team"}, lint_ignore=IGNORED))
def urgent(n: int) -> int:
    return n
