"""Job queues: create, update, delete, describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..arns import ENVIRONMENT, QUEUE
from ..job_model import RUNNABLE, TERMINATE
from ..scheduling.capacity import ENABLED
from . import request_rules
from .batch_errors import client_error
from .compute_environments import is_fargate_environment
from .context import Answer, Context, Request

MAX_ENVIRONMENTS_OF_QUEUE = 3
PRIORITIES = range(1001)
# JobStateTimeLimitAction: "The minimum value is 600 (10 minutes) and the maximum value is 86,400 (24 hours)".
TIME_LIMITS = range(600, 86_401)
CONTAINERS = "ECS"
FARGATE_CONTAINERS = "ECS_FARGATE"


class JobQueues:
    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, request: Request) -> Answer:
        """Makes a queue over compute environments. Jobs of queues with a higher priority start first; within a queue
        they are first in, first out. `jobStateTimeLimitActions` are honoured."""
        name = request_rules.check_request_name("jobQueueName", request["jobQueueName"])
        if name in self._context.resources.named(QUEUE):
            raise client_error(f"Job queue {name} already exists")
        if request.get("schedulingPolicyArn"):
            raise client_error("scheduling policies (fair share): not supported here; queues are first in, first out")
        _check_service_environments(request)
        order, kind = self._order(request.get("computeEnvironmentOrder"), [])
        if request.get("jobQueueType") not in (None, kind):
            raise client_error(f"jobQueueType {request['jobQueueType']}: its compute environments make it {kind}")
        arn = self._context.arns.of(QUEUE, name)
        body = {
            "jobQueueName": name,
            "jobQueueArn": arn,
            "state": request.get("state") or ENABLED,
            "status": "VALID",
            "statusReason": "JobQueue Healthy",
            "priority": _check_priority(request["priority"]),
            "computeEnvironmentOrder": order,
            "serviceEnvironmentOrder": [],
            "jobQueueType": kind,
            "tags": request_rules.checked_request_tags(request.get("tags")),
            "jobStateTimeLimitActions": _check_time_limits(request.get("jobStateTimeLimitActions") or ()),
        }
        self._context.resources.put(QUEUE, name, body)
        self._context.engine.try_misfits_again()
        return {"jobQueueName": name, "jobQueueArn": arn}

    def update(self, request: Request) -> Answer:
        """Changes a queue's state, priority, order of compute environments or time limits."""
        name, body = self._context.named(QUEUE, request["jobQueue"])
        if request.get("schedulingPolicyArn"):
            raise client_error(f"JobQueue {name} has no scheduling policy: it can't have one added")
        _check_service_environments(request)
        changed = {**body, "state": request.get("state") or body["state"]}
        if request.get("priority") is not None:
            changed["priority"] = _check_priority(request["priority"])
        if request.get("computeEnvironmentOrder"):
            order, kind = self._order(request["computeEnvironmentOrder"], body["computeEnvironmentOrder"])
            changed |= {"computeEnvironmentOrder": order, "jobQueueType": kind}
        if request.get("jobStateTimeLimitActions") is not None:
            changed["jobStateTimeLimitActions"] = _check_time_limits(request["jobStateTimeLimitActions"])
        self._context.resources.put(QUEUE, name, changed)
        self._context.engine.try_misfits_again()
        return {"jobQueueName": name, "jobQueueArn": body["jobQueueArn"]}

    def delete(self, request: Request) -> Answer:
        """Deletes a disabled queue. Its jobs are terminated first."""
        name = self._context.name_to_delete(QUEUE, request["jobQueue"])
        if name is not None:
            table = self._context.table
            with table.lock:
                for job in [job for job in table.unended() if job.spec.queue == name]:
                    self._context.engine.stop_units(job.units, TERMINATE, "Job queue deleted")
            self._context.resources.remove(QUEUE, name)
        return {}

    def describe(self, request: Request) -> Answer:
        """Describes queues by name or ARN, or all of them, a page at a time."""
        return self._context.describe_named(QUEUE, "jobQueues", request)

    def _order(
        self, entries: Sequence[Mapping[str, Any]] | None, before: Sequence[Mapping[str, Any]]
    ) -> tuple[list[dict[str, Any]], str]:
        """`computeEnvironmentOrder` with ARNs, and the type of a queue that has it.

        CreateJobQueue: "Compute environments must be in the VALID state before you can associate them with a job
        queue"; the user guide's "Create a job queue": they must be ENABLED as well.

        :param before: the order that the queue has: these may have been disabled since.
        """
        if not entries:
            raise client_error("At least 1 compute environment must be provided")
        if len(entries) > MAX_ENVIRONMENTS_OF_QUEUE:
            raise client_error(f"a queue has at most {MAX_ENVIRONMENTS_OF_QUEUE} compute environments")
        if len({entry["order"] for entry in entries}) != len(entries):
            raise client_error("computeEnvironmentOrder gives the same order twice")
        known = {entry["computeEnvironment"] for entry in before}
        order, kinds = [], set()
        for entry in sorted(entries, key=lambda each: each["order"]):
            name, body = self._context.named(ENVIRONMENT, entry["computeEnvironment"])
            arn = body["computeEnvironmentArn"]
            if arn not in known and (body["state"], body["status"]) != (ENABLED, "VALID"):
                raise client_error(
                    f"ComputeEnvironment {name} is {body['state']} and {body['status']}: it must be ENABLED and VALID"
                )
            order.append({"order": entry["order"], "computeEnvironment": arn})
            kinds.add(FARGATE_CONTAINERS if is_fargate_environment(body) else CONTAINERS)
        if len(kinds) > 1:
            raise client_error("EC2 and Fargate compute environments can't be mixed in a job queue")
        return order, kinds.pop()


def _check_service_environments(request: Request) -> None:
    if request.get("serviceEnvironmentOrder"):
        raise client_error("service environments: not supported here")


def _check_priority(priority: int) -> int:
    if priority not in PRIORITIES:
        raise client_error(f"priority is {priority}: expected {PRIORITIES[0]} to {PRIORITIES[-1]}")
    return priority


def _check_time_limits(actions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    for action in actions:
        if action["maxTimeSeconds"] not in TIME_LIMITS:
            raise client_error(
                f"jobStateTimeLimitActions maxTimeSeconds is {action['maxTimeSeconds']}: expected {TIME_LIMITS[0]} to"
                f" {TIME_LIMITS[-1]}"
            )
        if action["state"] != RUNNABLE or action["action"] != "CANCEL":
            raise client_error("jobStateTimeLimitActions: the only supported state is RUNNABLE, the only action CANCEL")
    return [dict(action) for action in actions]
