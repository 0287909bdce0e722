"""The contract about job queues, compute environments and the pages of lists. Every test names AWS's sentence."""

from __future__ import annotations

from typing import Any

import pytest
from contract_calls import RESOURCES, new_definition, new_environment, new_queue, refusal, submit, unique

from flytekitplugins.awsbatch.batch.api import BatchCalls

FARGATE = {"type": "FARGATE", "maxvCpus": 4, "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]}
ACTION = {"reason": "too long", "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL"}
real_subnets = pytest.mark.moto_disagrees("wants real subnets")


def new_fargate(batch: BatchCalls, kind: str = "FARGATE") -> str:
    return new_environment(batch, type="MANAGED", computeResources={**FARGATE, "type": kind})


def queue_over(batch: BatchCalls, *environments: str, **more: Any) -> str:
    order = [{"order": number, "computeEnvironment": each} for number, each in enumerate(environments)]
    return new_queue(batch, computeEnvironmentOrder=order, **more)


@real_subnets
def test_a_queue_has_ec2_or_fargate_and_not_both(batch: BatchCalls) -> None:
    """CreateJobQueue: "EC2 and Fargate compute environments can't be mixed." """
    ec2, fargate, spot = new_environment(batch), new_fargate(batch), new_fargate(batch, "FARGATE_SPOT")

    assert refusal(lambda: queue_over(batch, ec2, fargate)).code == "ClientException"
    queue = queue_over(batch, fargate, spot)
    order = [{"order": 1, "computeEnvironment": ec2}, {"order": 2, "computeEnvironment": fargate}]
    update = {"jobQueue": queue, "computeEnvironmentOrder": order}
    assert refusal(lambda: batch.call("UpdateJobQueue", update)).code == "ClientException"
    change = {"computeEnvironment": spot, "computeResources": {"type": "EC2"}}
    assert refusal(lambda: batch.call("UpdateComputeEnvironment", change)).code == "ClientException"


@real_subnets
def test_the_type_of_a_queue_is_that_of_its_compute_environments(batch: BatchCalls) -> None:
    """jobQueueType: "For regular container jobs, this value is EKS, ECS, or ECS_FARGATE depending on the compute
    environment."
    """
    queues = [queue_over(batch, new_environment(batch)), queue_over(batch, new_fargate(batch))]
    described = {
        each["jobQueueArn"]: each["jobQueueType"]
        for each in batch.call("DescribeJobQueues", {"jobQueues": queues})["jobQueues"]
    }

    assert [described[queue] for queue in queues] == ["ECS", "ECS_FARGATE"]
    assert queue_over(batch, new_fargate(batch), jobQueueType="ECS_FARGATE")
    assert refusal(lambda: queue_over(batch, new_environment(batch), jobQueueType="ECS_FARGATE")).status == 400


@pytest.mark.moto_disagrees("takes any compute environment")
def test_a_new_compute_environment_of_a_queue_is_enabled_and_valid(batch: BatchCalls) -> None:
    """CreateJobQueue.computeEnvironmentOrder: "Compute environments must be in the VALID state before you can associate
    them with a job queue"; CreateComputeEnvironment.state: only an ENABLED one "accepts jobs from a queue".
    """
    known, disabled = new_environment(batch), new_environment(batch, state="DISABLED")
    queue = queue_over(batch, known)

    assert refusal(lambda: queue_over(batch, disabled)).code == "ClientException"
    order = [{"order": 1, "computeEnvironment": known}, {"order": 2, "computeEnvironment": disabled}]
    update = {"jobQueue": queue, "computeEnvironmentOrder": order}
    assert refusal(lambda: batch.call("UpdateJobQueue", update)).code == "ClientException"
    # One that the queue has already may be disabled.
    batch.call("UpdateComputeEnvironment", {"computeEnvironment": known, "state": "DISABLED"})
    order[1]["computeEnvironment"] = new_environment(batch)
    batch.call("UpdateJobQueue", {"jobQueue": queue, "computeEnvironmentOrder": order})


@pytest.mark.moto_disagrees("keeps none")
@pytest.mark.parametrize("seconds", [599, 86_401, 0, -1])
def test_a_time_limit_is_10_minutes_to_24_hours(batch: BatchCalls, seconds: int) -> None:
    """jobStateTimeLimitActions: "The minimum value for maxTimeSeconds is 600 (10 minutes) and its maximum value is
    86,400 (24 hours)."
    """
    queue = new_queue(batch, jobStateTimeLimitActions=[ACTION])
    wrong = [{**ACTION, "maxTimeSeconds": seconds}]

    (described,) = batch.call("DescribeJobQueues", {"jobQueues": [queue]})["jobQueues"]
    assert described["jobStateTimeLimitActions"] == [ACTION]
    assert refusal(lambda: new_queue(batch, jobStateTimeLimitActions=wrong)).code == "ClientException"
    update = {"jobQueue": queue, "jobStateTimeLimitActions": wrong}
    assert refusal(lambda: batch.call("UpdateJobQueue", update)).code == "ClientException"


@pytest.mark.moto_disagrees("keeps none")
@pytest.mark.parametrize("wrong", [{"state": "RUNNING"}, {"action": "TERMINATE"}])
def test_a_time_limit_cancels_runnable_jobs(batch: BatchCalls, wrong: dict[str, Any]) -> None:
    """JobStateTimeLimitAction: "The only supported value is RUNNABLE", and "the only supported value is CANCEL" of
    queues with ECS or Fargate.
    """
    assert refusal(lambda: new_queue(batch, jobStateTimeLimitActions=[{**ACTION, **wrong}])).code == "ClientException"


def test_an_unmanaged_compute_environment_needs_a_service_role(batch: BatchCalls) -> None:
    """CreateComputeEnvironment.serviceRole: "For UNMANAGED compute environments, you must explicitly specify a
    serviceRole."
    """
    request = {"computeEnvironmentName": unique("environment"), "type": "UNMANAGED", "state": "ENABLED"}

    assert refusal(lambda: batch.call("CreateComputeEnvironment", request)).code == "ClientException"


def on_fargate(memory: int) -> dict[str, Any]:
    """A definition with 32 vCPUs and so many MiB."""
    needs = [{"type": "VCPU", "value": "32"}, {"type": "MEMORY", "value": str(memory)}]
    container = {"executionRoleArn": "arn:aws:iam::123456789012:role/role", "resourceRequirements": needs}
    return {"container": container, "platformCapabilities": ["FARGATE"]}


@real_subnets
def test_a_job_runs_on_a_queue_of_its_platform(batch: BatchCalls) -> None:
    """RegisterJobDefinition.platformCapabilities: "The platform capabilities required by the job definition. If no
    value is specified, it defaults to EC2."; the message is AWS's.
    """
    queues = {"EC2": new_queue(batch), "FARGATE": queue_over(batch, new_fargate(batch))}
    definitions = {"EC2": new_definition(batch), "FARGATE": new_definition(batch, **on_fargate(61_440))}

    for required, definition in definitions.items():
        for platform, queue in queues.items():
            request = {"jobQueue": queue, "jobDefinition": definition["jobDefinitionArn"]}
            if platform == required:
                assert submit(batch, **request)
                continue
            error = refusal(lambda request=request: submit(batch, **request))  # type: ignore[misc]
            assert (error.code, error.status) == ("ClientException", 400)
            assert error.message == (
                f"Job Queue is attached to Compute Environment that can not run Jobs with capability {required}"
            )


@real_subnets
def test_compute_resources_show_what_they_leave_out_as_empty(batch: BatchCalls) -> None:
    """Programs read these members of every compute environment: what AWS answered about one on Fargate is among
    Cloud Custodian's recordings (test_batch_compute_tag).
    """
    arn = new_fargate(batch)
    (environment,) = batch.call("DescribeComputeEnvironments", {"computeEnvironments": [arn]})["computeEnvironments"]

    assert environment["computeResources"] == {**FARGATE, "instanceTypes": [], "tags": {}, "ec2Configuration": []}


@real_subnets
def test_a_compute_environment_has_an_image_type_and_a_role_by_default(batch: BatchCalls) -> None:
    """ComputeResource.ec2Configuration: "If Ec2Configuration isn't specified, the default is ECS_AL2023 for EC2 (ECS)
    compute environments". CreateComputeEnvironment.serviceRole: "If your account already created the Batch
    service-linked role, that role is used by default for your compute environment".
    """
    own = [{"imageType": "ECS_AL2"}]

    def shown(**more: Any) -> tuple[Any, str]:
        name, resources = unique("environment"), {**RESOURCES, **more}
        request = {"computeEnvironmentName": name, "type": "MANAGED", "computeResources": resources}
        batch.call("CreateComputeEnvironment", request)
        answer = batch.call("DescribeComputeEnvironments", {"computeEnvironments": [name]})
        (environment,) = answer["computeEnvironments"]
        return environment["computeResources"]["ec2Configuration"], environment["serviceRole"].partition("/")[2]

    role = "aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"
    assert shown() == ([{"imageType": "ECS_AL2023"}], role)
    assert shown(ec2Configuration=own) == (own, role)


@real_subnets
def test_a_compute_environment_on_ec2_says_how_many_vcpus_it_wants(batch: BatchCalls) -> None:
    """ComputeResource.desiredvCpus: "Batch modifies this value between the minimum and maximum values based on job
    queue demand." ASFHyP3/hyp3 reads it of a compute environment whose template (apps/compute-cf.yml.j2) has none.
    """

    def desired(**more: int) -> int:
        arn = new_environment(batch, type="MANAGED", computeResources={**RESOURCES, "minvCpus": 1, **more})
        (environment,) = batch.call("DescribeComputeEnvironments", {"computeEnvironments": [arn]})[
            "computeEnvironments"
        ]
        return int(environment["computeResources"]["desiredvCpus"])

    assert desired() == 1
    assert desired(desiredvCpus=2) == 2


@real_subnets
@pytest.mark.parametrize(
    "wrong", [{"minvCpus": 0}, {"desiredvCpus": 1}, {"instanceTypes": ["optimal"]}, {"tags": {"a": "b"}}]
)
def test_a_compute_environment_on_fargate_has_no_instances(batch: BatchCalls, wrong: dict[str, Any]) -> None:
    """ComputeResource: "This parameter isn't applicable to jobs that are running on Fargate resources. Don't specify
    it."
    """
    made = new_fargate(batch)
    resources = {"type": "MANAGED", "computeResources": {**FARGATE, **wrong}}
    change = {"computeEnvironment": made, "computeResources": wrong}

    for error in (
        refusal(lambda: new_environment(batch, **resources)),
        refusal(lambda: batch.call("UpdateComputeEnvironment", change)),
    ):
        assert (error.code, error.status) == ("ClientException", 400)
        assert error.message == f"{next(iter(wrong))} is not applicable for Fargate."


@pytest.mark.moto_disagrees("knows no rules of Fargate")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("networkConfiguration", {"assignPublicIp": "ENABLED"}),
        ("fargatePlatformConfiguration", {"platformVersion": "LATEST"}),
    ],
)
def test_a_definition_for_ec2_has_nothing_of_fargate(batch: BatchCalls, member: str, value: dict[str, str]) -> None:
    """ContainerProperties: "Jobs that are running on Amazon EC2 resources must not specify this parameter." """
    error = refusal(lambda: new_definition(batch, container={member: value}))
    fargate = on_fargate(61_440)
    fargate["container"][member] = value

    assert (error.code, error.message) == ("ClientException", f"{member} not applicable for EC2.")
    assert new_definition(batch, **fargate)["revision"] == 1


@pytest.mark.moto_disagrees("knows no rules of Fargate")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"linuxParameters": {"maxSwap": 0}}, "linuxParameter.maxSwap is not allowed for Fargate."),
        ({"linuxParameters": {"sharedMemorySize": 64}}, "linuxParameter.sharedMemorySize is not allowed for Fargate."),
        (
            {"volumes": [{"name": "data", "host": {"sourcePath": "/data"}}]},
            "host.sourcePath should not be set for volumes in Fargate.",
        ),
    ],
)
def test_a_definition_for_fargate_has_nothing_of_the_host(
    batch: BatchCalls, wrong: dict[str, Any], message: str
) -> None:
    """LinuxParameters, Host: "This parameter isn't applicable to jobs that are running on Fargate resources." """
    fargate = on_fargate(61_440)
    fargate["container"] |= wrong

    assert refusal(lambda: new_definition(batch, **fargate)).message == message
    assert new_definition(batch, container=wrong)["revision"] == 1


@pytest.mark.moto_disagrees("looks at no secrets")
def test_secrets_need_an_execution_role(batch: BatchCalls) -> None:
    """Specifying sensitive data, user guide: "To use this feature, you must have the execution role and reference it in
    your job definition."; the message is AWS's.
    """
    container: dict[str, Any] = {"secrets": [{"name": "TOKEN", "valueFrom": "arn:aws:ssm:us-east-1:1:parameter/token"}]}
    error = refusal(lambda: new_definition(batch, container=container))

    assert (error.code, error.message) == ("ClientException", "executionRoleArn cannot be empty when using secrets")
    container["executionRoleArn"] = "arn:aws:iam::123456789012:role/role"
    assert new_definition(batch, container=container)["revision"] == 1


@pytest.mark.parametrize("memory", [61_440, 122_880, 249_856])
def test_fargate_has_32_vcpus(batch: BatchCalls, memory: int) -> None:
    """ResourceRequirement: "value = 32 MEMORY = 61440, 122880, or 249856"."""
    assert new_definition(batch, **on_fargate(memory))["revision"] == 1


@pytest.mark.moto_disagrees("knows no rules of Fargate")
def test_fargate_has_no_other_sizes_with_32_vcpus(batch: BatchCalls) -> None:
    """ResourceRequirement: "value = 32 MEMORY = 61440, 122880, or 249856"."""
    assert refusal(lambda: new_definition(batch, **on_fargate(65_536))).code == "ClientException"


@pytest.mark.moto_disagrees("takes any page size")
@pytest.mark.parametrize("operation", ["JobDefinitions", "JobQueues", "ComputeEnvironments"])
def test_a_page_has_1_to_100_entries(batch: BatchCalls, operation: str) -> None:
    """DescribeJobDefinitions, DescribeJobQueues, DescribeComputeEnvironments, maxResults: "This value can be between 1
    and 100."
    """
    for size in (0, 101):
        assert refusal(lambda size=size: batch.call(f"Describe{operation}", {"maxResults": size})).status == 400  # type: ignore[misc]
    batch.call(f"Describe{operation}", {"maxResults": 100})


@pytest.mark.moto_disagrees("finds all revisions of a name")
def test_a_name_without_a_revision_names_no_definition(batch: BatchCalls) -> None:
    """DescribeJobDefinitions.jobDefinitions: "Each entry in the list can either be an ARN in the format
    ...job-definition/${JobDefinitionName}:${Revision} or a short version using the form
    ${JobDefinitionName}:${Revision}."
    """
    name = unique("definition")
    arn = new_definition(batch, name)["jobDefinitionArn"]

    def found(*references: str) -> list[int]:
        answer = batch.call("DescribeJobDefinitions", {"jobDefinitions": list(references)})
        return [each["revision"] for each in answer["jobDefinitions"]]

    assert found(name) == found(arn.rpartition(":")[0]) == []
    assert found(f"{name}:1") == found(arn) == [1]


@pytest.mark.moto_disagrees("takes all together")
@pytest.mark.parametrize("other", [{"status": "ACTIVE"}, {"jobDefinitionName": "x"}, {"maxResults": 5}])
def test_definitions_by_revision_go_with_no_other_parameter(batch: BatchCalls, other: dict[str, Any]) -> None:
    """DescribeJobDefinitions.jobDefinitions: "This parameter can't be used with other parameters." """
    request = {"jobDefinitions": ["x:1"], **other}

    assert refusal(lambda: batch.call("DescribeJobDefinitions", request)).code == "ClientException"
