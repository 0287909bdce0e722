"""A Batch client that remembers what was submitted through it, for tests that ask what would have reached AWS."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from flytekitplugins.awsbatch.batch.api import BatchApi

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


class Submissions:
    """Passes every call on.

    :ivar made: (request, job id) of each job that was accepted, in order.
    """

    def __init__(self, batch: BatchApi) -> None:
        self._batch = batch
        self.made: list[tuple[dict[str, Any], str]] = []

    @property
    def region(self) -> str:
        return self._batch.region

    @property
    def account_id(self) -> str:
        return self._batch.account_id

    def register_job_definition(
        self, **request: Unpack[RegisterJobDefinitionRequestTypeDef]
    ) -> RegisterJobDefinitionResponseTypeDef:
        return self._batch.register_job_definition(**request)

    def submit_job(self, **request: Unpack[SubmitJobRequestTypeDef]) -> SubmitJobResponseTypeDef:
        answer = self._batch.submit_job(**request)
        self.made.append((copy.deepcopy(dict(request)), answer["jobId"]))
        return answer

    def describe_jobs(self, **request: Unpack[DescribeJobsRequestTypeDef]) -> DescribeJobsResponseTypeDef:
        return self._batch.describe_jobs(**request)

    def list_jobs(self, **request: Unpack[ListJobsRequestTypeDef]) -> ListJobsResponseTypeDef:
        return self._batch.list_jobs(**request)

    def terminate_job(self, **request: Unpack[TerminateJobRequestTypeDef]) -> object:
        return self._batch.terminate_job(**request)
