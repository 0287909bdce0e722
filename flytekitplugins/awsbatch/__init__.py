"""AWS Batch for flytekit: the names that users import.

Each is loaded when it is asked for, so that the parts that need no flytekit (the command, the local AWS Batch, a warm
child's interpreter) do not wait a second for it. Asking for `AWSBatchConfig` registers its task type with flytekit.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .local.console.failure import TaskFailedError as TaskFailedError
    from .local.deployment.emulation import Emulation as Emulation
    from .local.deployment.emulation import emulation as emulation
    from .local.home import HomeError as HomeError
    from .maptask import AWSBatchMapTask as AWSBatchMapTask
    from .maptask import map_task as map_task
    from .sdk.errors import AWSBatchTaskError as AWSBatchTaskError
    from .sdk.errors import AWSBatchWarning as AWSBatchWarning
    from .sdk.task_config import AWSBatchConfig as AWSBatchConfig
    from .settings.problems import SettingsError as SettingsError
    from .task import AWSBatchFunctionTask as AWSBatchFunctionTask

# Where each name is taken from. `task` is what ties the config to its task class.
_HOMES = {
    "AWSBatchConfig": "task",
    "AWSBatchFunctionTask": "task",
    "AWSBatchMapTask": "maptask",
    "AWSBatchTaskError": "sdk.errors",
    "AWSBatchWarning": "sdk.errors",
    "Emulation": "local.deployment.emulation",
    "HomeError": "local.home",
    "SettingsError": "settings.problems",
    "TaskFailedError": "local.console.failure",
    "emulation": "local.deployment.emulation",
    "map_task": "maptask",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
