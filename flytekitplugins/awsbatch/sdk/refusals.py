"""Refuses, at their declaration, tasks that no job could ever run. `lint` looks for everything else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from flytekit.core.python_function_task import PythonFunctionTask

from .errors import AWSBatchTaskError


def refuse_what_cannot_be_a_job(task_function: Callable[..., Any], options: dict[str, Any]) -> None:
    """:param options: the keyword arguments that `@task` gives a task with AWSBatchConfig."""
    name = f"{task_function.__module__}.{getattr(task_function, '__name__', task_function)}"
    kind = _special_kind(options.get("execution_mode"))
    if kind:
        raise AWSBatchTaskError(
            "AB003",
            f"{name} is @{kind} with an AWSBatchConfig. The aws_array handler knows only tasks that return outputs, "
            f"and calls a job that writes a workflow instead failed. Take the config off the @{kind} function and give "
            "it to the tasks that it calls.",
        )
    if options.get("pod_template") is not None or options.get("pod_template_name") is not None:
        raise AWSBatchTaskError(
            "AB004",
            f"{name} has a pod template and an AWSBatchConfig. AWS Batch runs containers, not pods. Give image, "
            "environment and resources to the task itself.",
        )


def refuse_what_cannot_be_mapped(task: Any, bound: set[str]) -> None:
    """:param bound: the names of the inputs that are the same for all items."""
    name = task.name
    kind = _special_kind(getattr(task, "execution_mode", None))
    if kind:
        raise AWSBatchTaskError("AB003", f"{name} is @{kind}. Only tasks that return outputs can be mapped.")
    if getattr(task, "pod_template", None) is not None:
        raise AWSBatchTaskError(
            "AB004",
            f"{name} has a pod template. AWS Batch runs containers, not pods, and the handler refuses a task without "
            "one. Give image, environment and resources to the task itself.",
        )
    inputs = task.interface.inputs
    unknown = sorted(bound - set(inputs))
    if unknown:
        raise AWSBatchTaskError(
            "AB012", f"{name} has no input {', '.join(unknown)} that could be bound. Its inputs: {', '.join(inputs)}."
        )
    if not set(inputs) - bound:
        raise AWSBatchTaskError(
            "AB012",
            f"{name} has no input to map over, and the length of the mapped lists is the size of the array. Leave at "
            "least one input unbound.",
        )
    lists = sorted(one for one in bound if inputs[one].type.collection_type is not None)
    if lists:
        raise AWSBatchTaskError(
            "AB012",
            f"{name}: the bound input {', '.join(lists)} is a list, and the handler wants every list among the inputs "
            "to be as long as the array. Pass it inside a dataclass or a dict.",
        )


def refuse_unmapped_inputs(task: Any, wanted: Iterable[str], given: Collection[str]) -> None:
    """Raises AWSBatchTaskError (AB012) for a call of a map that names no list for one of its inputs.

    :param task: the mapped task.
    :param wanted: the inputs of its map.
    :param given: those that a call of the map names, bound ones included.
    """
    missing = [one for one in wanted if one not in given]
    if missing:
        raise AWSBatchTaskError(
            "AB012",
            f"{task.name} is mapped without a list for {', '.join(missing)}. The defaults of a mapped task are not "
            "used. Give a list, or bind the input by name with functools.partial.",
        )


def _special_kind(mode: Any) -> str:
    """`dynamic` or `eager`, or nothing for a task as any other."""
    if mode in (None, PythonFunctionTask.ExecutionBehavior.DEFAULT):
        return ""
    return str(mode.name).lower()
