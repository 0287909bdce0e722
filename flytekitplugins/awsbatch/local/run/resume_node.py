"""Beginning a node, or going on with what an earlier process left of it and of its job.

What counts is decided in `resume`; here jobs are taken over, or ended where they do not count any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED
from flytekitplugins.awsbatch.propeller.node.names import current_node_id, generated_name
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution, Observer
from flytekitplugins.awsbatch.propeller.storage import StorageError

from ..history.resume import Past, ResumeError

if TYPE_CHECKING:
    from flytekitplugins.awsbatch.propeller.node.node_request import NodeRequest

    from ..deployment.opening import Deployment


@dataclass(frozen=True)
class TakenUp:
    """
    :param note: what a person should know about it.
    :param written: the node has ended, and its record says so.
    """

    node: NodeExecution
    note: str = ""
    written: bool = False


def take_up(deployment: Deployment, request: NodeRequest, before: Past | None, observer: Observer) -> TakenUp:
    """The node, ready to run, or ended already with the outputs that it has. Raises ResumeError."""
    services = deployment.services
    if before is None:
        return TakenUp(NodeExecution(request, services, observer=observer))
    note = ""
    request = replace(request, attempt=before.attempt)
    if before.snapshot is not None and before.snapshot.ended and not before.anew:
        try:
            node = NodeExecution(request, services, saved=before.snapshot, observer=observer)
            return TakenUp(node, "succeeded before, its outputs are used again", before.succeeded)
        except StorageError:
            before = before.again("the outputs that it had are gone")
    if before.job_id is not None and deployment.local_batch is not None and not before.anew:
        before = _go_on_with_job(deployment, before, before.job_id)
    if before.anew:
        _end_job(deployment, before.job_id)
        note = f"runs anew, {before.anew}"
    request = replace(request, attempt=before.attempt)
    # An earlier process may have submitted a job whose id it did not come to write down.
    attempt = before.snapshot.attempt if before.snapshot is not None else before.attempt
    node_id = current_node_id(request.parents, request.node_id, request.event_version)
    deployment.submissions.expect(generated_name(request.execution.name, node_id, attempt))
    if before.snapshot is None:
        return TakenUp(NodeExecution(request, services, observer=observer), note)
    return TakenUp(NodeExecution(request, services, saved=before.snapshot, observer=observer), note)


def _go_on_with_job(deployment: Deployment, before: Past, job_id: str) -> Past:
    """Has this process's service run what is left of the job."""
    batch = deployment.local_batch
    assert batch is not None
    taken = batch.adopt([job_id])
    known = batch.calls.without_faults("DescribeJobs", {"jobs": [job_id]})["jobs"]
    if not known:
        return before.again("the local AWS Batch does not know its job any more")
    if not taken and known[0]["status"] not in ENDED:
        raise ResumeError(
            f"Job {job_id} is still run by another process. Look for what is left of the run that was interrupted, "
            f"and try again when it has gone."
        )
    return before


def _end_job(deployment: Deployment, job_id: str | None) -> None:
    """What does not count any more need not run."""
    if job_id is not None:
        if deployment.local_batch is not None:
            deployment.local_batch.adopt([job_id])
        deployment.batch.terminate_job(jobId=job_id, reason="Aborted")
