"""What a caller of AWS Batch may rely on, held against each service (see `backends`). Every test names the sentence
of AWS's documentation that it holds; where moto's server does otherwise, the test says so and is expected to fail
there.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from batch_shell import Shell
from contract_calls import NEEDS, new_definition, new_environment, new_queue, refusal, submit, unique

from flytekitplugins.awsbatch.batch.api import BatchCalls

# Job definitions


def test_the_first_revision_is_1_and_each_registration_of_a_name_the_next(batch: BatchCalls) -> None:
    """Job definitions, user guide: "each time a job definition is registered the revision number increments"."""
    name = unique("definition")

    answers = [new_definition(batch, name) for _ in range(3)]

    assert [answer["revision"] for answer in answers] == [1, 2, 3]
    assert [answer["jobDefinitionArn"].rpartition("/")[2] for answer in answers] == [f"{name}:{n}" for n in (1, 2, 3)]


@pytest.mark.moto_disagrees("takes the latest revision, active or not")
def test_a_bare_name_means_the_latest_active_revision(batch: BatchCalls) -> None:
    """SubmitJob: "If the revision is not specified, then the latest active revision is used"."""
    name = unique("definition")
    new_definition(batch, name)
    second = new_definition(batch, name)["jobDefinitionArn"]
    third = new_definition(batch, name)["jobDefinitionArn"]
    batch.call("DeregisterJobDefinition", {"jobDefinition": third})

    job = batch.call("DescribeJobs", {"jobs": [submit(batch, jobDefinition=name)]})["jobs"][0]

    assert job["jobDefinition"] == second


def test_a_deregistered_revision_is_inactive_and_takes_no_jobs(batch: BatchCalls) -> None:
    """DeregisterJobDefinition: "Job definitions are permanently deleted after 180 days" - until then they are
    INACTIVE.
    """
    arn = new_definition(batch)["jobDefinitionArn"]
    batch.call("DeregisterJobDefinition", {"jobDefinition": arn})

    described = batch.call("DescribeJobDefinitions", {"jobDefinitions": [arn]})["jobDefinitions"]

    assert [each["status"] for each in described] == ["INACTIVE"]


@pytest.mark.moto_disagrees("takes jobs for an inactive definition")
def test_an_inactive_revision_is_refused(batch: BatchCalls) -> None:
    """DescribeJobDefinitions' status: only an ACTIVE definition can be used to submit."""
    arn = new_definition(batch)["jobDefinitionArn"]
    batch.call("DeregisterJobDefinition", {"jobDefinition": arn})

    assert refusal(lambda: submit(batch, jobDefinition=arn)).code == "ClientException"


@pytest.mark.moto_disagrees("does not find name:revision")
def test_definitions_are_found_by_name_status_and_revision(batch: BatchCalls) -> None:
    """DescribeJobDefinitions: "You can specify a status (such as ACTIVE) to only return job definitions that match"."""
    name = unique("definition")
    first, second = (new_definition(batch, name)["jobDefinitionArn"] for _ in range(2))
    batch.call("DeregisterJobDefinition", {"jobDefinition": first})

    def found(**request: Any) -> set[str]:
        answer = batch.call("DescribeJobDefinitions", request)
        return {each["jobDefinitionArn"] for each in answer["jobDefinitions"]}

    assert found(jobDefinitionName=name) == {first, second}
    assert found(jobDefinitionName=name, status="ACTIVE") == {second}
    assert found(jobDefinitions=[f"{name}:1"]) == {first}


@pytest.mark.moto_disagrees("lists the oldest revision first")
def test_the_newest_revision_of_a_name_is_listed_first(batch: BatchCalls) -> None:
    """What the AWS CLI showed of an account's definitions in October 2025 begins with the newest of each name. Programs
    that look at one page take its first for the newest there is.
    """
    name = unique("definition")
    arns = [new_definition(batch, name)["jobDefinitionArn"] for _ in range(5)]

    first = batch.call("DescribeJobDefinitions", {"jobDefinitionName": name, "maxResults": 3})
    rest = batch.call("DescribeJobDefinitions", {"jobDefinitionName": name, "nextToken": first["nextToken"]})

    assert [each["jobDefinitionArn"] for each in first["jobDefinitions"] + rest["jobDefinitions"]] == arns[::-1]
    assert len(first["jobDefinitions"]) == 3


@pytest.mark.parametrize(
    "name", ["_leading", "-leading", "with space", "with.dot", "x" * 129, "öffnen"], ids=lambda name: name[:10]
)
@pytest.mark.moto_disagrees("takes any name")
def test_a_definition_has_a_proper_name(batch: BatchCalls, name: str) -> None:
    """RegisterJobDefinition: "It can be up to 128 letters long. It can contain uppercase and lowercase letters,
    numbers, hyphens (-), and underscores (_)".
    """
    assert refusal(lambda: new_definition(batch, name)).code == "ClientException"


def test_a_container_must_say_what_it_needs(batch: BatchCalls) -> None:
    """ContainerProperties' resourceRequirements: "You must specify at least 4 MiB of memory", "at least one vCPU"."""
    for needs in ([], NEEDS[:1], NEEDS[1:]):
        error = refusal(lambda needs=needs: new_definition(batch, container={"resourceRequirements": needs}))  # type: ignore[misc]
        assert (error.code, error.status) == ("ClientException", 400)


@pytest.mark.moto_disagrees("knows no rules of Fargate")
def test_fargate_needs_an_execution_role_and_resource_requirements(batch: BatchCalls) -> None:
    """ContainerProperties: "executionRoleArn ... For jobs that run on Fargate resources, you must provide an
    execution role"; vcpus and memory: "This parameter isn't supported for jobs that run on Fargate resources".
    """
    role = {"executionRoleArn": "arn:aws:iam::123456789012:role/role"}
    sizes = {"resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}]}
    wrong = [
        sizes,
        {**role, "resourceRequirements": [], "vcpus": 1, "memory": 512},
        {**role, "resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "8192"}]},
    ]

    for container in wrong:
        refusal(
            lambda container=container: new_definition(batch, container=container, platformCapabilities=["FARGATE"])
        )  # type: ignore[misc]
    assert new_definition(batch, container={**role, **sizes}, platformCapabilities=["FARGATE"])["revision"] == 1


@pytest.mark.moto_disagrees("checks no retry strategy")
@pytest.mark.parametrize(
    "strategy",
    [
        {},
        {"attempts": 0},
        {"attempts": 11},
        {"evaluateOnExit": [{"action": "RETRY", "onExitCode": "1"}]},
        {"attempts": 2, "evaluateOnExit": [{"action": "RETRY", "onExitCode": "1"}] * 6},
        {"attempts": 2, "evaluateOnExit": [{"action": "AGAIN", "onExitCode": "1"}]},
        {"attempts": 2, "evaluateOnExit": [{"action": "EXIT", "onExitCode": "1x"}]},
    ],
    ids=["empty", "0 attempts", "11 attempts", "rules without attempts", "6 rules", "unknown action", "no number"],
)
def test_a_retry_strategy_keeps_its_bounds(batch: BatchCalls, strategy: dict[str, Any]) -> None:
    """RetryStrategy: "You can specify between 1 and 10 attempts"; evaluateOnExit: "Array of up to 5 objects ... If
    this parameter is specified, then the attempts parameter must also be specified".
    """
    assert refusal(lambda: new_definition(batch, retryStrategy=strategy)).code == "ClientException"
    assert refusal(lambda: submit(batch, retryStrategy=strategy)).code == "ClientException"


@pytest.mark.moto_disagrees("checks no timeout")
def test_a_timeout_is_at_least_a_minute(batch: BatchCalls) -> None:
    """JobTimeout: "The minimum value for the timeout is 60 seconds"."""
    short = {"attemptDurationSeconds": 59}

    assert refusal(lambda: new_definition(batch, timeout=short)).code == "ClientException"
    assert refusal(lambda: submit(batch, timeout=short)).code == "ClientException"


# Queues and compute environments


def test_a_queue_and_its_compute_environment_are_described(batch: BatchCalls) -> None:
    """JobQueueDetail, ComputeEnvironmentOrder: "Compute environments are tried in ascending order"."""
    environment = new_environment(batch)
    order = [{"order": 1, "computeEnvironment": environment}]
    name = unique("queue")
    arn = batch.call(
        "CreateJobQueue", {"jobQueueName": name, "priority": 7, "state": "ENABLED", "computeEnvironmentOrder": order}
    )["jobQueueArn"]

    for reference in (name, arn):
        (queue,) = batch.call("DescribeJobQueues", {"jobQueues": [reference]})["jobQueues"]
        shown = {key: queue[key] for key in ("jobQueueName", "jobQueueArn", "state", "status", "priority")}
        assert shown == {"jobQueueName": name, "jobQueueArn": arn, "state": "ENABLED", "status": "VALID", "priority": 7}
        assert queue["computeEnvironmentOrder"] == order


def test_a_queue_must_be_disabled_before_it_is_deleted(batch: BatchCalls) -> None:
    """DeleteJobQueue: "You must first disable submissions for a queue with the UpdateJobQueue operation"."""
    arn = new_queue(batch)
    batch.call("UpdateJobQueue", {"jobQueue": arn, "state": "DISABLED"})
    batch.call("DeleteJobQueue", {"jobQueue": arn})

    assert batch.call("DescribeJobQueues", {"jobQueues": [arn]})["jobQueues"] == []


@pytest.mark.moto_disagrees("deletes what is enabled")
def test_an_enabled_queue_is_not_deleted(batch: BatchCalls) -> None:
    """DeleteJobQueue: "You must first disable submissions for a queue"."""
    arn = new_queue(batch)

    assert refusal(lambda: batch.call("DeleteJobQueue", {"jobQueue": arn})).code == "ClientException"


@pytest.mark.moto_disagrees("deletes what is enabled")
def test_a_compute_environment_must_be_disabled_and_in_no_queue_before_it_is_deleted(batch: BatchCalls) -> None:
    """DeleteComputeEnvironment: "you must set its state to DISABLED ... and disassociate it from any job queues"."""
    arn = new_environment(batch)
    order = [{"order": 1, "computeEnvironment": arn}]
    batch.call(
        "CreateJobQueue",
        {"jobQueueName": unique("queue"), "priority": 1, "state": "ENABLED", "computeEnvironmentOrder": order},
    )

    assert (
        refusal(lambda: batch.call("DeleteComputeEnvironment", {"computeEnvironment": arn})).code == "ClientException"
    )
    batch.call("UpdateComputeEnvironment", {"computeEnvironment": arn, "state": "DISABLED"})
    # The words on which aws-syndicate tries again (connection/helper.py).
    error = refusal(lambda: batch.call("DeleteComputeEnvironment", {"computeEnvironment": arn}))
    assert error.message.startswith("Cannot delete, found existing JobQueue relationship")


@pytest.mark.moto_disagrees("has words of its own")
@pytest.mark.parametrize(
    ("operation", "request_", "kind"),
    [
        ("UpdateJobQueue", {"jobQueue": "nowhere"}, "job-queue"),
        ("UpdateComputeEnvironment", {"computeEnvironment": "nowhere"}, "compute-environment"),
    ],
)
def test_a_change_of_what_does_not_exist_is_refused_with_its_arn(
    batch: BatchCalls, operation: str, request_: dict[str, Any], kind: str
) -> None:
    """hashicorp/terraform-provider-aws has AWS's answer (job_queue.go): "An error occurred (ClientException)
    when calling the UpdateJobQueue operation: ... does not exist", where the dots are an ARN.
    """
    message = refusal(lambda: batch.call(operation, request_)).message

    assert message.startswith("arn:aws:batch:")
    assert message.endswith(f":{kind}/nowhere does not exist")


@pytest.mark.moto_disagrees("takes jobs for a disabled queue")
def test_a_disabled_queue_takes_no_jobs(batch: BatchCalls) -> None:
    """JobQueueDetail.state: "If the job queue state is DISABLED, new jobs can't be added to the queue"."""
    arn = new_queue(batch)
    batch.call("UpdateJobQueue", {"jobQueue": arn, "state": "DISABLED"})

    assert refusal(lambda: submit(batch, jobQueue=arn)).code == "ClientException"


def test_names_are_used_once(batch: BatchCalls) -> None:
    """CreateJobQueue, CreateComputeEnvironment: names are unique in an account."""
    name = new_queue(batch).rpartition("/")[2]
    order = [{"order": 1, "computeEnvironment": new_environment(batch)}]

    error = refusal(
        lambda: batch.call(
            "CreateJobQueue",
            {"jobQueueName": name, "priority": 1, "state": "ENABLED", "computeEnvironmentOrder": order},
        )
    )

    assert (error.code, error.status) == ("ClientException", 400)


# Submitting


@pytest.mark.parametrize("missing", ["jobQueue", "jobDefinition"])
def test_a_queue_or_definition_that_is_not_there_is_the_clients_fault(batch: BatchCalls, missing: str) -> None:
    """SubmitJob, Errors: ClientException: "invalid requests ... using an identifier that's not valid"."""
    error = refusal(lambda: submit(batch, **{missing: "no-such-thing"}))

    assert (error.code, error.status) == ("ClientException", 400)


def test_what_is_required_is_required(batch: BatchCalls) -> None:
    """SubmitJob: jobName, jobQueue and jobDefinition are required."""
    assert refusal(lambda: batch.call("SubmitJob", {"jobName": "job"})).code == "ClientException"


@pytest.mark.moto_disagrees("takes any size")
@pytest.mark.parametrize("size", [0, 1, 10_001, -1])
def test_an_array_has_2_to_10000_children(batch: BatchCalls, size: int) -> None:
    """SubmitJob.arrayProperties: "The array size can be between 2 and 10,000"."""
    assert refusal(lambda: submit(batch, arrayProperties={"size": size})).code == "ClientException"


@pytest.mark.moto_disagrees("takes reserved names")
def test_names_that_begin_with_aws_batch_are_reserved(batch: BatchCalls) -> None:
    """ContainerOverrides.environment: "Environment variables cannot start with "AWS_BATCH""."""
    reserved = [{"name": "AWS_BATCH_MINE", "value": "x"}]

    assert refusal(lambda: submit(batch, containerOverrides={"environment": reserved})).code == "ClientException"
    assert refusal(lambda: new_definition(batch, container={"environment": reserved})).code == "ClientException"


@pytest.mark.moto_disagrees("knows no such limit")
def test_requests_have_a_size_limit(batch: BatchCalls) -> None:
    """Service quotas: "Maximum payload size for SubmitJob API operations: 30 KiB"; a job definition 24 KiB."""
    assert refusal(lambda: submit(batch, parameters={"a": "x" * 31_000})).code == "ClientException"
    assert refusal(lambda: new_definition(batch, container={"command": ["x" * 25_000]})).code == "ClientException"


@pytest.mark.moto_disagrees("knows no such limit")
def test_a_job_depends_on_20_others_at_most(batch: BatchCalls) -> None:
    """SubmitJob.dependsOn: "A job can depend upon a maximum of 20 jobs"."""
    queue, definition = new_queue(batch), new_definition(batch)["jobDefinitionArn"]
    others = [{"jobId": submit(batch, jobQueue=queue, jobDefinition=definition)} for _ in range(21)]

    error = refusal(lambda: submit(batch, jobQueue=queue, jobDefinition=definition, dependsOn=others))

    assert error.code == "ClientException"


@pytest.mark.moto_disagrees("knows no such limit")
def test_a_resource_has_50_tags_at_most(batch: BatchCalls) -> None:
    """Tagging restrictions: "Maximum number of tags per resource - 50"."""
    assert refusal(lambda: submit(batch, tags={str(n): "x" for n in range(51)})).code == "ClientException"


@pytest.mark.moto_disagrees("does not show resourceRequirements of a job")
def test_overrides_are_merged_by_name(batch: BatchCalls) -> None:
    """ContainerOverrides.environment: "You can add new environment variables ... or you can override the existing"."""
    definition = new_definition(
        batch, container={"environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    )["jobDefinitionArn"]
    job_id = submit(
        batch,
        jobDefinition=definition,
        containerOverrides={
            "environment": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}],
            "command": ["echo", "hello"],
            "resourceRequirements": [{"type": "MEMORY", "value": "256"}],
        },
    )

    container = batch.call("DescribeJobs", {"jobs": [job_id]})["jobs"][0]["container"]

    assert container["command"] == ["echo", "hello"]
    environment = {each["name"]: each["value"] for each in container["environment"]}
    assert {name: environment[name] for name in "ABC"} == {"A": "1", "B": "3", "C": "4"}
    assert {each["type"]: each["value"] for each in container["resourceRequirements"]} == {"VCPU": "1", "MEMORY": "256"}


# Describing and listing


def test_unknown_ids_are_left_out(batch: BatchCalls) -> None:
    """DescribeJobs describes what there is."""
    job_id = submit(batch)

    answer = batch.call("DescribeJobs", {"jobs": [job_id, "8f2e0d1c-0000-0000-0000-000000000000"]})

    assert [job["jobId"] for job in answer["jobs"]] == [job_id]


@pytest.mark.moto_disagrees("describes any number")
def test_at_most_100_ids_are_described(batch: BatchCalls) -> None:
    """DescribeJobs.jobs: "A list of up to 100 job IDs"."""
    assert refusal(lambda: batch.call("DescribeJobs", {"jobs": [str(n) for n in range(101)]})).code == "ClientException"


def test_a_single_job_has_no_array_properties(batch: BatchCalls) -> None:
    """JobDetail.arrayProperties: "The array properties of the job, if it's an array job"."""
    job = batch.call("DescribeJobs", {"jobs": [submit(batch)]})["jobs"][0]

    assert "arrayProperties" not in job


def test_times_are_milliseconds(batch: BatchCalls) -> None:
    """JobDetail.createdAt: "The Unix timestamp (in milliseconds)"."""
    before = int(time.time() * 1000) - 1

    job = batch.call("DescribeJobs", {"jobs": [submit(batch)]})["jobs"][0]

    assert before <= job["createdAt"] <= time.time() * 1000 + 1


@pytest.mark.moto_disagrees("leaves out a child's index")
def test_children_are_listed_by_status(batch: BatchCalls) -> None:
    """ListJobs.arrayJobId: "lists all child jobs from within the specified array"; JobSummary.arrayProperties.index."""
    shell = Shell(batch)
    job_id = submit(batch, arrayProperties={"size": 4})
    shell.until(job_id, lambda job: job["status"] == "SUCCEEDED")

    found = batch.call("ListJobs", {"arrayJobId": job_id, "jobStatus": "SUCCEEDED"})["jobSummaryList"]

    assert sorted(each["arrayProperties"]["index"] for each in found) == [0, 1, 2, 3]
    assert sorted(each["jobId"] for each in found) == [f"{job_id}:{index}" for index in range(4)]


@pytest.mark.moto_disagrees("gives all at once")
def test_lists_come_in_pages(batch: BatchCalls) -> None:
    """ListJobs.maxResults, nextToken: "Pagination continues from the end of the previous results"."""
    shell = Shell(batch)
    queue, definition = new_queue(batch), new_definition(batch)["jobDefinitionArn"]
    job_ids = [submit(batch, jobQueue=queue, jobDefinition=definition) for _ in range(5)]
    for job_id in job_ids:
        shell.ended(job_id)

    seen: list[str] = []
    request: dict[str, Any] = {"jobQueue": queue, "jobStatus": "SUCCEEDED", "maxResults": 2}
    sizes = []
    while True:
        answer = batch.call("ListJobs", request)
        sizes.append(len(answer["jobSummaryList"]))
        seen += [each["jobId"] for each in answer["jobSummaryList"]]
        if not answer.get("nextToken"):
            break
        request["nextToken"] = answer["nextToken"]

    assert sizes == [2, 2, 1]
    # "The results are sorted by the createdAt field, with the most recent jobs being first."
    assert seen == job_ids[::-1]


def test_a_filter_finds_jobs_of_every_status_by_name(batch: BatchCalls) -> None:
    """ListJobs.filters JOB_NAME: "a case-insensitive match for the job name. If the value ends with an asterisk (*),
    the filter matches any job name that begins with the string before the '*'".
    """
    queue, definition = new_queue(batch), new_definition(batch)["jobDefinitionArn"]
    names = {}
    for name in ("Alpha", "alphabet", "beta"):
        names[submit(batch, jobQueue=queue, jobDefinition=definition, jobName=name)] = name

    def found(value: str) -> set[str]:
        request = {"jobQueue": queue, "filters": [{"name": "JOB_NAME", "values": [value]}]}
        return {names[each["jobId"]] for each in batch.call("ListJobs", request)["jobSummaryList"]}

    assert found("alpha") == {"Alpha"}
    assert found("ALPHA*") == {"Alpha", "alphabet"}


@pytest.mark.moto_disagrees("shows it without a filter too")
def test_a_filter_shows_the_definitions_of_jobs(batch: BatchCalls) -> None:
    """aws/aws-sdk#588: ListJobs leaves jobDefinition out where no filter is given. Answers recorded with a filter have
    it (the tests of pytorch/torchx).
    """
    queue, definition = new_queue(batch), new_definition(batch)["jobDefinitionArn"]
    Shell(batch).ended(submit(batch, jobQueue=queue, jobDefinition=definition, jobName="one"))

    def shown(**request: Any) -> Any:
        (summary,) = batch.call("ListJobs", {"jobQueue": queue, **request})["jobSummaryList"]
        return summary.get("jobDefinition")

    assert shown(filters=[{"name": "JOB_NAME", "values": ["one"]}]) == definition
    assert shown(jobStatus="SUCCEEDED") is None


@pytest.mark.moto_disagrees("lists jobs of every status")
def test_without_a_status_running_jobs_are_listed(batch: BatchCalls) -> None:
    """ListJobs.jobStatus: "If you don't specify a status, only RUNNING jobs are returned"."""
    queue = new_queue(batch)
    Shell(batch).ended(submit(batch, jobQueue=queue))

    assert batch.call("ListJobs", {"jobQueue": queue})["jobSummaryList"] == []


# Stopping


@pytest.mark.parametrize("operation", ["CancelJob", "TerminateJob"])
def test_stopping_an_ended_job_succeeds(batch: BatchCalls, operation: str) -> None:
    """CancelJob: "the API operation still succeeds, even if no job is cancelled"."""
    job_id = submit(batch)
    Shell(batch).ended(job_id)

    assert batch.call(operation, {"jobId": job_id, "reason": "late"}) == {}
    assert Shell(batch).describe(job_id)["status"] == "SUCCEEDED"


@pytest.mark.moto_disagrees("runs nothing that could be stopped")
def test_the_reason_of_a_termination_is_the_status_reason(batch: BatchCalls) -> None:
    """TerminateJob.reason: "This message is returned by future DescribeJobs operations on the job"."""
    shell = Shell(batch)
    job_id = submit(batch, containerOverrides={"command": ["sleep", "60"]}, retryStrategy={"attempts": 3})
    shell.running(job_id)

    batch.call("TerminateJob", {"jobId": job_id, "reason": "no longer needed"})
    job = shell.ended(job_id)

    assert (job["status"], job["statusReason"], len(job["attempts"])) == ("FAILED", "no longer needed", 1)


# Tags


def test_tags_are_added_listed_and_removed(batch: BatchCalls) -> None:
    """TagResource: "If existing tags on a resource aren't specified in the request parameters, they aren't changed"."""
    arn = new_definition(batch, tags={"a": "1", "b": "2"})["jobDefinitionArn"]
    batch.call("TagResource", {"resourceArn": arn, "tags": {"b": "3", "c": "4"}})
    assert batch.call("ListTagsForResource", {"resourceArn": arn})["tags"] == {"a": "1", "b": "3", "c": "4"}

    batch.call("UntagResource", {"resourceArn": arn, "tagKeys": ["a", "c"]})

    assert batch.call("ListTagsForResource", {"resourceArn": arn})["tags"] == {"b": "3"}


@pytest.mark.moto_disagrees("leaves out what it does not implement in other words")
def test_what_is_not_supported_is_said_as_an_aws_error(batch: BatchCalls) -> None:
    """Errors of every operation: ClientException."""
    error = refusal(lambda: batch.call("ListConsumableResources", {}))

    assert (error.code, error.status) == ("ClientException", 400)
    assert "not supported here" in error.message


CONSUMED = {"consumableResourceList": [{"consumableResource": "licence", "quantity": 1}]}


@pytest.mark.moto_disagrees("takes a job that asks for consumable resources, and ignores them")
@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("RegisterJobDefinition", {"consumableResourceProperties": CONSUMED}),
        ("SubmitJob", {"consumableResourcePropertiesOverride": CONSUMED}),
        ("UpdateJobQueue", {"serviceEnvironmentOrder": [{"order": 1, "serviceEnvironment": "service"}]}),
    ],
)
def test_a_request_for_what_is_not_supported_is_refused(
    batch: BatchCalls, operation: str, more: dict[str, Any]
) -> None:
    """SubmitJob.consumableResourcePropertiesOverride: "the consumable resources of a job", which it has to wait for."""
    request = {
        "RegisterJobDefinition": lambda: new_definition(batch, **more),
        "SubmitJob": lambda: submit(batch, **more),
        "UpdateJobQueue": lambda: batch.call("UpdateJobQueue", {"jobQueue": new_queue(batch), **more}),
    }[operation]

    assert "not supported here" in refusal(request).message
