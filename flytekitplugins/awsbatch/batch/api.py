"""AWS Batch as its callers see it: boto3's own method names, arguments and shapes.

`batch.emulator` (the local service) and `batch.aws` (a real account) implement it. A caller does not know which of the
two answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

# As many jobs as one DescribeJobs call takes.
MOST_IDS = 100


class BatchError(Exception):
    """What AWS Batch answers instead of a result.

    :param code: AWS's error type: `ClientException` (the request is wrong, HTTP 400), `ServerException` (500),
        `TooManyRequestsException` (429), or what an account's gateway adds (`AccessDeniedException`, ...).
    :param message: AWS's sentence.
    :param status: the HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return BatchError, (self.code, self.message, self.status)

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later (throttling and faults of the service)."""
        return self.status == 429 or self.status >= 500


class UnreachableError(Exception):
    """AWS Batch cannot be asked any more, though what was submitted runs on: credentials have expired and cannot be
    renewed, or the network has been away for too long. No BatchError, since no later round of the handler helps.
    """


def _operation(name: str) -> Any:
    def call(self: BatchCalls, **request: Any) -> dict[str, Any]:
        return self.call(name, request)

    call.__doc__ = f"AWS Batch's {name}: arguments and answer are boto3's. Raises BatchError."
    return call


class BatchCalls:
    """Every operation that AWS Batch has for container jobs, by boto3's method name, over one `call` by AWS's name."""

    @property
    def region(self) -> str:
        raise NotImplementedError

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Raises BatchError."""
        raise NotImplementedError

    def all_pages(self, operation: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """An answer page by page. Raises BatchError."""
        answer = self.call(operation, request)
        yield answer
        while token := answer.get("nextToken"):
            answer = self.call(operation, {**request, "nextToken": token})
            yield answer

    def children_of_array(self, job_id: str, size: int) -> Iterator[dict[str, Any]]:
        """What DescribeJobs says of each child, asked for as many as one call takes. Raises BatchError."""
        for first in range(0, size, MOST_IDS):
            ids = [f"{job_id}:{index}" for index in range(first, min(first + MOST_IDS, size))]
            yield from self.call("DescribeJobs", {"jobs": ids})["jobs"]

    cancel_job = _operation("CancelJob")
    cancel_jobs = _operation("CancelJobs")
    create_compute_environment = _operation("CreateComputeEnvironment")
    create_job_queue = _operation("CreateJobQueue")
    delete_compute_environment = _operation("DeleteComputeEnvironment")
    delete_job_queue = _operation("DeleteJobQueue")
    deregister_job_definition = _operation("DeregisterJobDefinition")
    describe_compute_environments = _operation("DescribeComputeEnvironments")
    describe_job_definitions = _operation("DescribeJobDefinitions")
    describe_job_queues = _operation("DescribeJobQueues")
    describe_jobs = _operation("DescribeJobs")
    list_jobs = _operation("ListJobs")
    list_tags_for_resource = _operation("ListTagsForResource")
    register_job_definition = _operation("RegisterJobDefinition")
    submit_job = _operation("SubmitJob")
    tag_resource = _operation("TagResource")
    terminate_job = _operation("TerminateJob")
    terminate_jobs = _operation("TerminateJobs")
    untag_resource = _operation("UntagResource")
    update_compute_environment = _operation("UpdateComputeEnvironment")
    update_job_queue = _operation("UpdateJobQueue")


class JobEvents(Protocol):
    """Wakes a reader when jobs change, so that a service in the same process need not be polled."""

    def wait(self, job_id: str, seen: int, timeout: float, quiet: float = 0.0) -> int:
        """The number of changes so far of this job and its children: at once when it is not `seen`, else after the next
        change or `timeout` seconds, or when the service closes.

        :param quiet: for so many of these seconds only the job's end counts as a change.
        """
        ...

    def changed(self, job_id: str, seen: int) -> tuple[int, list[int]] | None:
        """The number of changes so far of an array job, and the indexes of the children that have changed since the
        first `seen` changes. None when that is not known.
        """
        ...
