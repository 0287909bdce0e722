"""What the commands about past runs share: the home, its local AWS Batch, and which execution or job a person means.

The beginning of a name is enough where no other has it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager

import rich_click as click

from flytekitplugins.awsbatch.batch.api import BatchCalls, BatchError, UnreachableError
from flytekitplugins.awsbatch.batch.emulator.job_model import JobLook
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.store.database import UnusableHomeError
from flytekitplugins.awsbatch.local import home as homes
from flytekitplugins.awsbatch.local.deployment.account_client import account_client_of
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.history.children import look_at_children
from flytekitplugins.awsbatch.local.history.record import RecordError
from flytekitplugins.awsbatch.local.history.run_reader import RunReader

from .common import fail_command


def home_of_command() -> homes.Home:
    return homes.home_from_environment(os.environ)


@contextlib.contextmanager
def ending_on_failure() -> Iterator[None]:
    """Ends the command with a sentence if the block finds something wrong with a home, an execution or a job."""
    try:
        yield
    except (past_runs.UnknownRunError, homes.HomeError, RecordError, UnusableHomeError) as error:
        fail_command(str(error))
    except (BatchError, UnreachableError) as error:
        fail_command(f"AWS Batch does not answer: {error}")
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        fail_command(f"{error.filename or home_of_command().path}: {error.strerror}")


def batch_of_home() -> AbstractContextManager[LocalBatch | None]:
    """The home's local AWS Batch, for reading; None when no job was ever submitted to it."""
    home = home_of_command()
    if not home.database.exists():
        return contextlib.nullcontext()
    return contextlib.closing(LocalBatch(home.batch, reading=True))


def batch_of_home_run(run: past_runs.RunInfo) -> AbstractContextManager[BatchCalls | None]:
    """The AWS Batch that has a run's jobs, for reading: the account's, or the home's as `batch_of_home` gives it."""
    client = account_client_of(run)
    return batch_of_home() if client is None else contextlib.nullcontext(client)


def reader_of_home_run(run: past_runs.RunInfo, children: bool) -> RunReader:
    """Reads a run with what the AWS Batch that has its jobs says now.

    :param children: whether the children of arrays in an account are asked for, a hundred with each call.
    """
    client = account_client_of(run)

    def ask(job_id: str) -> JobLook | None:
        assert client is not None
        known = client.describe_jobs(jobs=[job_id])["jobs"]
        size = known[0].get("arrayProperties", {}).get("size", 0) if known and children else 0
        return look_at_children(known[0], tuple(client.children_of_array(job_id, size))) if known else None

    return RunReader(home_of_command(), look=None if client is None else ask)


def home_run_with_job(job: str) -> tuple[past_runs.RunInfo, str] | None:
    """The run in an account that has a job, and the job's whole id with its `:INDEX`. Raises UnknownRunError for
    several."""
    beginning, colon, index = job.partition(":")
    found = {
        node.job_id: run
        for run in past_runs.past_runs_of(home_of_command())
        if run.endpoint is not None
        for node in run.nodes
        if node.job_id
    }
    job_id = past_runs.the_one_past_run("jobs", beginning, found)
    return (found[job_id], f"{job_id}{colon}{index}") if job_id else None


workflow_option = click.option(
    "--workflow", metavar="NAME", help="Only executions of this workflow; the last part of its name is enough."
)


def is_of_workflow(run: past_runs.RunInfo, workflow: str | None) -> bool:
    return workflow is None or f".{run.workflow}".endswith(f".{workflow}")


def home_run_named(execution: str | None, workflow: str | None = None) -> past_runs.RunInfo:
    """The execution, or the newest, or the newest of a workflow. Raises UnknownRunError, HomeError, RecordError."""
    home = home_of_command()
    if execution is None and workflow is not None:
        found = next((run for run in past_runs.past_runs_of(home) if is_of_workflow(run, workflow)), None)
        if found is None:
            raise past_runs.UnknownRunError(f"{home.path} has no execution of {workflow!r}.")
        return found
    return past_runs.past_run(
        home, None if execution is None else past_runs.past_run_named(home, execution) or execution
    )


def home_job_named(batch: LocalBatch, name: str) -> str | None:
    """The whole id of a job, `:INDEX` kept; None when there is no such job. Raises UnknownRunError for several."""
    job_id, colon, index = name.partition(":")
    if not batch.describe_jobs(jobs=[job_id])["jobs"]:
        job_id = past_runs.the_one_past_run("jobs", job_id, _home_job_ids(batch)) or ""
    found = f"{job_id}{colon}{index}" if job_id else ""
    return found if found and batch.describe_jobs(jobs=[found])["jobs"] else None


def _home_job_ids(batch: LocalBatch) -> Iterator[str]:
    """The ids of all jobs that the service knows, arrays without their children."""
    queues = [queue for page in batch.all_pages("DescribeJobQueues", {}) for queue in page["jobQueues"]]
    for queue in queues:
        every = {"jobQueue": queue["jobQueueName"], "filters": [{"name": "AFTER_CREATED_AT", "values": ["0"]}]}
        for page in batch.all_pages("ListJobs", every):
            yield from (job["jobId"] for job in page["jobSummaryList"])
