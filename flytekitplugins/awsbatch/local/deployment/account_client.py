"""The client for the jobs of a past run in an account, or at a URL: the record of the run says where that was."""

from __future__ import annotations

from dataclasses import replace

from flytekitplugins.awsbatch.batch.aws import SHORT_WAIT_SECONDS, AwsBatch
from flytekitplugins.awsbatch.batch.emulator.job_model import ENDED
from flytekitplugins.awsbatch.propeller.aws_array.handler import ABORTED

from ..history.past_runs import NodeInfo, RunInfo
from ..history.record import RunRecord
from ..home import Home
from .account_backend import account_backend_lag
from .backend import AWS
from .submissions import Submissions


def account_client_of(run: RunInfo) -> AwsBatch | None:
    """The client; None where the jobs ran on this machine. Raises BatchError where there can be no client."""
    if run.endpoint is None:
        return None
    url = None if run.endpoint == AWS else run.endpoint
    return AwsBatch(run.region or None, endpoint_url=url, wait_seconds=SHORT_WAIT_SECONDS)


def terminate_account_jobs(home: Home, run: RunInfo, client: AwsBatch) -> list[NodeInfo]:
    """Terminates the jobs of a run that have not ended; returns their nodes, with the jobs' ids. Raises BatchError,
    UnreachableError."""
    record = RunRecord(home.run(run.name))
    ended = []
    for node in run.nodes:
        job_id = node.job_id or _never_written_down(node, client)
        known = client.describe_jobs(jobs=[job_id])["jobs"] if job_id else []
        if known and known[0]["status"] not in ENDED:
            client.terminate_job(jobId=known[0]["jobId"], reason=ABORTED)
            record.write_node(node.node, {**node.record, "status": "aborted", "job_id": job_id})
            ended.append(replace(node, job_id=job_id))
    return ended


def _never_written_down(node: NodeInfo, client: AwsBatch) -> str | None:
    """The job of a node whose process was killed between the submit and the record of it."""
    queue = (node.record.get("queue") or {}).get("queue")
    if not queue or not node.job_name or node.status not in ("interrupted", "running"):
        return None
    found = Submissions(client, lag=account_backend_lag(client)).named(queue, node.job_name)
    return None if found is None else found["jobId"]
