"""Called inside a warm interpreter, which imports nothing of this project but this module: brings code, ends idle
threads, does once what every child would do for itself. Each leaves behind only what a child would have anyway.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

SANDBOX = "_local_sandbox_dir"


def preload_hook_install(distribution: str, destination: str) -> None:
    """As `pyflyte-fast-execute` does, into the current directory or an absolute one."""
    from flytekit.tools.fast_registration import download_distribution

    Path(destination).expanduser().mkdir(parents=True, exist_ok=True)
    download_distribution(distribution, destination)


def preload_hook_settle() -> None:
    """Ends flytekit's event loop threads that wait for nothing; a child makes its own (they are kept by process
    number). A task's working directory lies where the child's temporary files are.
    """
    from flytekit.core.context_manager import FlyteContextManager
    from flytekit.utils.asyn import loop_manager

    access: Any = FlyteContextManager.current_context().file_access
    if not isinstance(getattr(type(access), SANDBOX, None), property):
        access.__class__ = type("AttemptFileAccess", (type(access),), {SANDBOX: property(_sandbox)})

    runners: dict[str, Any] = loop_manager._runner_map
    for runner in runners.values():
        loop, thread = runner._TaskRunner__loop, runner._TaskRunner__runner_thread
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)
    runners.clear()
    connectors: Any = sys.modules.get("flytekit.extend.backend.base_connector")
    if connectors is not None and not isinstance(connectors.local_connector_loop, LaterLoop):
        connectors.local_connector_loop.close()
        connectors.local_connector_loop = LaterLoop(connectors)


def _sandbox(_access: Any) -> Path:
    """The folder that flytekit makes on import, which all children would share and which outlives them."""
    return Path(tempfile.gettempdir(), "flyte-sandbox")


class LaterLoop:
    """Replaces the event loop that flytekit makes on import for connectors that run locally: a child that needs it
    makes its own, since a descriptor that all children share is no event loop.
    """

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        self._module.local_connector_loop = loop = asyncio.new_event_loop()
        return getattr(loop, name)
