"""AWS Batch as its callers see it: boto3's own method names, arguments and shapes.

Implemented by `batch.emulator` (the local service) and `batch.aws` (a real account). Whoever calls through this
interface never learns which of the two answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import (
        CancelJobRequestTypeDef,
        CreateComputeEnvironmentRequestTypeDef,
        CreateComputeEnvironmentResponseTypeDef,
        CreateJobQueueRequestTypeDef,
        CreateJobQueueResponseTypeDef,
        DeleteComputeEnvironmentRequestTypeDef,
        DeleteJobQueueRequestTypeDef,
        DeregisterJobDefinitionRequestTypeDef,
        DescribeComputeEnvironmentsRequestTypeDef,
        DescribeComputeEnvironmentsResponseTypeDef,
        DescribeJobDefinitionsRequestTypeDef,
        DescribeJobDefinitionsResponseTypeDef,
        DescribeJobQueuesRequestTypeDef,
        DescribeJobQueuesResponseTypeDef,
        DescribeJobsRequestTypeDef,
        DescribeJobsResponseTypeDef,
        ListJobsRequestTypeDef,
        ListJobsResponseTypeDef,
        ListTagsForResourceRequestTypeDef,
        ListTagsForResourceResponseTypeDef,
        RegisterJobDefinitionRequestTypeDef,
        RegisterJobDefinitionResponseTypeDef,
        SubmitJobRequestTypeDef,
        SubmitJobResponseTypeDef,
        TagResourceRequestTypeDef,
        TerminateJobRequestTypeDef,
        UntagResourceRequestTypeDef,
        UpdateComputeEnvironmentRequestTypeDef,
        UpdateComputeEnvironmentResponseTypeDef,
        UpdateJobQueueRequestTypeDef,
        UpdateJobQueueResponseTypeDef,
    )
    from typing_extensions import Unpack


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

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later (throttling and faults of the service)."""
        return self.status == 429 or self.status >= 500


class BatchApi(Protocol):
    """The calls that the handler makes. All raise BatchError."""

    @property
    def region(self) -> str: ...

    @property
    def account_id(self) -> str: ...

    def register_job_definition(
        self, **request: Unpack[RegisterJobDefinitionRequestTypeDef]
    ) -> RegisterJobDefinitionResponseTypeDef: ...

    def submit_job(self, **request: Unpack[SubmitJobRequestTypeDef]) -> SubmitJobResponseTypeDef: ...

    def describe_jobs(self, **request: Unpack[DescribeJobsRequestTypeDef]) -> DescribeJobsResponseTypeDef: ...

    def list_jobs(self, **request: Unpack[ListJobsRequestTypeDef]) -> ListJobsResponseTypeDef: ...

    def terminate_job(self, **request: Unpack[TerminateJobRequestTypeDef]) -> object: ...


class BatchCalls:
    """Every operation of the service by boto3's method name, over one `call` by AWS's name. All raise BatchError."""

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def cancel_job(self, **request: Unpack[CancelJobRequestTypeDef]) -> dict[str, Any]:
        return self.call("CancelJob", cast("dict[str, Any]", request))

    def create_compute_environment(
        self, **request: Unpack[CreateComputeEnvironmentRequestTypeDef]
    ) -> CreateComputeEnvironmentResponseTypeDef:
        return cast(
            "CreateComputeEnvironmentResponseTypeDef",
            self.call("CreateComputeEnvironment", cast("dict[str, Any]", request)),
        )

    def create_job_queue(self, **request: Unpack[CreateJobQueueRequestTypeDef]) -> CreateJobQueueResponseTypeDef:
        return cast("CreateJobQueueResponseTypeDef", self.call("CreateJobQueue", cast("dict[str, Any]", request)))

    def delete_compute_environment(self, **request: Unpack[DeleteComputeEnvironmentRequestTypeDef]) -> dict[str, Any]:
        return self.call("DeleteComputeEnvironment", cast("dict[str, Any]", request))

    def delete_job_queue(self, **request: Unpack[DeleteJobQueueRequestTypeDef]) -> dict[str, Any]:
        return self.call("DeleteJobQueue", cast("dict[str, Any]", request))

    def deregister_job_definition(self, **request: Unpack[DeregisterJobDefinitionRequestTypeDef]) -> dict[str, Any]:
        return self.call("DeregisterJobDefinition", cast("dict[str, Any]", request))

    def describe_compute_environments(
        self, **request: Unpack[DescribeComputeEnvironmentsRequestTypeDef]
    ) -> DescribeComputeEnvironmentsResponseTypeDef:
        return cast(
            "DescribeComputeEnvironmentsResponseTypeDef",
            self.call("DescribeComputeEnvironments", cast("dict[str, Any]", request)),
        )

    def describe_job_definitions(
        self, **request: Unpack[DescribeJobDefinitionsRequestTypeDef]
    ) -> DescribeJobDefinitionsResponseTypeDef:
        return cast(
            "DescribeJobDefinitionsResponseTypeDef",
            self.call("DescribeJobDefinitions", cast("dict[str, Any]", request)),
        )

    def describe_job_queues(
        self, **request: Unpack[DescribeJobQueuesRequestTypeDef]
    ) -> DescribeJobQueuesResponseTypeDef:
        return cast("DescribeJobQueuesResponseTypeDef", self.call("DescribeJobQueues", cast("dict[str, Any]", request)))

    def describe_jobs(self, **request: Unpack[DescribeJobsRequestTypeDef]) -> DescribeJobsResponseTypeDef:
        return cast("DescribeJobsResponseTypeDef", self.call("DescribeJobs", cast("dict[str, Any]", request)))

    def list_jobs(self, **request: Unpack[ListJobsRequestTypeDef]) -> ListJobsResponseTypeDef:
        return cast("ListJobsResponseTypeDef", self.call("ListJobs", cast("dict[str, Any]", request)))

    def list_tags_for_resource(
        self, **request: Unpack[ListTagsForResourceRequestTypeDef]
    ) -> ListTagsForResourceResponseTypeDef:
        return cast(
            "ListTagsForResourceResponseTypeDef",
            self.call("ListTagsForResource", cast("dict[str, Any]", request)),
        )

    def register_job_definition(
        self, **request: Unpack[RegisterJobDefinitionRequestTypeDef]
    ) -> RegisterJobDefinitionResponseTypeDef:
        return cast(
            "RegisterJobDefinitionResponseTypeDef",
            self.call("RegisterJobDefinition", cast("dict[str, Any]", request)),
        )

    def submit_job(self, **request: Unpack[SubmitJobRequestTypeDef]) -> SubmitJobResponseTypeDef:
        return cast("SubmitJobResponseTypeDef", self.call("SubmitJob", cast("dict[str, Any]", request)))

    def tag_resource(self, **request: Unpack[TagResourceRequestTypeDef]) -> dict[str, Any]:
        return self.call("TagResource", cast("dict[str, Any]", request))

    def terminate_job(self, **request: Unpack[TerminateJobRequestTypeDef]) -> dict[str, Any]:
        return self.call("TerminateJob", cast("dict[str, Any]", request))

    def untag_resource(self, **request: Unpack[UntagResourceRequestTypeDef]) -> dict[str, Any]:
        return self.call("UntagResource", cast("dict[str, Any]", request))

    def update_compute_environment(
        self, **request: Unpack[UpdateComputeEnvironmentRequestTypeDef]
    ) -> UpdateComputeEnvironmentResponseTypeDef:
        return cast(
            "UpdateComputeEnvironmentResponseTypeDef",
            self.call("UpdateComputeEnvironment", cast("dict[str, Any]", request)),
        )

    def update_job_queue(self, **request: Unpack[UpdateJobQueueRequestTypeDef]) -> UpdateJobQueueResponseTypeDef:
        return cast("UpdateJobQueueResponseTypeDef", self.call("UpdateJobQueue", cast("dict[str, Any]", request)))


class JobEvents(Protocol):
    """Wakes a reader when jobs change, so that nobody polls a service that runs in the same process."""

    def wait(self, job_id: str, seen: int, timeout: float, quiet: float = 0.0) -> int:
        """Returns the number of changes so far of this job and its children: at once when it is not `seen`, else after
        the next change or `timeout` seconds.

        :param quiet: for so many of these seconds no change counts but the job's end.
        """
        ...

    def changed(self, job_id: str, seen: int) -> tuple[int, list[int]] | None:
        """The number of changes so far of an array job, and which of its children are among those after the first
        `seen`. None when that cannot be told.
        """
        ...
