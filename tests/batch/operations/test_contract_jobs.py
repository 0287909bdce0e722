"""The contract about jobs: arrays, cancelling, environment, overrides, tags. Every test names AWS's sentence."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from batch_shell import Shell
from contract_calls import new_definition, new_queue, refusal, submit

from flytekitplugins.awsbatch.batch.api import BatchCalls

ZERO = dict.fromkeys(("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"), 0)
ours_only = pytest.mark.moto_disagrees("runs no commands")


def sh(script: str) -> dict[str, Any]:
    return {"command": ["sh", "-c", script]}


def listed(batch: BatchCalls, queue: str, status: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = batch.call("ListJobs", {"jobQueue": queue, "jobStatus": status})["jobSummaryList"]
    return found


def submit_pair(batch: BatchCalls, queue: str, **more: Any) -> str:
    """The id of an array of two."""
    return submit(batch, jobQueue=queue, arrayProperties={"size": 2}, **more)


def waiting_for(path: Path) -> str:
    return f"while [ ! -e {path} ]; do sleep 0.02; done"


# Array parents


@ours_only
def test_an_array_parent_is_pending_until_its_children_have_ended(batch: BatchCalls, tmp_path: Path) -> None:
    """ListJobs.jobStatus: "Array job parents are updated to PENDING when any child job is updated to RUNNABLE and
    remain in PENDING status while child jobs are running. To view these jobs, filter by PENDING status until all child
    jobs reach a terminal state."
    """
    shell, queue = Shell(batch), new_queue(batch)
    array = submit(
        batch, jobQueue=queue, arrayProperties={"size": 2}, containerOverrides=sh(waiting_for(tmp_path / "go"))
    )

    assert shell.describe(array)["status"] == "PENDING"
    shell.running(f"{array}:0")
    assert shell.describe(array)["status"] == "PENDING"
    assert [each["jobId"] for each in listed(batch, queue, "PENDING")] == [array]
    assert [listed(batch, queue, status) for status in ("SUBMITTED", "RUNNABLE", "STARTING", "RUNNING")] == [[]] * 4

    (tmp_path / "go").touch()
    shell.ended(array)
    assert listed(batch, queue, "PENDING") == []


@ours_only
def test_an_array_that_waits_child_by_child_is_pending_too(batch: BatchCalls, tmp_path: Path) -> None:
    """SubmitJob.dependsOn, N_TO_N: "each index child of this job must wait for the corresponding index child of each
    dependency to complete before it can begin"; job states, PENDING: a job that waits for its dependencies.
    """
    shell, queue = Shell(batch), new_queue(batch)
    first = submit(
        batch, jobQueue=queue, arrayProperties={"size": 2}, containerOverrides=sh(waiting_for(tmp_path / "go"))
    )
    second = submit_pair(batch, queue, dependsOn=[{"jobId": first, "type": "N_TO_N"}])

    waiting = shell.describe(second)
    assert (waiting["status"], waiting["arrayProperties"]["statusSummary"]) == ("PENDING", {**ZERO, "PENDING": 2})
    assert {each["jobId"] for each in listed(batch, queue, "PENDING")} == {first, second}

    (tmp_path / "go").touch()
    assert shell.ended(second)["status"] == "SUCCEEDED"


@ours_only
def test_lists_count_the_children_of_an_array_as_descriptions_do(batch: BatchCalls) -> None:
    """ArrayPropertiesSummary: statusSummary "is returned for parent array jobs"; statusSummaryLastUpdatedAt: "when the
    statusSummary was last updated".
    """
    queue, before = new_queue(batch), int(time.time() * 1000)
    script = "exit $((AWS_BATCH_JOB_ARRAY_INDEX == 1))"
    array = submit(batch, jobQueue=queue, arrayProperties={"size": 3}, containerOverrides=sh(script))
    described = Shell(batch).ended(array)["arrayProperties"]
    (summary,) = listed(batch, queue, "FAILED")

    assert described["statusSummary"] == {**ZERO, "SUCCEEDED": 2, "FAILED": 1}
    assert before <= described["statusSummaryLastUpdatedAt"] <= time.time() * 1000 + 1
    assert summary["arrayProperties"] == described


# Stopping


@ours_only
@pytest.mark.parametrize(
    ("code", "status", "reason"), [(0, "SUCCEEDED", None), (3, "FAILED", "Array Child Job failed")]
)
def test_cancelling_an_array_whose_children_run_changes_nothing(
    batch: BatchCalls, tmp_path: Path, code: int, status: str, reason: str | None
) -> None:
    """CancelJob: "Jobs that progressed to the STARTING or RUNNING state aren't cancelled. However, the API operation
    still succeeds, even if no job is cancelled."
    """
    shell = Shell(batch)
    script = f"{waiting_for(tmp_path / 'go')}; exit {code}"
    array = submit(batch, arrayProperties={"size": 2}, containerOverrides=sh(script))
    shell.running(f"{array}:0")
    shell.running(f"{array}:1")

    assert batch.call("CancelJob", {"jobId": array, "reason": "too late"}) == {}
    (tmp_path / "go").touch()
    parent = shell.ended(array)

    assert (parent["status"], parent.get("statusReason"), "isCancelled" in parent) == (status, reason, False)
    for index in (0, 1):
        child = shell.describe(f"{array}:{index}")
        assert (child["status"], "isCancelled" in child, "isTerminated" in child) == (status, False, False)
        assert child["statusReason"] == "Essential container in task exited"


@ours_only
def test_cancelling_an_array_cancels_the_children_that_wait(batch: BatchCalls, tmp_path: Path) -> None:
    """CancelJob: "When you try to cancel an array parent job in PENDING, Batch attempts to cancel all child jobs." """
    shell, queue = Shell(batch), new_queue(batch)
    first = submit(
        batch, jobQueue=queue, arrayProperties={"size": 2}, containerOverrides=sh(waiting_for(tmp_path / "go"))
    )
    second = submit_pair(batch, queue, dependsOn=[{"jobId": first, "type": "N_TO_N"}])

    batch.call("CancelJob", {"jobId": second, "reason": "not needed"})
    (tmp_path / "go").touch()

    for job in (shell.ended(second), shell.describe(f"{second}:1")):
        assert (job["status"], job["statusReason"], job["isCancelled"]) == ("FAILED", "not needed", True)


@ours_only
def test_several_jobs_are_cancelled_or_terminated_at_once(batch: BatchCalls, tmp_path: Path) -> None:
    """CancelJobs and TerminateJobs: "Batch reports the result for each job individually in the response. [...] Jobs
    that can't be found are treated as successfully processed."; CancelJobsErrorDetail.code, ValidationException: "A
    job identifier in the request is malformed or isn't valid."
    """
    shell, never = Shell(batch), tmp_path / "never"
    running = submit(batch, containerOverrides=sh(waiting_for(never)))
    waiting, other = (submit(batch, dependsOn=[{"jobId": running}]) for _ in range(2))
    shell.running(running)

    answer = batch.call("CancelJobs", {"jobs": [running, waiting, "unknown", f"{waiting}:no"], "reason": "not needed"})
    assert answer["successful"] == [running, waiting, "unknown"]
    assert [(each["job"], each["code"]) for each in answer["errors"]] == [(f"{waiting}:no", "ValidationException")]
    job = shell.ended(waiting)
    assert (job["statusReason"], job["isCancelled"]) == ("not needed", True)
    assert shell.describe(running)["status"] == "RUNNING"

    answer = batch.call("TerminateJobs", {"jobs": [other, running], "reason": "enough"})
    assert answer == {"successful": [other, running], "errors": []}
    for ended in (shell.ended(other), shell.ended(running)):
        assert (ended["status"], ended["statusReason"], ended["isTerminated"]) == ("FAILED", "enough", True)


@pytest.mark.parametrize("operation", ["CancelJobs", "TerminateJobs"])
@pytest.mark.parametrize(
    "wrong", [{"jobs": [f"job-{number}" for number in range(51)]}, {"jobs": []}, {"reason": ""}, {"reason": "x" * 1025}]
)
@pytest.mark.moto_disagrees("has no such operation")
def test_at_most_50_jobs_end_at_once(batch: BatchCalls, operation: str, wrong: dict[str, Any]) -> None:
    """CancelJobs.jobs: "An array of up to 50 Batch job IDs"; reason: "a limit of 1024 characters"."""
    request = {"jobs": ["job"], "reason": "enough", **wrong}
    assert refusal(lambda: batch.call(operation, request)).code == "ClientException"


# What a job is given


@ours_only
def test_children_know_the_size_of_their_array(batch: BatchCalls, tmp_path: Path) -> None:
    """Job environment variables: "AWS_BATCH_JOB_ARRAY_SIZE: This variable is set to the size of the parent array job",
    AWS_BATCH_JOB_ARRAY_INDEX "is only set in child array jobs".
    """
    script = f"env | grep '^AWS_BATCH_JOB_ARRAY' | sort > {tmp_path}/$AWS_BATCH_JOB_ID"
    array = submit(batch, arrayProperties={"size": 3}, containerOverrides=sh(script))
    single = submit(batch, containerOverrides=sh(script))
    Shell(batch).ended(array)
    Shell(batch).ended(single)

    for index in range(3):
        assert (tmp_path / f"{array}:{index}").read_text().split() == [
            f"AWS_BATCH_JOB_ARRAY_INDEX={index}",
            "AWS_BATCH_JOB_ARRAY_SIZE=3",
        ]
    assert (tmp_path / single).read_text() == ""


@ours_only
def test_a_job_knows_where_and_which_it_is(batch: BatchCalls, tmp_path: Path) -> None:
    """Job environment variables: AWS_BATCH_CE_NAME, AWS_BATCH_JOB_ATTEMPT ("The first attempt is numbered 1"),
    AWS_BATCH_JOB_ID, AWS_BATCH_JQ_NAME; the others are for multi-node and EKS jobs.
    """
    queue = new_queue(batch)
    (body,) = batch.call("DescribeJobQueues", {"jobQueues": [queue]})["jobQueues"]
    environment = body["computeEnvironmentOrder"][0]["computeEnvironment"]
    job_id = submit(batch, jobQueue=queue, containerOverrides=sh(f"env | grep '^AWS_BATCH' | sort > {tmp_path}/found"))
    Shell(batch).ended(job_id)

    assert (tmp_path / "found").read_text().split() == [
        f"AWS_BATCH_CE_NAME={environment.rpartition('/')[2]}",
        "AWS_BATCH_JOB_ATTEMPT=1",
        f"AWS_BATCH_JOB_ID={job_id}",
        f"AWS_BATCH_JQ_NAME={body['jobQueueName']}",
    ]


# What a job may ask for

LONG = [
    pytest.param(["echo", "Ref::a"], None, {"a": "x" * 12_000}, {}, id="the definition's command"),
    pytest.param(["true"], ["echo", "Ref::a"], {"a": "x" * 12_000}, {}, id="the submission's command"),
    pytest.param(["echo", "Ref::a", "Ref::b"], None, {"a": "x" * 5_000, "b": "x" * 5_000}, {}, id="two parameters"),
    pytest.param(["echo", "Ref::a Ref::a"], None, {"a": "x" * 5_000}, {}, id="one parameter twice"),
    pytest.param(["true"], ["echo", "x" * 9_000], {}, {}, id="a long command"),
    pytest.param(["true"], None, {}, {"environment": [{"name": "A", "value": "x" * 9_000}]}, id="a long environment"),
]


@pytest.mark.moto_disagrees("knows no such limit")
@pytest.mark.parametrize("size", [None, 2])
@pytest.mark.parametrize(("command", "override", "parameters", "overrides"), LONG)
def test_overrides_beyond_8192_characters_fail_the_job_without_an_attempt(
    batch: BatchCalls,
    command: list[str],
    override: list[str] | None,
    parameters: dict[str, str],
    overrides: dict[str, Any],
    size: int | None,
) -> None:
    """ECS, RunTask.overrides: "A total of 8192 characters are allowed for overrides. This limit includes the JSON
    formatting characters of the override structure"; the job is accepted, and fails with this reason.
    """
    definition = new_definition(batch, container={"command": command})["jobDefinitionArn"]
    request: dict[str, Any] = {"parameters": parameters, "containerOverrides": overrides}
    if override is not None:
        request["containerOverrides"] = {"command": override}
    if size is not None:
        request["arrayProperties"] = {"size": size}
    job_id = submit(batch, jobDefinition=definition, **request)
    job = Shell(batch).ended(job_id)
    if size is not None:
        assert (job["status"], job["statusReason"]) == ("FAILED", "Array Child Job failed")
        job = Shell(batch).describe(f"{job_id}:1")

    assert (job["status"], job["attempts"]) == ("FAILED", [])
    assert job["statusReason"] == "Container Overrides length must be at most 8192"


@ours_only
def test_overrides_of_8192_characters_are_not_too_long(batch: BatchCalls) -> None:
    """The same sentence: the JSON's own characters count."""
    around = len('{"command":["true",""]}')

    for length, status in ((8192 - around, "SUCCEEDED"), (8193 - around, "FAILED")):
        job_id = submit(batch, containerOverrides={"command": ["true", "x" * length]})
        assert Shell(batch).ended(job_id)["status"] == status


@pytest.mark.moto_disagrees("takes empty strings")
@pytest.mark.parametrize("command", [[""], ["echo", "", "x"]])
def test_a_command_has_no_empty_string(batch: BatchCalls, command: list[str]) -> None:
    """ContainerOverrides.command: "This parameter can't contain an empty string."; the message is AWS's."""
    for error in (
        refusal(lambda: submit(batch, containerOverrides={"command": command})),
        refusal(lambda: new_definition(batch, container={"command": command})),
    ):
        assert (error.code, error.message) == ("ClientException", "Command field cannot have empty strings")


@pytest.mark.moto_disagrees("takes any command")
@pytest.mark.parametrize(("defaults", "given"), [({}, {}), ({"other": "x"}, {}), ({"other": "x"}, {"another": "y"})])
def test_a_reference_of_a_command_needs_a_parameter(
    batch: BatchCalls, defaults: dict[str, str], given: dict[str, str]
) -> None:
    """SubmitJob.parameters: "Additional parameters passed to the job that replace parameter substitution placeholders
    that are set in the job definition"; the message is AWS's for one that nothing replaces.
    """
    command = ["true", "Ref::name"]
    definition = new_definition(batch, container={"command": command}, parameters=defaults)["jobDefinitionArn"]
    plain = new_definition(batch, parameters=defaults)["jobDefinitionArn"]

    for error in (
        refusal(lambda: submit(batch, jobDefinition=definition, parameters=given)),
        refusal(lambda: submit(batch, jobDefinition=plain, parameters=given, containerOverrides={"command": command})),
    ):
        assert (error.code, error.status) == ("ClientException", 400)
        assert error.message == "Unable to substitute value. No parameter found for reference name"


@pytest.mark.parametrize(("defaults", "given"), [({"name": "x"}, {}), ({}, {"name": "x"})])
def test_a_parameter_is_the_jobs_or_its_definitions(
    batch: BatchCalls, defaults: dict[str, str], given: dict[str, str]
) -> None:
    """RegisterJobDefinition.parameters: "Default parameter substitution placeholders to set in the job definition." """
    container = {"command": ["true", "Ref::name"]}
    definition = new_definition(batch, container=container, parameters=defaults)["jobDefinitionArn"]

    assert submit(batch, jobDefinition=definition, parameters=given)


@pytest.mark.moto_disagrees("takes any submission")
def test_a_share_identifier_needs_a_queue_with_a_scheduling_policy(batch: BatchCalls) -> None:
    """SubmitJob.shareIdentifier: "Don't specify this parameter if the job queue doesn't have a fair-share scheduling
    policy."
    """
    assert refusal(lambda: submit(batch, shareIdentifier="a")).code == "ClientException"


@pytest.mark.moto_disagrees("knows no such limit")
@pytest.mark.parametrize("priority", [-1, 10_000])
def test_a_scheduling_priority_is_0_to_9999_everywhere(batch: BatchCalls, priority: int) -> None:
    """SubmitJob.schedulingPriorityOverride, RegisterJobDefinition.schedulingPriority: "The minimum supported value is 0
    and the maximum supported value is 9999."
    """
    assert refusal(lambda: submit(batch, schedulingPriorityOverride=priority)).code == "ClientException"
    assert refusal(lambda: new_definition(batch, schedulingPriority=priority)).code == "ClientException"


@pytest.mark.moto_disagrees("propagates no tags")
def test_more_than_50_tags_together_fail_the_job(batch: BatchCalls) -> None:
    """SubmitJob.propagateTags: "If the total number of combined tags from the job and job definition is over 50, the
    job is moved to the FAILED state."
    """
    definition = new_definition(batch, tags={f"d{n}": "x" for n in range(30)})["jobDefinitionArn"]
    tags = {f"j{n}": "x" for n in range(21)}
    propagating = submit(batch, jobDefinition=definition, tags=tags, propagateTags=True)
    job = Shell(batch).ended(propagating)

    assert (job["status"], job["attempts"]) == ("FAILED", [])
    assert Shell(batch).ended(submit(batch, jobDefinition=definition, tags=tags))["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "condition",
    [{"onReason": "CannotPullContainerError:*"}, {"onStatusReason": "Host EC2*"}, {"onExitCode": "13*"}],
)
def test_a_pattern_may_end_with_an_asterisk(batch: BatchCalls, condition: dict[str, str]) -> None:
    """EvaluateOnExit: "It can optionally end with an asterisk (*)"."""
    strategy = {"attempts": 2, "evaluateOnExit": [{"action": "RETRY", **condition}]}

    assert new_definition(batch, retryStrategy=strategy)["revision"] == 1


@pytest.mark.moto_disagrees("checks no patterns")
@pytest.mark.parametrize(
    "condition",
    [
        {"onReason": "Out*Memory"},
        {"onReason": "no-hyphen"},
        {"onReason": "x" * 513},
        {"onStatusReason": "Host EC2 (instance*"},
        {"onExitCode": "a"},
    ],
)
def test_a_pattern_has_letters_numbers_periods_colons_and_blanks(batch: BatchCalls, condition: dict[str, str]) -> None:
    """EvaluateOnExit: "The pattern can contain up to 512 characters. It can contain letters, numbers, periods (.),
    colons (:), and white space ... It can optionally end with an asterisk (*)".
    """
    strategy = {"attempts": 2, "evaluateOnExit": [{"action": "RETRY", **condition}]}

    assert refusal(lambda: new_definition(batch, retryStrategy=strategy)).code == "ClientException"


@pytest.mark.moto_disagrees("a job shows none")
@pytest.mark.parametrize("given", [[], ["EC2"]])
def test_platform_capabilities_are_shown_as_they_were_given(batch: BatchCalls, given: list[str]) -> None:
    """The default, EC2, is not filled in: the user guide's "Job state change events", whose "detail section resembles
    the JobDetail object", has `"platformCapabilities": []`, and Terraform's AWS provider (the acceptance test
    TestAccBatchJobDefinition_basic) finds none in a definition that names none.
    """
    arn = new_definition(batch, platformCapabilities=given)["jobDefinitionArn"]
    (definition,) = batch.call("DescribeJobDefinitions", {"jobDefinitions": [arn]})["jobDefinitions"]
    (job,) = batch.call("DescribeJobs", {"jobs": [submit(batch, jobDefinition=arn)]})["jobs"]

    assert definition.get("platformCapabilities", []) == job["platformCapabilities"] == given


@pytest.mark.moto_disagrees("shows nothing of it")
def test_whether_tags_are_propagated_is_shown_where_it_was_given(batch: BatchCalls) -> None:
    """JobDetail.propagateTags: "If no value is specified, the tags aren't propagated". Recorded answers of `aws batch
    describe-jobs` have no such member for jobs that said nothing of it.
    """
    for given in ({}, {"propagateTags": False}, {"propagateTags": True}):
        asked = submit(batch, jobDefinition=new_definition(batch)["jobDefinitionArn"], **given)
        defined = submit(batch, jobDefinition=new_definition(batch, **given)["jobDefinitionArn"])

        for job in batch.call("DescribeJobs", {"jobs": [asked, defined]})["jobs"]:
            assert {name: job[name] for name in ("propagateTags",) if name in job} == given


@pytest.mark.moto_disagrees("has no children")
def test_a_child_has_an_index_and_lists_that_are_empty(batch: BatchCalls) -> None:
    """What `aws batch describe-jobs` and the event of a job's state change show of a child."""
    parent = submit(batch, arrayProperties={"size": 2})
    (child,) = batch.call("DescribeJobs", {"jobs": [f"{parent}:1"]})["jobs"]

    assert (child["arrayProperties"], child["eksAttempts"]) == ({"index": 1, "statusSummary": {}}, [])


@pytest.mark.moto_disagrees("shows what it was given")
def test_a_retry_strategy_is_shown_where_one_was_given(batch: BatchCalls) -> None:
    """JobDetail.retryStrategy: "Required: No". `aws batch describe-jobs` shows none for a job whose definition and
    submission have none.
    """
    plain = new_definition(batch)["jobDefinitionArn"]
    tried = new_definition(batch, retryStrategy={"attempts": 2})["jobDefinitionArn"]
    ids = [
        submit(batch, jobDefinition=plain),
        submit(batch, jobDefinition=tried),
        submit(batch, jobDefinition=plain, retryStrategy={"attempts": 3}),
    ]
    jobs = {job["jobId"]: job.get("retryStrategy") for job in batch.call("DescribeJobs", {"jobs": ids})["jobs"]}

    assert [jobs[each] for each in ids] == [
        None,
        {"attempts": 2, "evaluateOnExit": []},
        {"attempts": 3, "evaluateOnExit": []},
    ]


@pytest.mark.moto_disagrees("shows what it was given")
def test_a_definition_shows_the_lists_that_it_leaves_out(batch: BatchCalls) -> None:
    """What AWS answers, and what terraform-provider-aws has to see past: "empty linuxParameters.devices,
    linuxParameters.tmpfs, logConfiguration.options", "logConfiguration.secretOptions",
    "linuxParameters.devices.permissions, linuxParameters.tmpfs.mountOptions".
    """
    device, tmpfs = {"hostPath": "/dev/null"}, {"containerPath": "/scratch", "size": 16}
    container = {
        "logConfiguration": {"logDriver": "awslogs"},
        "linuxParameters": {"initProcessEnabled": True, "devices": [device], "tmpfs": [tmpfs]},
    }
    arn = new_definition(batch, container=container, retryStrategy={"attempts": 3})["jobDefinitionArn"]
    (definition,) = batch.call("DescribeJobDefinitions", {"jobDefinitions": [arn]})["jobDefinitions"]
    plain = new_definition(batch, container={"linuxParameters": {"maxSwap": 1}})["jobDefinitionArn"]
    (other,) = batch.call("DescribeJobDefinitions", {"jobDefinitions": [plain]})["jobDefinitions"]

    shown = definition["containerProperties"]
    assert definition["retryStrategy"] == {"attempts": 3, "evaluateOnExit": []}
    assert shown["logConfiguration"] == {"logDriver": "awslogs", "options": {}, "secretOptions": []}
    assert shown["linuxParameters"]["devices"] == [{**device, "permissions": []}]
    assert shown["linuxParameters"]["tmpfs"] == [{**tmpfs, "mountOptions": []}]
    assert other["containerProperties"]["linuxParameters"] == {"maxSwap": 1, "devices": [], "tmpfs": []}
