"""Turns errors of importing or compiling a program into findings: those of this package, and flytekit's own where it
takes no config at all."""

from __future__ import annotations

import traceback
from pathlib import Path

import flytekit

from ..sdk.errors import AWSBatchTaskError
from ..task import AWSBatchFunctionTask
from .findings import LintFinding

OWN = (str(Path(flytekit.__file__).parent), str(Path(__file__).parent.parent))
# How flytekit refuses an `async def` with a config, and a config on @eager (`task` and `eager` in its core/task.py).
ASYNC = "is not compatible with async functions"
EAGER = "EagerAsyncPythonFunctionTask() got multiple values for keyword argument 'task_config'"


def finding_of_refused_task(name: str, error: BaseException) -> LintFinding | None:
    """The finding that an error stands for, or None.

    :param name: the module or workflow that the error ended.
    """
    file, line = _users_line(error)
    if isinstance(error, AWSBatchTaskError):
        entity, _, message = error.message.partition(" ")
        return LintFinding(error.code, entity.rstrip(":"), message, file, line)
    kind = _kind_that_flytekit_refuses(error)
    if not kind:
        return None
    return LintFinding(
        "AB003",
        name,
        f"has an {kind} function with a task_config. The aws_array handler knows plain functions only, and flytekit "
        "takes no config there. Take it off, and give it to the tasks that the function calls.",
        file,
        line,
    )


def _kind_that_flytekit_refuses(error: BaseException) -> str:
    """The kind of function, `async` or `@eager`, for which flytekit refused an AWSBatchConfig; else an empty text."""
    text = str(error)
    if isinstance(error, AssertionError) and text.endswith(ASYNC) and AWSBatchFunctionTask.__name__ in text:
        return "async"
    return "@eager" if isinstance(error, TypeError) and EAGER in text else ""


def _users_line(error: BaseException) -> tuple[str, int]:
    """The last line of the user's own code that led to an error."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith(OWN)]
    frames = [one for one in frames if Path(one.filename).is_file() and "importlib" not in Path(one.filename).parts]
    return (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)
