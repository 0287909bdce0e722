"""What is wrong or doubtful in a deployment's settings although each value by itself can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.yaml_nodes import Mark

from .admin_settings import AdminSettings, ExecutionQueue
from .advice import OFFLOADED_CLOSURE
from .enabled_plugins import enabled_plugin_of
from .queue_rules import Rule

# AWS Batch, CreateJobQueue: up to 128 letters, numbers, hyphens and underscores, beginning with a letter or number;
# SubmitJob takes an ARN too.
_NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
QUEUE_NAME = re.compile(rf"{_NAME}|arn:aws[a-z-]*:batch:[a-z0-9-]+:\d{{12}}:job-queue/{_NAME}")
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/\S+")


def admin_role_key_faults(settings: AdminSettings) -> Iterator[Problem]:
    """What no deployment can mean: the server writes the role where the handler does not look."""
    server, handler = settings.server.role_name_key, settings.handler.role_annotation_key
    if server is None or handler is None or server == handler:
        return
    expected = (
        f"expected {server!r}, which is flyteadmin.roleNameKey in {settings.server.where}: FlyteAdmin writes the role "
        "under its key and the handler looks under this one; change one of the two files"
    )
    yield Problem.at(settings.handler.where, "plugins.aws.batch.roleAnnotationKey", expected, repr(handler))


def admin_deployment_faults(settings: AdminSettings) -> Iterator[Problem]:
    """What would go wrong on a cluster or in an account."""
    yield from _queue_faults(settings)
    if settings.server.offloaded_closure:
        yield Problem.at(settings.server.where, "flyteadmin.useOffloadedWorkflowClosure", OFFLOADED_CLOSURE)
    tags = {tag for queue in settings.queues for tag in queue.attributes}
    for place, rule in enumerate(settings.rules):
        yield from _rule_faults(rule, f"queues.workflowConfigs[{place}]", tags)
    for override in settings.overrides:
        if not set(override.tags) & tags:
            expected = "expected a tag that a queue has in its attributes"
            yield Problem.at(override.where, f"tags for {override.scope}", expected, ", ".join(override.tags) or "none")
    yield from admin_role_faults(settings)
    yield from _plugin_faults(settings)


def _queue_faults(settings: AdminSettings) -> Iterator[Problem]:
    if not settings.queues:
        yield Problem.at(Mark(), "queues.executionQueues", "names no job queue, so no task can run on AWS Batch")
    for place, queue in enumerate(settings.queues):
        path = f"queues.executionQueues[{place}]"
        if not QUEUE_NAME.fullmatch(queue.dynamic):
            yield _no_queue_name(place, queue)
        if not queue.attributes:
            yield Problem.at(
                queue.where, f"{path}.attributes", "expected at least one tag, by which rules find the queue"
            )


def admin_misnamed_queues(settings: AdminSettings) -> Iterator[Problem]:
    """Queues that neither AWS nor the local AWS Batch can have."""
    for place, queue in enumerate(settings.queues):
        if queue.dynamic and not QUEUE_NAME.fullmatch(queue.dynamic):
            yield _no_queue_name(place, queue)


def _no_queue_name(place: int, queue: ExecutionQueue) -> Problem:
    expected = "expected an AWS Batch job queue: its name (letters, numbers, - and _) or its ARN"
    return Problem.at(queue.where, f"queues.executionQueues[{place}].dynamic", expected, repr(queue.dynamic))


def _rule_faults(rule: Rule, path: str, tags: set[str]) -> Iterator[Problem]:
    if not rule.tags:
        yield Problem.at(rule.where, f"{path}.tags", "expected the tags of a queue; without them the rule finds none")
    missing = [tag for tag in rule.tags if tag not in tags]
    if missing:
        yield Problem.at(
            rule.where, f"{path}.tags", "expected tags that a queue has in its attributes", ", ".join(missing)
        )


def admin_role_faults(settings: AdminSettings) -> Iterator[Problem]:
    for key, role, place in (
        ("flyteadmin.assumableIamRole", settings.server.assumable_iam_role, settings.server.where),
        ("emulator.role", settings.emulator.role, settings.emulator.where),
    ):
        if role and not ROLE_ARN.fullmatch(role):
            yield Problem.at(place, key, "expected a role's full ARN: arn:aws:iam::<account>:role/<name>", repr(role))


def _plugin_faults(settings: AdminSettings) -> Iterator[Problem]:
    for task_type in (wire.ARRAY_TASK_TYPE, wire.SINGLE_TASK_TYPE):
        handler = enabled_plugin_of(task_type, settings.task_plugins)
        if handler.error:
            place = settings.task_plugins.where if settings.task_plugins else Mark()
            yield Problem.at(place, f"tasks.task-plugins ({task_type})", f"{handler.error}; {handler.help}")


def admin_deployment_advice(settings: AdminSettings) -> Iterator[Problem]:
    """What works here and deserves a word: chiefly where a 1.16 server does something else."""
    ignored = [rule for rule in settings.rules if rule.project or rule.workflow]
    for rule in ignored[:1]:
        count = f"this and {len(ignored) - 1} more" if len(ignored) > 1 else "this rule"
        expected = (
            f"FlyteAdmin 1.16 does not read project and workflowName ({count}); `flyte-awsbatch queue export "
            "--attributes DIR` writes them as attributes, which it does read"
        )
        yield Problem.at(rule.where, str(rule), expected)
    for place, rule in enumerate(settings.rules):
        if rule.domain and rule.domain not in settings.domains:
            expected = f"is no domain of this deployment ({', '.join(settings.domains)})"
            yield Problem.at(rule.where, f"queues.workflowConfigs[{place}].domain", expected, repr(rule.domain))
    if settings.queues and not any(not (rule.project or rule.domain or rule.workflow) for rule in settings.rules):
        yield Problem.at(Mark(), "queues.workflowConfigs", "has no default rule: executions that no rule is for fail")
    yield from _missing_keys(settings)
    for task_type in (wire.ARRAY_TASK_TYPE, wire.SINGLE_TASK_TYPE):
        note = enabled_plugin_of(task_type, settings.task_plugins).note
        if note and settings.task_plugins:
            yield Problem.at(settings.task_plugins.where, "tasks.task-plugins.default-for-task-types", note)


def _missing_keys(settings: AdminSettings) -> Iterator[Problem]:
    server, handler = settings.server.role_name_key, settings.handler.role_annotation_key
    if not server:
        yield Problem.at(Mark(), "flyteadmin.roleNameKey", "is not set: FlyteAdmin writes the role under an empty key")
    if not handler:
        expected = "is not set: the handler finds a role only in the security context, not in annotations"
        yield Problem.at(Mark(), "plugins.aws.batch.roleAnnotationKey", expected)
    if settings.task_plugins is None:
        expected = "is not set: on a cluster aws_array has to be enabled and made the default for both task types"
        yield Problem.at(Mark(), "tasks.task-plugins", expected)
    if not settings.emulator.role and not settings.server.assumable_iam_role:
        expected = "is not set: a launch has to name a role itself, since for AWS Batch an IAM role must be specified"
        yield Problem.at(Mark(), "emulator.role", expected)
