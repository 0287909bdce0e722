"""The sentences that explain a decision to a user. Nothing here decides."""

from __future__ import annotations

from .admin_settings import FLYTEADMIN, AdminSettings
from .explanation import Explanation
from .flyteadmin import UNREAD
from .queue_matching import match_queue

NO_ROLE = (
    "no role for the jobs: an AWS account would refuse them, since for AWS Batch an IAM role must be specified "
    "(and its trust policy must let ECS assume it). Set one in the launch's security context, or as emulator.role."
)
OFFLOADED_CLOSURE = (
    "is true, so that propeller reads each workflow as it was registered, without the queue that FlyteAdmin has found "
    "for the execution: no AWS Batch task runs; set it to false"
)


def queue_difference_advice(settings: AdminSettings, explanation: Explanation) -> str:
    """Where a real server would choose otherwise: which queue, why, and how to get the documented one there."""
    if explanation.matching == FLYTEADMIN:
        return ""
    real = match_queue(settings, explanation.execution, FLYTEADMIN)
    if real.explained_queues == explanation.explained_queues:
        return ""
    who = explanation.execution
    wanted = _named_queues(explanation)
    return (
        f"FlyteAdmin 1.16 would send {who.workflow or 'this'} in {who.project}/{who.domain} to {_named_queues(real)}, "
        f"not to {wanted}{_difference_reason(real)}. To have {wanted} there, keep only the default rule in its file "
        "and store the others as attributes: `flyte-awsbatch queue export --attributes DIR` writes them, "
        "`flytectl update execution-queue-attribute --attrFile DIR/FILE` stores them."
    )


def _difference_reason(real: Explanation) -> str:
    """What of a server's ways led it elsewhere, told by the rule that it follows."""
    rule = next((verdict for verdict in real.verdicts if verdict.decided), None)
    if rule is None:
        return ": no rule that it follows finds a queue"
    place = f" at {rule.where}" if rule.where.file else ""
    if rule.kind == "override":
        return f": it follows the attribute{place} and takes the first of its tags that a queue has"
    ignored = " without reading its project and workflowName" if UNREAD in rule.reason else ""
    return f": it follows the rule{place} ({rule.rule}){ignored}"


def _named_queues(explanation: Explanation) -> str:
    names = sorted(explanation.explained_queues)
    if names == [""]:
        return "no queue"
    return " or ".join(f"`{name}`" for name in names)


def no_queue_advice(settings: AdminSettings, explanation: Explanation) -> str:
    """The lines that would give the execution a queue."""
    execution = explanation.execution
    asked = f"no queue for {execution.project}/{execution.domain}, workflow {execution.workflow or 'unnamed'}: "
    if settings.server.offloaded_closure:
        return f"{asked}flyteadmin.useOffloadedWorkflowClosure {OFFLOADED_CLOSURE}"
    tags = [tag for queue in settings.queues if queue.dynamic for tag in queue.attributes if tag]
    if not settings.queues:
        queues = "  executionQueues:\n    - dynamic: default\n      attributes: [default]\n"
        return f"{asked}the settings name none; add\nqueues:\n{queues}{_default_rule('default')}"
    if not tags:
        tagged = "give one of the queues `attributes: [default]`, since rules find queues by their tags, and add"
        return f"{asked}{tagged}\nqueues:\n{_default_rule('default')}"
    tag = "default" if "default" in tags else tags[0]
    return f"{asked}no rule for it finds one; add a rule for every execution\nqueues:\n{_default_rule(tag)}"


def _default_rule(tag: str) -> str:
    return f"  workflowConfigs:\n    - tags: [{tag}]\n"
