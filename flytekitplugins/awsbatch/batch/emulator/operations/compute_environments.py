"""Compute environments: create, update, delete, describe.

A compute environment is this machine under a name: its `maxvCpus` are honoured, instance types, networks and roles
are only kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ..arns import ENVIRONMENT, QUEUE
from ..scheduling.capacity import ENABLED, capacity_order
from . import request_rules
from .batch_errors import client_error
from .context import Answer, Context, Request

MANAGED = "MANAGED"
UNMANAGED = "UNMANAGED"
RESOURCE_TYPES = ("EC2", "SPOT", "FARGATE", "FARGATE_SPOT")
# ComputeResource: "This parameter isn't applicable to jobs that are running on Fargate resources. Don't specify it."
RESOURCES_NOT_ON_FARGATE = (
    "allocationStrategy",
    "bidPercentage",
    "desiredvCpus",
    "ec2Configuration",
    "ec2KeyPair",
    "imageId",
    "instanceRole",
    "instanceTypes",
    "launchTemplate",
    "minvCpus",
    "placementGroup",
    "scalingPolicy",
    "spotIamFleetRole",
    "tags",
)
# What AWS shows of compute resources, Fargate's too, where they leave it out.
SHOWN_EMPTY: Mapping[str, Any] = {"instanceTypes": [], "tags": {}, "ec2Configuration": []}
# ComputeResource.ec2Configuration: "the default is ECS_AL2023 for EC2 (ECS) compute environments".
DEFAULT_ON_EC2: Mapping[str, Any] = {"ec2Configuration": [{"imageType": "ECS_AL2023"}]}
# CreateComputeEnvironment.serviceRole: "that role is used by default".
SERVICE_LINKED_ROLE = "aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"
KEPT = ("serviceRole", "unmanagedvCpus", "context", "ecsSettings")


class ComputeEnvironments:
    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, request: Request) -> Answer:
        """Makes a compute environment. `maxvCpus` bounds what runs at once; instance types, networks and roles are only
        kept."""
        name = request_rules.check_request_name("computeEnvironmentName", request["computeEnvironmentName"])
        kind, resources = request["type"], request.get("computeResources")
        if name in self._context.resources.named(ENVIRONMENT):
            raise client_error(f"ComputeEnvironment {name} already exists")
        if request.get("eksConfiguration"):
            raise client_error("eksConfiguration: not supported here")
        if kind == MANAGED and not resources:
            raise client_error("a MANAGED compute environment needs computeResources")
        if kind == MANAGED and request.get("unmanagedvCpus") is not None:
            raise client_error("unmanagedvCpus is for UNMANAGED compute environments")
        if kind == UNMANAGED and not request.get("serviceRole"):
            # "For UNMANAGED compute environments, you must explicitly specify a serviceRole."
            raise client_error("an UNMANAGED compute environment needs a serviceRole")
        if resources:
            _check_compute_resources(resources, resources)
        arns = self._context.arns
        arn = arns.of(ENVIRONMENT, name)
        body: dict[str, Any] = {
            "computeEnvironmentName": name,
            "computeEnvironmentArn": arn,
            "type": kind,
            "state": request.get("state") or ENABLED,
            "status": "VALID",
            "statusReason": "ComputeEnvironment Healthy",
            "ecsClusterArn": arns.ecs_arn("cluster", f"{name}_Batch"),
            "tags": request_rules.checked_request_tags(request.get("tags")),
            "serviceRole": f"arn:aws:iam::{arns.account_id}:role/{SERVICE_LINKED_ROLE}",
            "containerOrchestrationType": "ECS",
            "uuid": str(uuid.uuid4()),
        }
        body |= {key: request[key] for key in KEPT if request.get(key) is not None}
        if resources:
            # Programs read how many vCPUs are wanted of every one on EC2, and ASFHyP3/hyp3 of one that leaves that out.
            on_ec2 = {**DEFAULT_ON_EC2, "desiredvCpus": resources.get("minvCpus") or 0}
            defaults = {} if is_fargate_environment(request) else on_ec2
            body["computeResources"] = {**SHOWN_EMPTY, **defaults, **resources}
        self._context.resources.put(ENVIRONMENT, name, body)
        return {"computeEnvironmentName": name, "computeEnvironmentArn": arn}

    def update(self, request: Request) -> Answer:
        """Changes a compute environment's state or resources; not between EC2 and Fargate while a queue uses it."""
        name, body = self._context.named(ENVIRONMENT, request["computeEnvironment"])
        changed = {**body, "state": request.get("state") or body["state"]}
        if request.get("computeResources"):
            changed["computeResources"] = {**body.get("computeResources", {}), **request["computeResources"]}
            _check_compute_resources(changed["computeResources"], request["computeResources"])
            if self._users(name) and is_fargate_environment(changed) != is_fargate_environment(body):
                raise client_error(f"ComputeEnvironment {name} is in a JobQueue: EC2 and Fargate can't be mixed there")
        changed |= {key: request[key] for key in ("updatePolicy", *KEPT) if request.get(key) is not None}
        self._context.resources.put(ENVIRONMENT, name, changed)
        self._context.engine.try_misfits_again()
        return {"computeEnvironmentName": name, "computeEnvironmentArn": body["computeEnvironmentArn"]}

    def delete(self, request: Request) -> Answer:
        """Deletes a disabled compute environment that no queue uses."""
        name = self._context.name_to_delete(ENVIRONMENT, request["computeEnvironment"])
        if name is not None:
            users = ", ".join(self._users(name))
            if users:
                # Programs that delete a queue as well try again on AWS's words (those before the colon).
                raise client_error(f"Cannot delete, found existing JobQueue relationship: {users}")
            self._context.resources.remove(ENVIRONMENT, name)
        return {}

    def describe(self, request: Request) -> Answer:
        """Describes compute environments by name or ARN, or all of them, a page at a time."""
        return self._context.describe_named(ENVIRONMENT, "computeEnvironments", request)

    def _users(self, name: str) -> list[str]:
        """The job queues that have the compute environment."""
        return [queue for queue, body in self._context.resources.named(QUEUE).items() if name in capacity_order(body)]


def is_fargate_environment(environment: Mapping[str, Any]) -> bool:
    """Whether it runs jobs on Fargate, not on EC2."""
    return str(environment.get("computeResources", {}).get("type", "")).startswith(request_rules.FARGATE)


def _check_compute_resources(resources: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """:param given: those that the request names."""
    most = resources.get("maxvCpus")
    if most is None or most < 0:
        raise client_error(f"computeResources.maxvCpus is {most}: expected 0 or more")
    for key in ("minvCpus", "desiredvCpus"):
        value = resources.get(key)
        if value is not None and not 0 <= value <= most:
            raise client_error(f"computeResources.{key} is {value}: expected 0 to maxvCpus ({most})")
    if resources.get("type") not in (None, *RESOURCE_TYPES):
        raise client_error(f"computeResources.type {resources['type']!r}: expected {', '.join(RESOURCE_TYPES)}")
    if str(resources.get("type", "")).startswith(request_rules.FARGATE):
        for forbidden in RESOURCES_NOT_ON_FARGATE:
            if given.get(forbidden) not in (None, [], {}, ""):
                raise client_error(f"{forbidden} is not applicable for Fargate.")
