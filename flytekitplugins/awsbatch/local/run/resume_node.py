"""Starting a node, or resuming it from what an earlier process left of it and of its job.

`history.resume` decides what still counts; here jobs are adopted, or ended where they do not count any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flytekitplugins.awsbatch.propeller.node.names import propeller_generated_name, propeller_unique_node_id
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution, Observer
from flytekitplugins.awsbatch.propeller.storage import StorageError

from ..history.resume import EarlierRun

if TYPE_CHECKING:
    from flytekitplugins.awsbatch.propeller.node.node_request import NodeRequest

    from ..deployment.opening import Deployment


@dataclass(frozen=True)
class ResumedNode:
    """
    :param note: a line for the user.
    :param written: the node has ended, and its record says so.
    """

    node: NodeExecution
    note: str = ""
    written: bool = False


def resume_node(
    deployment: Deployment, request: NodeRequest, before: EarlierRun | None, observer: Observer
) -> ResumedNode:
    """The node, ready to run, or ended already with the outputs that it has. Raises ResumeError."""
    services = deployment.services
    if before is None:
        return ResumedNode(NodeExecution(request, services, observer=observer))
    note = ""
    request = replace(request, attempt=before.attempt)
    if before.snapshot is not None and before.snapshot.ended and not before.restart_reason:
        try:
            node = NodeExecution(request, services, saved=before.snapshot, observer=observer)
            return ResumedNode(node, "succeeded before, its outputs are used again", before.succeeded)
        except StorageError:
            before = before.restarted("the outputs that it had are gone")
    if (
        before.job_id is not None
        and not before.restart_reason
        and (problem := deployment.backend.resume_job(before.job_id))
    ):
        before = before.restarted(problem)
    if before.restart_reason:
        if before.job_id is not None:
            deployment.backend.end_job(before.job_id)
        note = f"starts over, {before.restart_reason}"
    request = replace(request, attempt=before.attempt)
    # An earlier process may have submitted a job and been killed before it wrote the job's id down.
    attempt = before.snapshot.attempt if before.snapshot is not None else before.attempt
    node_id = propeller_unique_node_id(request.parents, request.node_id)
    deployment.submissions.expect_submission(propeller_generated_name(request.execution.name, node_id, attempt))
    return ResumedNode(NodeExecution(request, services, saved=before.snapshot, observer=observer), note)
