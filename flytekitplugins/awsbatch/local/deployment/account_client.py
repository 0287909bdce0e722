"""The client for the jobs of a past run that ran in an account, or at a URL: what its record says of where that was."""

from __future__ import annotations

from flytekitplugins.awsbatch.batch.aws import SHORT_PATIENCE, AwsBatch
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED

from ..history.past_runs import NodeInfo, RunInfo
from ..history.record import RunRecord
from ..home import Home
from .backend import AWS


def client_of(run: RunInfo) -> AwsBatch | None:
    """None where the jobs were this machine's. Raises BatchError where there can be no client."""
    if run.endpoint is None:
        return None
    url = None if run.endpoint == AWS else run.endpoint
    return AwsBatch(run.region or None, endpoint_url=url, patience=SHORT_PATIENCE)


def terminate_jobs(home: Home, run: RunInfo, client: AwsBatch) -> list[NodeInfo]:
    """Terminates the jobs of a run that have not ended; returns their nodes. Raises BatchError, UnreachableError."""
    record = RunRecord(home.run(run.name))
    ended = []
    for node in run.nodes:
        known = client.describe_jobs(jobs=[node.job_id])["jobs"] if node.job_id else []
        if known and known[0]["status"] not in ENDED:
            client.terminate_job(jobId=known[0]["jobId"], reason="Aborted")
            record.write_node(node.node, {**node.record, "status": "aborted"})
            ended.append(node)
    return ended
