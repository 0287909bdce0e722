"""Console links and external resources of a round (`awsbatch/task_links.go`, `array/core/metadata.go`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from .compact_array import CompactArray
from .handler_errors import NIL_DEREFERENCE, PanicError
from .indexes import ChildIndex, OriginalIndex
from .job_config import job_config
from .job_store import Job, update_job_in_store
from .phases import TaskPhase
from .plugin_state import State
from .services import HandlerServices
from .task_context import TaskContext
from .transition import CacheStatus, ExternalResource, LogLink, MakeResources

_BATCH = "https://console.aws.amazon.com/batch/home?region={region}#/jobs/"
_LOGS = "https://console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group=/aws/batch/job;stream="


def job_link(size: int, account: str, region: str, queue: str, job_id: str) -> str:
    """The console's page of a job. A single job's names the queue, which is known only from the node's overrides.

    :param account: `plugins.aws.accountId`, "" where the deployment does not give it: the link is without it then.
    """
    base = _BATCH.format(region=region)
    if size > 1:
        return base + job_id
    return f"{base}queue/arn:aws:batch:{region}:{account}:job-queue~2F{queue}/job/{job_id}"


def initial_resource_links(state: State, context: TaskContext) -> tuple[ExternalResource, ...]:
    """One per list item, once the cache has been asked (`InitializeExternalResources`)."""
    if state.indexes_to_run is None:
        if state.original_size > 0:
            raise PanicError(NIL_DEREFERENCE, state.reason)
        return ()
    miss = CacheStatus.MISS if context.template.metadata.discoverable else CacheStatus.DISABLED
    to_run = set(state.indexes_to_run)
    return tuple(
        ExternalResource(OriginalIndex(index), TaskPhase.UNDEFINED, miss)
        if index in to_run
        else ExternalResource(OriginalIndex(index), TaskPhase.SUCCESS, CacheStatus.HIT)
        for index in range(state.original_size)
    )


def _child_resources(state: State, streams: Sequence[Sequence[str]], region: str) -> tuple[ExternalResource, ...]:
    """One external resource per child, with the log of each of its attempts.

    :param streams: the log streams of each child's attempts, "" where an attempt had none.
    """
    return tuple(_resource(state, ChildIndex(index), child, region) for index, child in enumerate(streams))


def resource_links_of_job(
    state: State, details: Iterable[Mapping[str, Any]], region: str
) -> tuple[ExternalResource, ...]:
    """The children's external resources of a job that ran before, from its saved state.

    :param details: what DescribeJobs says of the children, in order, or of the job where it is no array.
    """
    streams = []
    for detail in details:
        child = Job()
        update_job_in_store(child, detail)
        streams.append(child.log_streams)
    return _child_resources(state, streams[: len(state.detailed)], region)


def task_links(
    state: State, context: TaskContext, services: HandlerServices
) -> tuple[tuple[LogLink, ...], MakeResources]:
    """The job's page, and what makes the children's external resources, of which an array has thousands
    (`GetTaskLinks`)."""
    job_id = state.external_job_id
    if job_id is None:
        return (), tuple
    region = services.batch.region
    queue = job_config([], context.overrides_config).dynamic
    uri = job_link(state.execution_size, services.settings.aws.account_id, region, queue, job_id)
    job = services.jobs.get_or_create(context.name, job_id, state.execution_size)
    if len(job.children) > len(state.detailed):
        _phase(state.detailed, ChildIndex(len(state.detailed)))
    streams = [child.log_streams for child in job.children]
    return (LogLink("AWS Batch Job", uri),), partial(_child_resources, state, streams, region)


def _resource(state: State, index: ChildIndex, streams: Sequence[str], region: str) -> ExternalResource:
    original = state.original(index)
    phase = _phase(state.detailed, index)
    logs = tuple(
        LogLink(f"AWS Batch #{original}-{attempt} ({phase.flyte_name})", _LOGS.format(region=region) + stream)
        for attempt, stream in enumerate(streams)
        if stream
    )
    return ExternalResource(original, phase, retry_attempt=max(len(streams) - 1, 0), logs=logs)


def _phase(detailed: CompactArray, index: ChildIndex) -> TaskPhase:
    if index >= len(detailed):
        raise PanicError(f"Attempt to access index [{index}] in CompactArray of size [{len(detailed)}]")
    return TaskPhase(detailed.items[index])
