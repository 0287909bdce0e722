"""A submission over its definition: who wins, and what the process gets."""

from __future__ import annotations

from typing import Any

import pytest
from batch_shell import Shell
from hypothesis import given
from hypothesis import strategies as st

from flytekitplugins.awsbatch.batch.emulator.job_spec import job_spec_command, job_spec_of
from flytekitplugins.awsbatch.batch.emulator.operations.job_submission import job_detail_of_submission
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

NEW = [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "300"}]


def resolved(properties: dict[str, Any], overrides: dict[str, Any], **request: Any) -> Any:
    definition = {"containerProperties": {"image": "any", **properties}}
    submission = {"jobName": "job", "containerOverrides": overrides, **request}
    return job_spec_of(job_detail_of_submission(submission, definition, "definition", "queue"))


@pytest.mark.parametrize(
    ("properties", "overrides", "size"),
    [
        ({"vcpus": 1, "memory": 100}, {}, (1, 100)),
        ({"vcpus": 1, "memory": 100}, {"vcpus": 3, "memory": 500}, (3, 500)),
        ({"vcpus": 1, "memory": 100}, {"resourceRequirements": NEW}, (2, 300)),
        ({"resourceRequirements": NEW}, {}, (2, 300)),
        # "it overrides the vcpus parameter ..., but doesn't override any vCPU requirement specified in the
        # resourceRequirements structure in the job definition" (ContainerOverrides.vcpus)
        ({"resourceRequirements": NEW}, {"vcpus": 3, "memory": 500}, (2, 300)),
        ({"resourceRequirements": NEW}, {"resourceRequirements": [{"type": "MEMORY", "value": "700"}]}, (2, 700)),
        ({"vcpus": 1, "resourceRequirements": NEW[1:]}, {"vcpus": 4}, (4, 300)),
    ],
)
def test_the_size_of_a_job(properties: dict[str, Any], overrides: dict[str, Any], size: tuple[float, int]) -> None:
    spec = resolved(properties, overrides)

    assert (spec.vcpus, spec.memory) == size


@pytest.mark.parametrize(
    ("command", "parameters", "expected"),
    [
        (["echo", "Ref::name"], {"name": "x"}, ("echo", "x")),
        (["echo", "Ref::other"], {"name": "x"}, ("echo", "Ref::other")),
        (["sh", "-c", "echo Ref::a Ref::ab"], {"a": "1", "ab": "2"}, ("sh", "-c", "echo 1 2")),
        # What a parameter brings in is not looked at again.
        (["Ref::a"], {"a": "Ref::b", "b": "x"}, ("Ref::b",)),
        (["Ref::a"], {}, ("Ref::a",)),
        (["Ref::a.b"], {"a.b": "dotted", "a": "short"}, ("dotted",)),
    ],
)
def test_parameters_are_put_into_the_command(
    command: list[str], parameters: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert job_spec_command(command, parameters) == expected


@given(st.lists(st.text()), st.dictionaries(st.text(min_size=1), st.text()))
def test_a_command_without_references_stays_as_it_is(command: list[str], parameters: dict[str, str]) -> None:
    plain = [word.replace("Ref::", "") for word in command]
    plain = [word for word in plain if "Ref::" not in word]

    assert job_spec_command(plain, parameters) == tuple(plain)


def test_parameters_of_the_submission_win_over_those_of_the_definition(shell: Shell, service: LocalBatch) -> None:
    service.register_job_definition(
        jobDefinitionName="parametrised",
        type="container",
        parameters={"greeting": "hello", "name": "nobody"},
        containerProperties={
            "image": "any",
            "vcpus": 1,
            "memory": 64,
            "command": ["echo", "Ref::greeting", "Ref::name"],
        },
    )
    job_id = service.submit_job(
        jobName="job", jobQueue="queue", jobDefinition="parametrised", parameters={"name": "you"}
    )["jobId"]

    job = shell.ended(job_id)

    assert service.log_tail(job_id) == "hello you"
    assert job["parameters"] == {"greeting": "hello", "name": "you"}


def test_the_deployments_own_queues_take_jobs_for_fargate(shell: Shell, service: LocalBatch) -> None:
    """The settings do not say what such a queue's compute environments are."""
    needs = [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}]
    role = "arn:aws:iam::123456789012:role/role"
    service.register_job_definition(
        jobDefinitionName="fargate",
        type="container",
        platformCapabilities=["FARGATE"],
        containerProperties={"image": "any", "resourceRequirements": needs, "executionRoleArn": role},
    )

    assert shell.ended(shell.submit("true", jobDefinition="fargate"))["status"] == "SUCCEEDED"


def test_timeout_and_retries_of_the_submission_win(shell: Shell, service: LocalBatch) -> None:
    service.register_job_definition(
        jobDefinitionName="strategic",
        type="container",
        timeout={"attemptDurationSeconds": 100},
        retryStrategy={"attempts": 5, "evaluateOnExit": [{"onExitCode": "3", "action": "Exit"}]},
        containerProperties={"image": "any", "vcpus": 1, "memory": 64, "command": ["sh", "-c", "exit 3"]},
    )
    by_definition = service.submit_job(jobName="job", jobQueue="queue", jobDefinition="strategic")["jobId"]
    by_submission = service.submit_job(
        jobName="job",
        jobQueue="queue",
        jobDefinition="strategic",
        retryStrategy={"attempts": 2},
        timeout={"attemptDurationSeconds": 200},
    )["jobId"]

    first, second = shell.ended(by_definition), shell.ended(by_submission)

    assert (len(first["attempts"]), first["timeout"]) == (1, {"attemptDurationSeconds": 100})
    assert first["retryStrategy"]["evaluateOnExit"] == [{"onExitCode": "3", "action": "exit"}]
    assert (len(second["attempts"]), second["timeout"]) == (2, {"attemptDurationSeconds": 200})


def test_queues_of_higher_priority_go_first_where_they_share_an_environment(
    shell: Shell, service: LocalBatch, tmp_path: Any
) -> None:
    service.ensure_queue("urgent")
    service.update_job_queue(jobQueue="urgent", priority=10)
    blocker = shell.submit("sleep 0.3", containerOverrides={"vcpus": 4})
    shell.running(blocker)
    late = shell.submit(f"echo late >> {tmp_path}/order", containerOverrides={"vcpus": 4})
    soon = shell.submit(f"echo soon >> {tmp_path}/order", jobQueue="urgent", containerOverrides={"vcpus": 4})

    shell.ended(late)
    shell.ended(soon)

    assert (tmp_path / "order").read_text().split() == ["soon", "late"]
