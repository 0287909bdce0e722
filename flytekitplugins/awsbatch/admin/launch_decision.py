"""One launch as FlyteAdmin sees it: queue and role decided together, and written where the server writes them.

Sources: flyteadmin `execution_manager.go` (populateExecutionQueue), propeller `nodes/dynamic/dynamic_workflow.go`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flyteidl.core.tasks_pb2 import TaskTemplate

from flytekitplugins.awsbatch import wire

from .admin_settings import AdminSettings
from .advice import NO_ROLE, no_queue_advice, queue_difference_advice
from .explanation import Explanation, LaunchedExecution
from .queue_matching import match_queue
from .role import LaunchPlan, LaunchRequest, Role, RunAs, resolve_role

ROLE_KEY = "eks.amazonaws.com/role-arn"


@dataclass(frozen=True)
class Decision:
    """What the server adds to every task of an execution.

    :param queue: the Batch job queue; empty when no rule finds one.
    :param job_role: what the handler makes of the role; empty when there is none for it.
    :param warnings: what a user should know although the run continues, each a sentence or two.
    :param no_queue_help: what to add where no queue is found; empty otherwise.
    """

    queue: str
    role: Role
    explanation: Explanation
    job_role: str = ""
    warnings: tuple[str, ...] = ()
    no_queue_help: str = ""


def decide_launch(
    settings: AdminSettings,
    execution: LaunchedExecution,
    plan: LaunchPlan | None = None,
    request: LaunchRequest | None = None,
) -> Decision:
    """Queue and role of an execution; its name decides among several queues that fit.

    :param plan: what its launch plan says about the role; `emulator.role` stands in for a role that it leaves open.
    :param request: what whoever launches it says about the role.
    """
    explanation = match_queue(settings, execution)
    role = role_of_launch(settings, request or LaunchRequest(), plan)
    job_role = role.of_job(settings.handler.role_annotation_key or "")
    warnings = [queue_difference_advice(settings, explanation), "" if job_role else NO_ROLE]
    return Decision(
        explanation.queue,
        role,
        explanation,
        job_role,
        tuple(warning for warning in warnings if warning),
        "" if explanation.queue else no_queue_advice(settings, explanation),
    )


def _role_key(settings: AdminSettings) -> str:
    """The annotation that FlyteAdmin writes and the handler reads; the setup document's where the files name none."""
    return settings.server.role_name_key or settings.handler.role_annotation_key or ROLE_KEY


def role_of_launch(settings: AdminSettings, request: LaunchRequest, plan: LaunchPlan | None = None) -> Role:
    server = replace(settings.server, role_name_key=_role_key(settings))
    if not settings.emulator.role:
        return resolve_role(server, request, plan)
    said = resolve_role(replace(server, assumable_iam_role="", k8s_service_account=""), request, plan)
    if said.run_as or said.of_job(settings.handler.role_annotation_key or ""):
        return said
    stand_in = replace(request, security_context=RunAs(settings.emulator.role), auth_role=None)
    return replace(resolve_role(server, stand_in, plan), source="emulator.role")


def write_decided_queue(template: TaskTemplate, decision: Decision) -> None:
    """Appends the queue to a task's container config, as at launch: it comes after, and so beats, a task's own.

    Pod, SQL and agent tasks have no container and get nothing.
    """
    if decision.queue and template.HasField("container"):
        template.container.config.add(key=wire.CHILD_QUEUE, value=decision.queue)
