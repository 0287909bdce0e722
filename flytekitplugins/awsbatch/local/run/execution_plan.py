"""What an execution would send, as far as that is known without running anything: the queue, the role, and the
SubmitJob request of each task for AWS Batch in a workflow.

How long lists are that come out of tasks or into the execution is known in a run only, and so is what a @dynamic task
calls.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from flyteidl.core import literals_pb2
from flytekit.core.condition import BranchNode
from flytekit.core.constants import GLOBAL_INPUT_NODE_ID
from flytekit.core.launch_plan import LaunchPlan
from flytekit.core.reference_entity import ReferenceEntity
from flytekit.core.workflow import WorkflowBase

from flytekitplugins.awsbatch.admin.documented import SINGLE_TASK_PREFIX
from flytekitplugins.awsbatch.admin.enabled_plugins import enabled_plugin_of
from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.launch_decision import Decision, decide_launch, write_decided_queue
from flytekitplugins.awsbatch.admin.single_task import single_task_node_id
from flytekitplugins.awsbatch.lint.image_rules import images_missing, missing_images_message
from flytekitplugins.awsbatch.lint.lint_warnings import report_lint_findings_to
from flytekitplugins.awsbatch.propeller.aws_array.handler_errors import HandlerError
from flytekitplugins.awsbatch.propeller.aws_array.job_definition import (
    DEFAULT_PLATFORM,
    definition_name,
    definition_role,
)
from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.aws_array.submit import submit_request
from flytekitplugins.awsbatch.propeller.catalog import DiskCatalog
from flytekitplugins.awsbatch.propeller.node.attempt import attempt_context
from flytekitplugins.awsbatch.propeller.node.node_request import ParentNode
from flytekitplugins.awsbatch.propeller.node.retry_budget import max_attempts
from flytekitplugins.awsbatch.propeller.storage import SchemeStore, StorageError
from flytekitplugins.awsbatch.sdk.emulated_calls import EmulatedCalls
from flytekitplugins.awsbatch.wire import ARRAY_TASK_TYPE, PLATFORM_CAPABILITIES

from ..console.redaction import redact_request
from ..deployment.locations import Locations
from ..identity.execution_identity import role_of_launched
from ..identity.node_identity import Place, workflow_places
from ..task_resources import RefusedError
from .launched_node import launched_node_request, settle_launched_resources
from .serialise import NotLoadableError, serialise

if TYPE_CHECKING:
    from flytekit.configuration import ImageConfig
    from flytekit.core.node import Node
    from flytekit.models.literals import BindingData

    from ..all_settings import Settings

# Stands in a request for what only a run knows.
EXECUTION = "EXECUTION"
UNKNOWN = "as long as the list"


@dataclass(frozen=True)
class PlannedNode:
    """A node that would submit a job.

    :param request: by boto3's names, without secrets; empty where there is a problem.
    :param size: the array's: a number, or a phrase where only a run knows it; None for a single job.
    :param definition: what the job definition would say.
    :param attempts: how often the node is tried.
    """

    node: str
    function: str
    request: dict[str, Any] = field(default_factory=dict)
    definition: dict[str, Any] = field(default_factory=dict)
    size: int | str | None = None
    attempts: int = 1
    problem: str = ""


@dataclass(frozen=True)
class Plan:
    """:param unknown: what only a run can know, one sentence each."""

    decision: Decision
    nodes: tuple[PlannedNode, ...]
    unknown: tuple[str, ...]


def plan_workflow(
    entity: Any, settings: Settings, who: LaunchedExecution, where: Locations, images: ImageConfig
) -> Plan:
    """The plan of a workflow, a launch plan or a task, its nodes in the order in which they are written.

    :param who: the execution. Its name stands in the names of jobs and folders; "" puts a placeholder there.
    """
    decision = decide_launch(settings.admin, who, role_of_launched(entity))
    planner = _Planner(settings, who, where, images, decision)
    planned = tuple(planner.nodes(entity))
    return Plan(decision, planned, tuple(dict.fromkeys(planner.unknown)))


def planned_workflow_name(entity: Any) -> str:
    """The name of the workflow that an execution is of: FlyteAdmin makes one for a task on its own."""
    entity = entity.workflow if isinstance(entity, LaunchPlan) else entity
    return str(entity.name) if isinstance(entity, WorkflowBase) else f"{SINGLE_TASK_PREFIX}{entity.name}"


@dataclass(frozen=True)
class _Scope:
    """A workflow whose nodes are planned.

    :param node: the node that calls it in `outer`; None: it is the workflow that the execution runs.
    :param given: the inputs of its launch plan.
    """

    workflow: WorkflowBase
    parents: tuple[ParentNode, ...] = ()
    node: Node | None = None
    outer: _Scope | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    def length(self, given: BindingData | None) -> int | None:
        """The length of the list that an input of one of its nodes is bound to; None where only a run knows."""
        if given is None:
            return None
        if given.collection is not None:
            return len(given.collection.bindings)
        promise = given.promise
        if promise is None or promise.node_id != GLOBAL_INPUT_NODE_ID or promise.attr_path:
            return None
        if self.node is not None and self.outer is not None:
            return self.outer.length(_binding_of(self.node, promise.var))
        value = {**self.workflow.python_interface.default_inputs_as_kwargs, **self.given}.get(promise.var)
        return len(value) if isinstance(value, list) else None


def _binding_of(node: Node, name: str) -> BindingData | None:
    return next((each.binding for each in node.bindings if each.var == name), None)


class _NoFiles(SchemeStore):
    """A store without files: there are no inputs yet, and nothing is written."""

    def read_file(self, reference: str) -> bytes:
        return b""

    def write_file(self, reference: str, data: bytes) -> None:
        pass


class _Planner:
    def __init__(
        self, settings: Settings, who: LaunchedExecution, where: Locations, images: ImageConfig, decision: Decision
    ) -> None:
        self._settings = settings
        self._who = who
        self._where = where
        self._images = images
        self._decision = decision
        self._services = HandlerServices(
            batch=None,  # type: ignore[arg-type]  # nothing is sent
            store=_NoFiles(),
            catalog=DiskCatalog(where.home.catalog, enabled=False),
            settings=settings.handler,
        )
        self.unknown: list[str] = []

    def nodes(self, entity: Any) -> Iterator[PlannedNode]:
        if isinstance(entity, LaunchPlan):
            yield from self._of_workflow(entity.workflow, _Scope(entity.workflow, given=entity.saved_inputs))
        elif isinstance(entity, WorkflowBase):
            yield from self._of_workflow(entity, _Scope(entity))
        elif isinstance(entity, EmulatedCalls):
            yield self._planned(entity, Place(single_task_node_id(_name(entity)), single=True))

    def _of_workflow(self, workflow: WorkflowBase, scope: _Scope) -> Iterator[PlannedNode]:
        for place in workflow_places(workflow, scope.parents):
            assert place.node is not None
            if isinstance(place.node.flyte_entity, BranchNode):
                self.unknown.append(f"Which branch of {place.node_id} is taken: the nodes of all are listed.")
            else:
                yield from self._of_node(place.node, place, scope)

    def _of_node(self, node: Node, place: Place, scope: _Scope) -> Iterator[PlannedNode]:
        entity = node.flyte_entity
        if isinstance(entity, EmulatedCalls):
            yield self._planned(entity, place, scope)
        elif isinstance(entity, WorkflowBase):
            inner = _Scope(entity, (*place.parents, ParentNode(place.node_id)), node, scope)
            yield from self._of_workflow(entity, inner)
        elif isinstance(entity, LaunchPlan):
            elsewhere = isinstance(entity, ReferenceEntity)
            advice = f"{entity.name}, which is not here" if elsewhere else f"plan {entity.workflow.name}"
            self.unknown.append(f"{place.label} launches an execution of its own: {advice}.")
        elif getattr(getattr(entity, "execution_mode", None), "name", "DEFAULT") != "DEFAULT":
            self.unknown.append(f"{place.label} is @{entity.execution_mode.name.lower()}: what it calls.")

    def _planned(self, task: Any, place: Place, scope: _Scope | None = None) -> PlannedNode:
        inner = getattr(task, "run_task", task)
        function = str(inner.name.rpartition(".")[2])
        if missing := images_missing(inner, self._images):
            return PlannedNode(place.label, function, problem=f"{function} {missing_images_message(missing)}")
        try:
            return self._plan_task(task, place, function, _size(task, place, scope))
        except (HandlerError, StorageError, NotLoadableError, RefusedError, ValueError) as error:
            return PlannedNode(place.label, function, problem=str(error))

    def _plan_task(self, task: Any, place: Place, function: str, items: int | str) -> PlannedNode:
        settings, who = self._settings, self._who
        with report_lint_findings_to(lambda found: None, settings.lint_settings):
            template = serialise(task, who.project, who.domain, self._images).template
        handler = enabled_plugin_of(template.type, settings.admin.task_plugins)
        if handler.error:
            return PlannedNode(place.label, function, problem=handler.error)
        settle_launched_resources(template, settings.admin)
        write_decided_queue(template, self._decision)
        inputs, who = literals_pb2.LiteralMap(), replace(who, name=who.name or EXECUTION)
        request = launched_node_request(task, place, template, inputs, who, self._where, settings.admin, self._decision)
        context = attempt_context(request, self._services.store.join, 0)
        image = template.container.image
        definition = {
            "jobDefinitionName": definition_name(image),
            "image": image,
            "jobRoleArn": definition_role(context, settings.handler.batch.role_annotation_key),
            "platformCapabilities": [template.config.get(PLATFORM_CAPABILITIES) or DEFAULT_PLATFORM],
        }
        size = items if template.type == ARRAY_TASK_TYPE else None
        sent = submit_request(context, self._services, definition_name(image), size if isinstance(size, int) else 2)
        if isinstance(size, str):
            sent["arrayProperties"] = {"size": size}
        return PlannedNode(
            node=place.label,
            function=function,
            request=redact_request(sent, os.environ),
            definition=definition,
            size=size,
            attempts=max_attempts(template, request.retries, settings.handler.propeller.node_config),
        )


def _size(task: Any, place: Place, scope: _Scope | None) -> int | str:
    """The size of a map's array, where the workflow has the list itself."""
    if place.node is None or scope is None or not hasattr(task, "run_task"):
        return UNKNOWN
    mapped = [name for name in task.run_task.interface.inputs if name not in task.bound_inputs]
    lengths = [scope.length(_binding_of(place.node, name)) for name in mapped]
    return next((length for length in lengths if length is not None), UNKNOWN)


def _name(entity: Any) -> str:
    return str(entity.name)
