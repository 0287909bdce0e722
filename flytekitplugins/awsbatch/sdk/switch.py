"""Whether a task called in this process is emulated. Cheap, since every call of an AWS Batch task asks.

It knows nothing of the emulation itself (`local`) and reads no settings file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from ..wire import AWS_JOB_ID, SWITCH, SWITCH_CONFIG, SWITCH_RESUME, WARMING

OFF = "off"
# Set by propeller in every container it starts, on AWS Batch or elsewhere.
EXECUTION_ID = "FLYTE_INTERNAL_EXECUTION_ID"

# Of the blocks that are open, the newest last.
_overrides: dict[object, bool] = {}
_in_process: ContextVar[bool] = ContextVar("flyte_awsbatch_in_process", default=False)


def variable_of_job() -> str:
    """The variable by which this process is itself a job, or a warm interpreter that imports modules for jobs; "" where
    it is neither."""
    # In this order: what the children of an array have in common can be known before they are forked.
    return next((name for name in (EXECUTION_ID, WARMING, AWS_JOB_ID) if os.environ.get(name)), "")


def emulation_on() -> bool:
    """What a task call should do now: True, go through the emulated AWS Batch; False, plain flytekit.

    Never in a process that is itself a job. Then an override counts; then `FLYTE_AWSBATCH=off`, which switches off
    whatever else is set; any other value of it switches on, and so does a settings file alone. Read at each call,
    since `pyflyte run --env` sets the variables after the user's module was imported.
    """
    overridden = _overridden()
    if _in_process.get() or overridden is False:
        return False
    switch = os.environ.get(SWITCH, "").strip()
    if job := variable_of_job():
        if switch.lower() not in ("", OFF):
            _report_ignored_switch(job)
        return False
    if overridden:
        return True
    if switch.lower() == OFF:
        return False
    on = bool(switch or os.environ.get(SWITCH_CONFIG, "").strip())
    resume = os.environ.get(SWITCH_RESUME, "").strip()
    if resume and not on:
        _report_ignored_resume(resume)
    return on


def emulation_expected() -> bool:
    """Whether tasks that are declared now will be called in this process and run on this machine, as far as can be
    known. Not where `pyflyte` or `flyte-awsbatch` does something else with them.
    """
    program = os.path.basename(sys.argv[0]) if sys.argv else ""  # noqa: PTH119 - no path is needed else
    if _overridden() is False or variable_of_job() or program == "flyte-awsbatch":
        return False
    environment: Mapping[str, str] = os.environ
    if program == "pyflyte":
        if not _runs_here(sys.argv[1:]):
            return False
        environment = {**os.environ, **_variables_given(sys.argv[1:])}
    config = environment.get(SWITCH_CONFIG, "").strip()
    # A settings file may say something else, and is not found before its variable is set.
    if config != os.environ.get(SWITCH_CONFIG, "").strip():
        return False
    switch = environment.get(SWITCH, "").strip().lower()
    return switch == "local" or (not switch and bool(config))


def _variables_given(arguments: Sequence[str]) -> dict[str, str]:
    """Those of `pyflyte run --env NAME=VALUE`, which sets them only after it has imported the user's module."""
    words = (word.removeprefix("--env=").removeprefix("--envvars=") for word in arguments)
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _, value in pairs if name in (SWITCH, SWITCH_CONFIG)}


def _runs_here(arguments: list[str]) -> bool:
    return "run" in arguments and not {"--remote", "-r", "--help"} & set(arguments)


@cache
def _report_ignored_resume(execution: str) -> None:
    """Says on standard error, once per process, that nothing is resumed because the emulation is off."""
    sys.stderr.write(
        f"{SWITCH_RESUME}={execution} is ignored: without {SWITCH}=local or {SWITCH_CONFIG} "
        f"tasks run in this process, from the beginning.\n"
    )


@cache
def _report_ignored_switch(job: str) -> None:
    """Says on standard error, once per process, that tasks are not emulated although the switch is on."""
    sys.stderr.write(
        f"{SWITCH} is ignored: {job} is set, so this process is itself a job, and tasks run in it. Unset {job} to "
        f"emulate here.\n"
    )


@contextmanager
def emulation_overridden(on: bool) -> Iterator[None]:
    """Decides for the whole process, whatever the environment says, until the block ends.

    Process-wide on purpose: flytekit runs `@eager` functions, and users run their own threads, off the thread that
    opened the block. The newest block that is open decides, in whatever order they end.
    """
    block = object()
    _overrides[block] = on
    try:
        yield
    finally:
        del _overrides[block]


def _overridden() -> bool | None:
    return next(reversed(list(_overrides.values())), None)


@contextmanager
def emulation_kept_off() -> Iterator[None]:
    """Within the block, and what the block starts, tasks run in process: it plays the part of a running container."""
    token = _in_process.set(True)
    try:
        yield
    finally:
        _in_process.reset(token)
