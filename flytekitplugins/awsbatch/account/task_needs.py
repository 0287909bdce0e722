"""What the tasks of a user's modules ask of AWS Batch: loaded as `flyte-awsbatch lint` loads them, sized as the handler
sizes their jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flyteidl.core.tasks_pb2 import Resources
from flytekit.core.context_manager import FlyteEntities
from flytekit.core.node import Node
from flytekit.core.resources import convert_resources_to_resource_model
from flytekit.core.workflow import WorkflowBase

from flytekitplugins.awsbatch.admin.queue_matching import match_queue
from flytekitplugins.awsbatch.lint.program import program_nodes_of, runs_on_batch
from flytekitplugins.awsbatch.lint.targets import target_of
from flytekitplugins.awsbatch.local.all_settings import Settings
from flytekitplugins.awsbatch.local.task_resources import handler_resource_requirements, settle_task_resources
from flytekitplugins.awsbatch.propeller.aws_array.job_resources import job_resources
from flytekitplugins.awsbatch.propeller.aws_array.requirements import ResourceRequirements

from .walk import TaskNeed


def task_needs(targets: Sequence[str], settings: Settings) -> tuple[TaskNeed, ...]:
    """The needs of all tasks for AWS Batch in some files, folders or modules.

    Raises TargetError for a target that is not there, and whatever importing it raises.
    """
    before = len(FlyteEntities.entities)
    for target in map(target_of, targets):
        with target.importable():
            for module in target.modules:
                target.load(module)
    entities = FlyteEntities.entities[before:]
    needs: list[TaskNeed] = []
    called = set()
    for workflow in (one for one in entities if isinstance(one, WorkflowBase)):
        workflow.compile()
        for node in _nodes_below(workflow):
            if runs_on_batch(node.flyte_entity):
                called.add(_inner_task(node.flyte_entity).name)
                needs.append(_task_need_of(node.flyte_entity, workflow.name, settings, node))
    alone = [one for one in entities if runs_on_batch(one) and _inner_task(one).name not in called]
    needs += [_task_need_of(one, f".flytegen.{one.name}", settings) for one in alone]
    return tuple(dict.fromkeys(needs))


def _nodes_below(workflow: WorkflowBase) -> Iterator[Node]:
    """The nodes of a workflow and of the workflows that run in the same execution."""
    for node in program_nodes_of(workflow):
        if isinstance(node.flyte_entity, WorkflowBase):
            yield from _nodes_below(node.flyte_entity)
        else:
            yield node


def _inner_task(task: Any) -> Any:
    """The task whose function runs: of a map task the mapped one."""
    return getattr(task, "run_task", task)


def _task_need_of(task: Any, workflow: str, settings: Settings, node: Node | None = None) -> TaskNeed:
    """:param node: the node whose `with_overrides` counts too."""
    inner, admin = _inner_task(task), settings.admin
    resources: Resources = convert_resources_to_resource_model(
        requests=inner.resources.requests, limits=inner.resources.limits
    ).to_flyte_idl()
    platform = admin.task_resources
    if platform:
        settle_task_resources(resources, platform)
    overrides = node._resources if node else None
    job = job_resources(
        resources,
        ResourceRequirements.from_template(overrides.to_flyte_idl()) if overrides else None,
        handler_resource_requirements(platform) if platform else None,
        settings.handler.k8s,
    )
    queues = sorted(match_queue(admin, admin.emulator.launched(workflow)).explained_queues - {""})
    # flytekit's legacy map may map a plain task.
    share = str((getattr(inner.task_config, "extra", None) or {}).get("shareIdentifier", ""))
    capability = getattr(inner.task_config, "platformCapabilities", "EC2")
    return TaskNeed(inner.name, job.vcpus, job.memory, capability, share, tuple(queues))
