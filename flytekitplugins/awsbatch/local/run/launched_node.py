"""A node as FlyteAdmin launches it and propeller is asked to run it: the same in a run and in a plan of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyteidl.core import literals_pb2, tasks_pb2

from flytekitplugins.awsbatch.admin.admin_settings import AdminSettings
from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.launch_decision import Decision
from flytekitplugins.awsbatch.propeller.compiled_interface import strip_compiled_interface
from flytekitplugins.awsbatch.propeller.node.node_request import ExecutionId, NodeRequest

from ..deployment.locations import Locations
from ..identity.node_identity import Place
from ..task_resources import check_task_resources, handler_resource_requirements, settle_task_resources

if TYPE_CHECKING:
    from flytekit.core.base_task import PythonTask


def settle_launched_resources(template: tasks_pb2.TaskTemplate, admin: AdminSettings) -> None:
    """Writes FlyteAdmin's `task_resources` into a template. Raises RefusedError for one that it would not register."""
    if resources := admin.task_resources:
        check_task_resources(template, resources)
        settle_task_resources(template.container.resources, resources)


def launched_node_request(
    task: PythonTask[Any],
    place: Place,
    template: tasks_pb2.TaskTemplate,
    inputs: literals_pb2.LiteralMap,
    who: LaunchedExecution,
    where: Locations,
    admin: AdminSettings,
    decision: Decision,
) -> NodeRequest:
    """:param template: with its queue and resources; its interface becomes that of the compiled workflow."""
    strip_compiled_interface(template.interface)
    return NodeRequest(
        execution=ExecutionId(who.project, who.domain, who.name),
        workflow=who.workflow,
        node_id=place.node_id,
        parents=place.parents,
        template=template,
        inputs=inputs,
        metadata_prefix=where.metadata_prefix(who.name),
        raw_output_prefix=where.raw_output_prefix(who.name),
        iam_role=decision.role.iam_role or None,
        annotations=decision.role.annotations,
        override_resources=place.resources,
        platform_resources=handler_resource_requirements(admin.task_resources) if admin.task_resources else None,
        retries=place.retries(task),
        timeout=place.timeout(task),
    )
