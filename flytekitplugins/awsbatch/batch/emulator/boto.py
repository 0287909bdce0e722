"""boto3's method names for the operations, over one `call`: what makes the service an implementation of
`batch.api.BatchApi`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from mypy_boto3_batch import type_defs as shapes
    from typing_extensions import Unpack


class BotoNames:
    def call(self, operation: str, request: dict[str, Any], *, remote: bool = False) -> dict[str, Any]:
        raise NotImplementedError

    def cancel_job(self, **request: Unpack[shapes.CancelJobRequestTypeDef]) -> dict[str, Any]:
        return self.call("CancelJob", cast("dict[str, Any]", request))

    def create_compute_environment(
        self, **request: Unpack[shapes.CreateComputeEnvironmentRequestTypeDef]
    ) -> shapes.CreateComputeEnvironmentResponseTypeDef:
        return cast(
            "shapes.CreateComputeEnvironmentResponseTypeDef",
            self.call("CreateComputeEnvironment", cast("dict[str, Any]", request)),
        )

    def create_job_queue(
        self, **request: Unpack[shapes.CreateJobQueueRequestTypeDef]
    ) -> shapes.CreateJobQueueResponseTypeDef:
        return cast(
            "shapes.CreateJobQueueResponseTypeDef", self.call("CreateJobQueue", cast("dict[str, Any]", request))
        )

    def delete_compute_environment(
        self, **request: Unpack[shapes.DeleteComputeEnvironmentRequestTypeDef]
    ) -> dict[str, Any]:
        return self.call("DeleteComputeEnvironment", cast("dict[str, Any]", request))

    def delete_job_queue(self, **request: Unpack[shapes.DeleteJobQueueRequestTypeDef]) -> dict[str, Any]:
        return self.call("DeleteJobQueue", cast("dict[str, Any]", request))

    def deregister_job_definition(
        self, **request: Unpack[shapes.DeregisterJobDefinitionRequestTypeDef]
    ) -> dict[str, Any]:
        return self.call("DeregisterJobDefinition", cast("dict[str, Any]", request))

    def describe_compute_environments(
        self, **request: Unpack[shapes.DescribeComputeEnvironmentsRequestTypeDef]
    ) -> shapes.DescribeComputeEnvironmentsResponseTypeDef:
        return cast(
            "shapes.DescribeComputeEnvironmentsResponseTypeDef",
            self.call("DescribeComputeEnvironments", cast("dict[str, Any]", request)),
        )

    def describe_job_definitions(
        self, **request: Unpack[shapes.DescribeJobDefinitionsRequestTypeDef]
    ) -> shapes.DescribeJobDefinitionsResponseTypeDef:
        return cast(
            "shapes.DescribeJobDefinitionsResponseTypeDef",
            self.call("DescribeJobDefinitions", cast("dict[str, Any]", request)),
        )

    def describe_job_queues(
        self, **request: Unpack[shapes.DescribeJobQueuesRequestTypeDef]
    ) -> shapes.DescribeJobQueuesResponseTypeDef:
        return cast(
            "shapes.DescribeJobQueuesResponseTypeDef", self.call("DescribeJobQueues", cast("dict[str, Any]", request))
        )

    def describe_jobs(self, **request: Unpack[shapes.DescribeJobsRequestTypeDef]) -> shapes.DescribeJobsResponseTypeDef:
        return cast("shapes.DescribeJobsResponseTypeDef", self.call("DescribeJobs", cast("dict[str, Any]", request)))

    def list_jobs(self, **request: Unpack[shapes.ListJobsRequestTypeDef]) -> shapes.ListJobsResponseTypeDef:
        return cast("shapes.ListJobsResponseTypeDef", self.call("ListJobs", cast("dict[str, Any]", request)))

    def list_tags_for_resource(
        self, **request: Unpack[shapes.ListTagsForResourceRequestTypeDef]
    ) -> shapes.ListTagsForResourceResponseTypeDef:
        return cast(
            "shapes.ListTagsForResourceResponseTypeDef",
            self.call("ListTagsForResource", cast("dict[str, Any]", request)),
        )

    def register_job_definition(
        self, **request: Unpack[shapes.RegisterJobDefinitionRequestTypeDef]
    ) -> shapes.RegisterJobDefinitionResponseTypeDef:
        return cast(
            "shapes.RegisterJobDefinitionResponseTypeDef",
            self.call("RegisterJobDefinition", cast("dict[str, Any]", request)),
        )

    def submit_job(self, **request: Unpack[shapes.SubmitJobRequestTypeDef]) -> shapes.SubmitJobResponseTypeDef:
        return cast("shapes.SubmitJobResponseTypeDef", self.call("SubmitJob", cast("dict[str, Any]", request)))

    def tag_resource(self, **request: Unpack[shapes.TagResourceRequestTypeDef]) -> dict[str, Any]:
        return self.call("TagResource", cast("dict[str, Any]", request))

    def terminate_job(self, **request: Unpack[shapes.TerminateJobRequestTypeDef]) -> dict[str, Any]:
        return self.call("TerminateJob", cast("dict[str, Any]", request))

    def untag_resource(self, **request: Unpack[shapes.UntagResourceRequestTypeDef]) -> dict[str, Any]:
        return self.call("UntagResource", cast("dict[str, Any]", request))

    def update_compute_environment(
        self, **request: Unpack[shapes.UpdateComputeEnvironmentRequestTypeDef]
    ) -> shapes.UpdateComputeEnvironmentResponseTypeDef:
        return cast(
            "shapes.UpdateComputeEnvironmentResponseTypeDef",
            self.call("UpdateComputeEnvironment", cast("dict[str, Any]", request)),
        )

    def update_job_queue(
        self, **request: Unpack[shapes.UpdateJobQueueRequestTypeDef]
    ) -> shapes.UpdateJobQueueResponseTypeDef:
        return cast(
            "shapes.UpdateJobQueueResponseTypeDef", self.call("UpdateJobQueue", cast("dict[str, Any]", request))
        )
