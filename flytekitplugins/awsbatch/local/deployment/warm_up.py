"""Starts an interpreter for jobs as soon as it is known that there will be some. It imports flytekit while this process
does other things; the first job decides what else it imports.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator.execution.executors import interpreters
from flytekitplugins.awsbatch.batch.emulator.execution.executors.warm_interpreter import common_interpreter_identity
from flytekitplugins.awsbatch.batch.emulator.execution.launch import shared_launch_environment

from . import job_scripts, preload
from .job_environment import LocalLaunch

_done: set[int] = set()


def warm_up_once() -> None:
    """Starts it once in a process, where interpreters are used at all. If that fails, the first job reports it."""
    if os.getpid() in _done or not sys.platform.startswith("linux"):
        return
    _done.add(os.getpid())
    with contextlib.suppress(Exception):
        environment = _environment_setting()
        if environment is None:
            return
        launch = LocalLaunch(environment).launch_now()
        variables = shared_launch_environment({preload.EXECUTION_ID: "warm"}, launch)
        script = preload.preload_script_of_command(job_scripts.EXECUTE, variables["PATH"])
        if script is not None:
            plan = preload.common_preload_plan(script)
            interpreters.interpreters_of_this_process().warm_up_interpreter(
                common_interpreter_identity(plan, Path.cwd()), plan, variables, Path.cwd()
            )


def _environment_setting() -> str | None:
    """`emulator.environment`; None where no interpreters are used."""
    if not os.environ.get(wire.SWITCH_CONFIG):
        return LocalLaunch.environment
    from .. import all_settings

    local = all_settings.load_settings_of_environment().local
    return local.environment if local.isolation in ("fork", "worker") else None
