"""A module that a job cannot import, though its caller can."""

from __future__ import annotations

import os

from flytekit import task

from flytekitplugins.awsbatch import AWSBatchConfig

if "AWS_BATCH_JOB_ID" in os.environ:
    import module_that_only_the_caller_has  # noqa: F401


@task(task_config=AWSBatchConfig())
def never(n: int) -> int:
    return n


@task(task_config=AWSBatchConfig())
def no_command(n: int) -> int:
    return n


no_command.set_command_fn(lambda settings: ["no-such-command", "--output-prefix", "{{.outputPrefix}}/0"])
