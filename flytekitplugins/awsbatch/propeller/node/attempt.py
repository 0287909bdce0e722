"""An attempt of a node as the handler sees it: its name, its folders, its checkpoint (`taskexec_context.go`). Pure."""

from __future__ import annotations

from ..aws_array.task_context import TaskContext
from ..storage import storage_checkpoint_prefix
from .names import propeller_generated_name, propeller_unique_node_id
from .node_request import NodeRequest
from .paths import Join, node_path_of_execution, node_paths, node_raw_output_prefix

TASK_FILE = "task.pb"


def attempt_context(request: NodeRequest, join: Join, attempt: int) -> TaskContext:
    """
    :param join: the storage's way of joining references.
    :param attempt: the node's, from 0; each has a name and an output folder of its own.
    """
    execution = request.execution
    node = propeller_unique_node_id(request.parents, request.node_id)
    name = propeller_generated_name(execution.name, node, attempt)
    folder = node_path_of_execution(join, request.metadata_prefix, execution)
    data, outputs = node_paths(join, folder, request.parents, request.node_id, attempt)
    return TaskContext(
        template=request.template,
        name=name,
        project=execution.project,
        domain=execution.domain,
        execution=execution.name,
        attempt=attempt,
        input_prefix=data,
        output_prefix=outputs,
        raw_output_prefix=node_raw_output_prefix(join, request.raw_output_prefix, name),
        task_path=join(data, TASK_FILE),
        task_id=request.template.id if request.template.HasField("id") else None,
        workflow=request.workflow and f"{execution.project}:{execution.domain}:{request.workflow}",
        namespace=f"{execution.project}-{execution.domain}",
        previous_checkpoint=_previous_checkpoint(request, join, node, attempt),
        iam_role=request.iam_role,
        annotations=request.annotations,
        override_resources=request.override_resources,
        platform_resources=request.platform_resources,
        job_tags=request.job_tags,
    )


def _previous_checkpoint(request: NodeRequest, join: Join, node: str, attempt: int) -> str:
    """The checkpoints of the attempt before; "" for the first."""
    if attempt == 0:
        return ""
    before = propeller_generated_name(request.execution.name, node, attempt - 1)
    return storage_checkpoint_prefix(join, node_raw_output_prefix(join, request.raw_output_prefix, before))
