"""Job queues and compute environments: create, update, delete, describe.

A compute environment is this machine under a name: its `maxvCpus` are honoured, instance types, networks and roles
are only kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.arns import ENVIRONMENT, QUEUE, name_of
from flytekitplugins.awsbatch.batch.emulator.job_model import TERMINATE
from flytekitplugins.awsbatch.batch.emulator.operations import rules
from flytekitplugins.awsbatch.batch.emulator.operations.core import (
    Answer,
    Core,
    Request,
    page_size,
    position_of,
    token_for,
)
from flytekitplugins.awsbatch.batch.emulator.operations.errors import refused
from flytekitplugins.awsbatch.batch.emulator.scheduling.capacity import ENABLED, order_of
from flytekitplugins.awsbatch.batch.emulator.store.resources import ENVIRONMENTS, QUEUES

DISABLED = "DISABLED"
MAX_ENVIRONMENTS_OF_QUEUE = 3
MAX_PRIORITY = 1000


def state_of(request: Request, default: str = ENABLED) -> str:
    state = request.get("state") or default
    if state not in (ENABLED, DISABLED):
        raise refused(f"state {state!r}: expected {ENABLED} or {DISABLED}")
    return str(state)


def page(bodies: Mapping[str, dict[str, Any]], names: list[str] | None, request: Request) -> tuple[list[Any], Answer]:
    """The bodies asked for by name, or a page of all; and the answer with the token of the next page."""
    if names:
        if len(names) > rules.MAX_IDS:
            raise refused(f"{len(names)} names: at most {rules.MAX_IDS}")
        return [bodies[name] for name in names if name in bodies], {}
    after = position_of(request.get("nextToken"), "", "")
    size = page_size(request, 100)
    left = [name for name in sorted(bodies) if name > after]
    return [bodies[name] for name in left[:size]], {"nextToken": token_for(left[size - 1])} if len(left) > size else {}


class Queues:
    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, request: Request) -> Answer:
        name = rules.name("jobQueueName", request["jobQueueName"])
        if name in self._core.catalog.queues:
            raise refused(f"Job queue {name} already exists")
        if request.get("schedulingPolicyArn"):
            raise refused("scheduling policies (fair share): not supported here; queues are first in, first out")
        if request.get("serviceEnvironmentOrder"):
            raise refused("service environments: not supported here")
        arn = self._core.arns.of(QUEUE, name)
        body = {
            "jobQueueName": name,
            "jobQueueArn": arn,
            "state": state_of(request),
            "status": "VALID",
            "statusReason": "JobQueue Healthy",
            "priority": self._priority(request["priority"]),
            "computeEnvironmentOrder": self._order(request.get("computeEnvironmentOrder")),
            "serviceEnvironmentOrder": [],
            "jobQueueType": "ECS",
            "tags": rules.tags(request.get("tags")),
            "jobStateTimeLimitActions": list(request.get("jobStateTimeLimitActions") or ()),
        }
        self._core.catalog.put(QUEUES, name, body)
        self._core.engine.forget_misfits()
        return {"jobQueueName": name, "jobQueueArn": arn}

    def update(self, request: Request) -> Answer:
        name, body = self._core.queue(request["jobQueue"])
        changed = {**body, "state": state_of(request, body["state"])}
        if request.get("priority") is not None:
            changed["priority"] = self._priority(request["priority"])
        if request.get("computeEnvironmentOrder"):
            changed["computeEnvironmentOrder"] = self._order(request["computeEnvironmentOrder"])
        if request.get("jobStateTimeLimitActions") is not None:
            changed["jobStateTimeLimitActions"] = list(request["jobStateTimeLimitActions"])
        self._core.catalog.put(QUEUES, name, changed)
        self._core.engine.forget_misfits()
        return {"jobQueueName": name, "jobQueueArn": body["jobQueueArn"]}

    def delete(self, request: Request) -> Answer:
        """Its jobs are terminated first. A queue that is not there is as good as deleted (AWS answers 200)."""
        name = name_of(QUEUE, request["jobQueue"])
        body = self._core.catalog.queues.get(name) if name is not None else None
        if name is None or body is None:
            return {}
        if body["state"] == ENABLED:
            raise refused(f"JobQueue {name} cannot be deleted while it is {ENABLED}: set its state to {DISABLED} first")
        with self._core.board.lock:
            jobs = [job for job in self._core.board.unended() if job.spec.queue == name]
            for job in jobs:
                self._core.engine.stop(job.units, TERMINATE, "Job queue deleted")
        self._core.catalog.remove(QUEUES, name)
        return {}

    def describe(self, request: Request) -> Answer:
        wanted = [name_of(QUEUE, each) or "" for each in request.get("jobQueues") or ()]
        bodies, answer = page(self._core.catalog.queues, wanted, request)
        return {"jobQueues": bodies, **answer}

    def _priority(self, priority: int) -> int:
        if not 0 <= priority <= MAX_PRIORITY:
            raise refused(f"priority is {priority}: expected 0 to {MAX_PRIORITY}")
        return priority

    def _order(self, entries: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        if not entries:
            raise refused("At least 1 compute environment must be provided")
        if len(entries) > MAX_ENVIRONMENTS_OF_QUEUE:
            raise refused(f"a queue has at most {MAX_ENVIRONMENTS_OF_QUEUE} compute environments")
        if len({entry["order"] for entry in entries}) != len(entries):
            raise refused("computeEnvironmentOrder gives the same order twice")
        order = []
        for entry in sorted(entries, key=lambda each: each["order"]):
            _, body = self._core.environment(entry["computeEnvironment"])
            order.append({"order": entry["order"], "computeEnvironment": body["computeEnvironmentArn"]})
        return order


class Environments:
    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, request: Request) -> Answer:
        name = rules.name("computeEnvironmentName", request["computeEnvironmentName"])
        kind, resources = request["type"], request.get("computeResources")
        if name in self._core.catalog.environments:
            raise refused(f"ComputeEnvironment {name} already exists")
        if kind not in ("MANAGED", "UNMANAGED"):
            raise refused(f"type {kind!r}: expected MANAGED or UNMANAGED")
        if request.get("eksConfiguration"):
            raise refused("eksConfiguration: not supported here")
        if kind == "MANAGED" and not resources:
            raise refused("a MANAGED compute environment needs computeResources")
        if kind == "MANAGED" and request.get("unmanagedvCpus") is not None:
            raise refused("unmanagedvCpus is for UNMANAGED compute environments")
        if resources:
            self._check(resources)
        arn = self._core.arns.of(ENVIRONMENT, name)
        body: dict[str, Any] = {
            "computeEnvironmentName": name,
            "computeEnvironmentArn": arn,
            "type": kind,
            "state": state_of(request),
            "status": "VALID",
            "statusReason": "ComputeEnvironment Healthy",
            "ecsClusterArn": f"arn:aws:ecs:{self._core.arns.region}:{self._core.arns.account_id}:cluster/{name}_Batch",
            "tags": rules.tags(request.get("tags")),
            "containerOrchestrationType": "ECS",
            "uuid": str(uuid.uuid4()),
        }
        for key in ("computeResources", "serviceRole", "unmanagedvCpus", "context", "ecsSettings"):
            if request.get(key) is not None:
                body[key] = request[key]
        self._core.catalog.put(ENVIRONMENTS, name, body)
        return {"computeEnvironmentName": name, "computeEnvironmentArn": arn}

    def update(self, request: Request) -> Answer:
        name, body = self._core.environment(request["computeEnvironment"])
        changed = {**body, "state": state_of(request, body["state"])}
        if request.get("computeResources"):
            changed["computeResources"] = {**body.get("computeResources", {}), **request["computeResources"]}
            self._check(changed["computeResources"])
        for key in ("serviceRole", "unmanagedvCpus", "updatePolicy", "context", "ecsSettings"):
            if request.get(key) is not None:
                changed[key] = request[key]
        self._core.catalog.put(ENVIRONMENTS, name, changed)
        self._core.engine.forget_misfits()
        return {"computeEnvironmentName": name, "computeEnvironmentArn": body["computeEnvironmentArn"]}

    def delete(self, request: Request) -> Answer:
        name = name_of(ENVIRONMENT, request["computeEnvironment"])
        body = self._core.catalog.environments.get(name) if name is not None else None
        if name is None or body is None:
            return {}
        if body["state"] == ENABLED:
            raise refused(
                f"ComputeEnvironment {name} cannot be deleted while it is {ENABLED}: set its state to {DISABLED} first"
            )
        users = [queue for queue, each in self._core.catalog.queues.items() if name in order_of(each)]
        if users:
            raise refused(
                f"ComputeEnvironment {name} cannot be deleted: it has a relationship with JobQueue {', '.join(users)}"
            )
        self._core.catalog.remove(ENVIRONMENTS, name)
        return {}

    def describe(self, request: Request) -> Answer:
        wanted = [name_of(ENVIRONMENT, each) or "" for each in request.get("computeEnvironments") or ()]
        bodies, answer = page(self._core.catalog.environments, wanted, request)
        return {"computeEnvironments": bodies, **answer}

    def _check(self, resources: Mapping[str, Any]) -> None:
        if resources.get("maxvCpus") is None or resources["maxvCpus"] < 0:
            raise refused(f"computeResources.maxvCpus is {resources.get('maxvCpus')}: expected 0 or more")
        for key in ("minvCpus", "desiredvCpus"):
            value = resources.get(key)
            if value is not None and not 0 <= value <= resources["maxvCpus"]:
                raise refused(f"computeResources.{key} is {value}: expected 0 to maxvCpus ({resources['maxvCpus']})")
        if resources.get("type") not in (None, "EC2", "SPOT", "FARGATE", "FARGATE_SPOT"):
            raise refused(f"computeResources.type {resources['type']!r}: expected EC2, SPOT, FARGATE or FARGATE_SPOT")
