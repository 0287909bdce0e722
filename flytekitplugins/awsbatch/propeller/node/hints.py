"""What a user can do about an error that Flyte reports in its own terms. Pure."""

from __future__ import annotations

from flyteidl.core import literals_pb2, tasks_pb2

from ...wire import SINGLE_TASK_TYPE
from ..aws_array.discovery import NO_SIZE
from ..aws_array.handler_errors import WORK_QUEUE_FAILED


def error_hint(template: tasks_pb2.TaskTemplate, inputs: literals_pb2.LiteralMap, error: str) -> str:
    """A sentence to put behind the error; "" when there is none."""
    if WORK_QUEUE_FAILED in error and template.type == SINGLE_TASK_TYPE:
        return (
            " (Flyte cannot cache a single AWS Batch task: it looks for the inputs where nobody writes them, and fails "
            "after the job has succeeded. Use cache=False, or map_task over a list of one.)"
        )
    offloaded = [name for name, literal in inputs.literals.items() if literal.HasField("offloaded_metadata")]
    if NO_SIZE in error and offloaded:
        return (
            f" ({', '.join(sorted(offloaded))} was put into a file of its own for its size, and Flyte's handler does "
            "not look into it. Map over something smaller, such as files or directories, or raise "
            "propeller.literal-offloading-config.min-size-in-mb-for-offloading.)"
        )
    return ""
