"""AWS Batch as its callers see it: boto3's own method names, arguments and shapes.

Implemented by `batch.emulator` (the local service) and `batch.aws` (a real account). Whoever calls through this
interface never learns which of the two answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import (
        DescribeJobsRequestTypeDef,
        DescribeJobsResponseTypeDef,
        ListJobsRequestTypeDef,
        ListJobsResponseTypeDef,
        RegisterJobDefinitionRequestTypeDef,
        RegisterJobDefinitionResponseTypeDef,
        SubmitJobRequestTypeDef,
        SubmitJobResponseTypeDef,
        TerminateJobRequestTypeDef,
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


class JobEvents(Protocol):
    """Wakes a reader when jobs change, so that nobody polls a service that runs in the same process."""

    def wait(self, job_id: str, seen: int, timeout: float) -> int:
        """Returns the number of changes so far of this job and its children: at once when it is not `seen`, else after
        the next change or `timeout` seconds."""
        ...
