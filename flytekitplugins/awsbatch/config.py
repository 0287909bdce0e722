"""What a user says about a job on AWS Batch, in the names of AWS's SubmitJob.

It submits nothing: the handler copies the fields into its request (`FlyteTaskToBatchInput` in Flyte's
`awsbatch/transformer.go`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataclasses_json import DataClassJsonMixin

EC2 = "EC2"
FARGATE = "FARGATE"


@dataclass
class AWSBatchConfig(DataClassJsonMixin):  # type: ignore[misc]
    """The `task_config` of a task that runs on AWS Batch.

    :param parameters: replace `Ref::name` placeholders of the job's command.
    :param schedulingPriority: 0 to 9999, on queues with a fair-share policy; sent together with a shareIdentifier.
    :param platformCapabilities: `EC2` or `FARGATE`, what the job definition asks for.
    :param propagateTags: whether the ECS task gets the job's tags too.
    :param tags: of the job, at most 50.
    """

    parameters: dict[str, str] | None = None
    schedulingPriority: int | None = None
    platformCapabilities: str = EC2
    propagateTags: bool | None = None
    tags: dict[str, str] | None = None

    def submit_job_fields(self) -> dict[str, Any]:
        """The SubmitJob fields for a template's `custom`: what was set, under the names that the handler reads."""
        fields = {"parameters": self.parameters, "propagateTags": self.propagateTags, "tags": self.tags}
        return {name: value for name, value in fields.items() if value is not None}
