"""What flytekit does not know about an attempt of a job on AWS Batch: that it may not be the first, and that a single
task's outputs lie one folder below the place where Flyte looks for its deck.

Changes the parameters that flytekit hands to a task; reads no inputs and writes nothing.
"""

from __future__ import annotations

import os
from typing import Any

from flytekit.core.context_manager import ExecutionParameters, FlyteContext, FlyteContextManager

from ..wire import ARRAY_INDEX_VAR_NAME, AWS_JOB_ATTEMPT, AWS_JOB_ID

SINGLE_SUFFIX = "/0"


class NodePrefix(str):
    """The output prefix of a node, as a class of its own: it may end like the prefix of a job."""

    __slots__ = ()


def is_retried_attempt() -> bool:
    return os.environ.get(AWS_JOB_ATTEMPT, "1") != "1"


def _is_single_job() -> bool:
    """Whether this process is a job and no child of an array: those are told an index, even where the handler submits
    one job only (`LaunchSubTasks` in Flyte's `awsbatch/launcher.go`)."""
    return AWS_JOB_ID in os.environ and ARRAY_INDEX_VAR_NAME not in os.environ


def left_by_an_earlier_attempt(context: FlyteContext, checkpoint: str | None) -> str | None:
    """The checkpoint to continue from when AWS Batch tries a job again: Flyte gives all its attempts the same paths,
    and the previous one it names is that of the node's attempt before."""
    return checkpoint if checkpoint and is_retried_attempt() and context.file_access.exists(checkpoint) else None


def fit_attempt_to_single_job(parameters: ExecutionParameters | None) -> None:
    """Makes a single job's deck visible, and its next attempt find the checkpoint, as `entrypoint` does for a map's
    children. Safe to call again, and outside of a job.

    Propeller looks for deck.html directly below the output prefix (`GetDeckPath` in Flyte's
    `ioutils/remote_file_output_writer.go`), while the handler reads outputs.pb from `0` below that.
    """
    if parameters is None or not _is_single_job():
        return
    prefix = parameters.output_metadata_prefix
    if not prefix or isinstance(prefix, NodePrefix) or not prefix.endswith(SINGLE_SUFFIX):
        return
    parameters._output_metadata_prefix = NodePrefix(prefix.removesuffix(SINGLE_SUFFIX))
    # Without these attributes of flytekit's, an attempt starts from the beginning.
    checkpoint: Any = getattr(parameters, "_checkpoint", None)
    destination = getattr(checkpoint, "_checkpoint_dest", None)
    if left := left_by_an_earlier_attempt(FlyteContextManager.current_context(), destination):
        checkpoint._checkpoint_src = left
