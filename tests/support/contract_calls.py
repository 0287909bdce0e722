"""The calls of the contract's tests: resources with names of their own, submissions, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flytekitplugins.awsbatch.batch.api import BatchCalls, BatchError

numbers = iter(range(1_000_000))


def unique(name: str) -> str:
    """moto's server is one for all tests."""
    return f"{name}-{next(numbers)}"


RESOURCES = {
    "type": "EC2",
    "minvCpus": 0,
    "maxvCpus": 4,
    "instanceTypes": ["optimal"],
    "subnets": ["subnet-1"],
    "securityGroupIds": ["sg-1"],
    "instanceRole": "arn:aws:iam::123456789012:instance-profile/role",
}
NEEDS = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "128"}]


def new_environment(batch: BatchCalls, **more: Any) -> str:
    """The ARN of an unmanaged compute environment: for a managed one moto wants real subnets."""
    name = unique("environment")
    request = {
        "computeEnvironmentName": name,
        "type": "UNMANAGED",
        "state": "ENABLED",
        "serviceRole": "arn:aws:iam::123456789012:role/role",
    }
    return str(batch.call("CreateComputeEnvironment", {**request, **more})["computeEnvironmentArn"])


def new_queue(batch: BatchCalls, **more: Any) -> str:
    order = [{"order": 1, "computeEnvironment": new_environment(batch)}]
    request = {
        "jobQueueName": unique("queue"),
        "priority": 1,
        "state": "ENABLED",
        "computeEnvironmentOrder": order,
        **more,
    }
    return str(batch.call("CreateJobQueue", request)["jobQueueArn"])


def new_definition(
    batch: BatchCalls, name: str | None = None, container: dict[str, Any] | None = None, **more: Any
) -> Any:
    properties = {"image": "any", "command": ["true"], "resourceRequirements": NEEDS, **(container or {})}
    request = {
        "jobDefinitionName": name or unique("definition"),
        "type": "container",
        "containerProperties": properties,
    }
    return batch.call("RegisterJobDefinition", {**request, **more})


def submit(batch: BatchCalls, **more: Any) -> str:
    request: dict[str, Any] = {"jobName": "job", **more}
    request.setdefault("jobQueue", new_queue(batch))
    if "jobDefinition" not in request:
        request["jobDefinition"] = new_definition(batch)["jobDefinitionArn"]
    return str(batch.call("SubmitJob", request)["jobId"])


def refusal(action: Callable[[], object]) -> BatchError:
    with pytest.raises(BatchError) as caught:
        action()
    return caught.value
