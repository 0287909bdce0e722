"""A submission and its job definition merged: which of the two decides what. Pure.

Source: the API reference of SubmitJob and ContainerOverrides, and the user guide's "Can't override job definition
resource requirements".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..job_model import JobSpec
from ..job_spec import MEMORY, VCPU, job_spec_requirement
from . import request_rules

# The longest overrides that AWS takes, in characters.
MAX_OVERRIDES = 8192

# What a container always shows, empty or not.
EMPTY_LISTS = (
    "volumes",
    "environment",
    "mountPoints",
    "ulimits",
    "networkInterfaces",
    "resourceRequirements",
    "secrets",
)


def _container_of(properties: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A job's container: the definition's with the submission's overrides."""
    container = {key: value for key, value in properties.items() if value is not None}
    for each in EMPTY_LISTS:
        container.setdefault(each, [])
    container["command"] = list(overrides.get("command") or properties.get("command") or ())
    merged = {each["name"]: each.get("value", "") for each in properties.get("environment") or ()}
    merged |= {each["name"]: each.get("value", "") for each in overrides.get("environment") or ()}
    container["environment"] = [{"name": name, "value": value} for name, value in merged.items()]
    if overrides.get("instanceType"):
        container["instanceType"] = overrides["instanceType"]
    needs = {each["type"]: each["value"] for each in properties.get("resourceRequirements") or ()}
    needs |= {each["type"]: each["value"] for each in overrides.get("resourceRequirements") or ()}
    for kind, old in ((VCPU, "vcpus"), (MEMORY, "memory")):
        if kind in needs:
            # The newer spelling wins, and the older one does not override it.
            container.pop(old, None)
        elif overrides.get(old):
            container[old] = overrides[old]
    container["resourceRequirements"] = [{"type": kind, "value": value} for kind, value in needs.items()]
    return container


def retry_strategy_of_submission(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """A retry strategy as it is shown: the actions, whose case does not matter, in lower case."""
    rules = [{**rule, "action": rule["action"].lower()} for rule in strategy.get("evaluateOnExit") or ()]
    return {**strategy, "evaluateOnExit": rules}


def job_detail_of_submission(
    request: Mapping[str, Any], definition: Mapping[str, Any], definition_arn: str, queue_arn: str
) -> dict[str, Any]:
    """The unchanging part of DescribeJobs' answer. Raises BatchError for what only the two together make wrong.

    :param definition: in the shape of DescribeJobDefinitions; its name and revision are not needed.
    """
    properties, overrides = definition["containerProperties"], request.get("containerOverrides") or {}
    fargate = request_rules.FARGATE in (definition.get("platformCapabilities") or ())
    needs = overrides.get("resourceRequirements") or ()
    request_rules.check_request_requirements(needs, fargate)
    container = _container_of(properties, overrides)
    if needs and fargate and job_spec_requirement(VCPU, container["resourceRequirements"]):
        request_rules.check_request_resources(container, True)
    detail: dict[str, Any] = {
        "jobName": request["jobName"],
        "jobQueue": queue_arn,
        "jobDefinition": definition_arn,
        "dependsOn": [dict(each) for each in request.get("dependsOn") or ()],
        "parameters": {**(definition.get("parameters") or {}), **(request.get("parameters") or {})},
        "container": container,
        "tags": request_rules.checked_request_tags(request.get("tags")),
        # AWS shows it of every job.
        "eksAttempts": [],
        "platformCapabilities": list(definition.get("platformCapabilities") or ()),
    }
    strategy = request.get("retryStrategy") or definition.get("retryStrategy")
    if strategy:
        detail["retryStrategy"] = retry_strategy_of_submission(strategy)
    limit = request.get("timeout") or definition.get("timeout")
    if limit:
        detail["timeout"] = dict(limit)
    optional = {
        "shareIdentifier": request.get("shareIdentifier"),
        "schedulingPriority": request.get("schedulingPriorityOverride", definition.get("schedulingPriority")),
        "propagateTags": request.get("propagateTags", definition.get("propagateTags")),
    }
    return detail | {name: value for name, value in optional.items() if value is not None}


def unstartable_submission(request: Mapping[str, Any], definition: Mapping[str, Any], spec: JobSpec) -> str | None:
    """Why a job fails without an attempt, although it was accepted.

    Sources: RegisterJobDefinition's propagateTags: "If the total number of combined tags from the job and job
    definition is over 50, the job is moved to the FAILED state". ECS's RunTask: "A total of 8192 characters are allowed
    for overrides. This limit includes the JSON formatting characters of the override structure"; what Batch says of it
    is in the logs of Netflix/metaflow#1482 and ASFHyP3/hyp3#3041.
    """
    overrides = dict(request.get("containerOverrides") or {})
    if overrides.get("command") or list(spec.command) != spec.detail["container"]["command"]:
        # Parameters are put in before the command goes to ECS.
        overrides["command"] = spec.command
    if len(json.dumps(overrides, ensure_ascii=False, separators=(",", ":"))) > MAX_OVERRIDES:
        return f"Container Overrides length must be at most {MAX_OVERRIDES}"
    tags = {*definition.get("tags", ()), *spec.detail["tags"]}
    if spec.detail.get("propagateTags") and len(tags) > request_rules.MAX_TAGS:
        return f"The job and its job definition have more than {request_rules.MAX_TAGS} tags together"
    return None
