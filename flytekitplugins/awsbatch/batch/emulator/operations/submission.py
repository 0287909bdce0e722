"""A submission on top of its job definition: which of the two says what. Pure.

Source: the API reference of SubmitJob and ContainerOverrides, and the user guide's "Can't override job definition
resource requirements".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.compact_json import compact
from flytekitplugins.awsbatch.batch.emulator.job_model import JobSpec
from flytekitplugins.awsbatch.batch.emulator.job_spec import MEMORY, VCPU, requirement, spec_of
from flytekitplugins.awsbatch.batch.emulator.operations import rules

# A submission of these members leaves everything to its definition.
BARE = frozenset(("jobName", "jobQueue", "jobDefinition", "arrayProperties"))
KEPT = 256

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


def container_of(properties: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
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


def normal_strategy(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """A retry strategy as it is shown: the actions, whose case does not matter, in lower case."""
    rules_ = strategy.get("evaluateOnExit") or ()
    shown = {key: value for key, value in strategy.items() if value is not None}
    if rules_:
        shown["evaluateOnExit"] = [{**rule, "action": rule["action"].lower()} for rule in rules_]
    return shown


def detail_of(
    request: Mapping[str, Any], definition: Mapping[str, Any], definition_arn: str, queue_arn: str
) -> dict[str, Any]:
    """The unchanging part of DescribeJobs' answer. Raises BatchError for what only the two together make wrong.

    :param definition: in the shape of DescribeJobDefinitions; its name and revision are not needed.
    """
    properties, overrides = definition["containerProperties"], request.get("containerOverrides") or {}
    fargate = rules.FARGATE in (definition.get("platformCapabilities") or ())
    if overrides.get("resourceRequirements"):
        rules.requirements(overrides["resourceRequirements"], fargate)
    container = container_of(properties, overrides)
    if fargate and requirement(VCPU, container["resourceRequirements"]) and overrides.get("resourceRequirements"):
        rules.resources(container, True)
    detail: dict[str, Any] = {
        "jobName": request["jobName"],
        "jobQueue": queue_arn,
        "jobDefinition": definition_arn,
        "dependsOn": [dict(each) for each in request.get("dependsOn") or ()],
        "parameters": {**(definition.get("parameters") or {}), **(request.get("parameters") or {})},
        "container": container,
        "tags": rules.tags(request.get("tags")),
        "propagateTags": bool(request.get("propagateTags", definition.get("propagateTags", False))),
    }
    strategy = request.get("retryStrategy") or definition.get("retryStrategy") or {}
    detail["retryStrategy"] = {"attempts": 1, "evaluateOnExit": [], **(normal_strategy(strategy) if strategy else {})}
    if definition.get("platformCapabilities"):
        detail["platformCapabilities"] = list(definition["platformCapabilities"])
    limit = request.get("timeout") or definition.get("timeout")
    if limit:
        detail["timeout"] = dict(limit)
    if "shareIdentifier" in request:
        detail["shareIdentifier"] = request["shareIdentifier"]
    priority = request.get("schedulingPriorityOverride", definition.get("schedulingPriority"))
    if priority is not None:
        detail["schedulingPriority"] = priority
    return detail


class Specs:
    """From submissions to what their jobs need to run. What comes of a definition alone is worked out once: a revision
    does not change.
    """

    def __init__(self) -> None:
        # By the ARNs of definition and queue: the spec of a nameless job, and its detail as JSON, up to the name.
        self._bare: dict[tuple[str, str], tuple[JobSpec, str]] = {}

    def of(
        self, request: Mapping[str, Any], definition: Mapping[str, Any], definition_arn: str, queue_arn: str
    ) -> tuple[JobSpec, str]:
        """A job's spec, and its detail as JSON. Raises BatchError as `detail_of` does."""
        if not request.keys() <= BARE:
            detail = detail_of(request, definition, definition_arn, queue_arn)
            return spec_of(detail), compact(detail)
        bare = self._bare.get((definition_arn, queue_arn))
        if bare is None:
            if len(self._bare) >= KEPT:
                self._bare.clear()
            detail = detail_of({"jobName": ""}, definition, definition_arn, queue_arn)
            bare = self._bare[definition_arn, queue_arn] = spec_of(detail), compact(detail).removeprefix('{"jobName":"')
        name = request["jobName"]
        return replace(bare[0], name=name, detail={**bare[0].detail, "jobName": name}), f'{{"jobName":"{name}{bare[1]}'
