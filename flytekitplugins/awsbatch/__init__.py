"""AWS Batch for flytekit: the names that users import. `emulation` is loaded only when it is asked for."""

from __future__ import annotations

from typing import Any

from .config import AWSBatchConfig
from .map_task import AWSBatchMapTask, map_task
from .refusals import AWSBatchTaskError, AWSBatchWarning
from .task import AWSBatchFunctionTask

__all__ = [
    "AWSBatchConfig",
    "AWSBatchFunctionTask",
    "AWSBatchMapTask",
    "AWSBatchTaskError",
    "AWSBatchWarning",
    "emulation",
    "map_task",
]


def __getattr__(name: str) -> Any:
    if name == "emulation":
        from . import local

        composer: Any = local
        return composer.emulation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
