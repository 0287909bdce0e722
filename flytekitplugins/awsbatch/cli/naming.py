"""Which execution or job a person means who typed the beginning of its name: any that no other has will do."""

from __future__ import annotations

from collections.abc import Iterator

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local.history import past_runs

from .home_access import the_home


def run_of(execution: str | None) -> past_runs.RunInfo:
    """The execution, or the newest. Raises UnknownRunError, HomeError, RecordError."""
    home = the_home()
    return past_runs.run(home, None if execution is None else past_runs.named(home, execution) or execution)


def job_named(batch: LocalBatch, name: str) -> str | None:
    """The whole id of a job, `:INDEX` kept; None when there is no such job. Raises UnknownRunError for several."""
    job_id, colon, index = name.partition(":")
    if not batch.describe_jobs(jobs=[job_id])["jobs"]:
        job_id = past_runs.the_one("jobs", job_id, job_ids(batch)) or ""
    found = f"{job_id}{colon}{index}" if job_id else ""
    return found if found and batch.describe_jobs(jobs=[found])["jobs"] else None


def job_ids(batch: LocalBatch) -> Iterator[str]:
    """Of all jobs that the service knows, arrays without their children."""
    for queue in batch.calls.without_faults("DescribeJobQueues", {})["jobQueues"]:
        every = {"jobQueue": queue["jobQueueName"], "filters": [{"name": "AFTER_CREATED_AT", "values": ["0"]}]}
        answer = batch.calls.without_faults("ListJobs", every)
        yield from (job["jobId"] for job in answer["jobSummaryList"])
        while answer.get("nextToken"):
            answer = batch.calls.without_faults("ListJobs", {**every, "nextToken": answer["nextToken"]})
            yield from (job["jobId"] for job in answer["jobSummaryList"])
