"""Jobs in containers of their own images: starts, ends, reasons, logs, signals."""

from __future__ import annotations

import re
from typing import Any

import pytest
from batch_shell import Shell
from container_engines import BUSYBOX, TestEngine
from container_shell import NewService, shell_of

from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
EXITED = "Essential container in task exited"


def ends(job: dict[str, Any]) -> list[tuple[str, int | None, str | None]]:
    """Of each attempt: status reason, exit code, the container's reason."""
    return [
        (each["statusReason"], each["container"].get("exitCode"), each["container"].get("reason"))
        for each in job["attempts"]
    ]


def test_a_job_sees_its_image_and_what_aws_sets_and_nothing_of_this_machine(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit(
        "pwd; id -u; env | grep -v -e ^HOSTNAME -e ^container -e ^TERM -e ^SHLVL -e ^PWD; ls /", size=2
    )

    assert shell.ended(job_id)["status"] == "SUCCEEDED"
    lines = service.log_tail(job_id, 1, lines=100).splitlines()
    assert lines[:2] == ["/root", "0"]
    assert {
        "PATH=/bin",
        "HOME=/root",
        "GIVEN=yes",
        "AWS_EXECUTION_ENV=AWS_ECS_EC2",
        f"AWS_BATCH_JOB_ID={job_id}:1",
        "AWS_BATCH_JOB_ARRAY_INDEX=1",
        "AWS_BATCH_JOB_ARRAY_SIZE=2",
        "AWS_BATCH_JOB_ATTEMPT=1",
        "AWS_BATCH_JQ_NAME=queue",
        "AWS_BATCH_CE_NAME=local",
    } == {line for line in lines[2:] if "=" in line}
    assert "home" not in lines


def test_a_failed_attempt_is_retried_with_a_log_of_its_own(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit(
        "echo attempt $AWS_BATCH_JOB_ATTEMPT; exit $((4 - AWS_BATCH_JOB_ATTEMPT))", retryStrategy={"attempts": 2}
    )

    job = shell.ended(job_id)

    assert (job["status"], job["statusReason"], ends(job)) == (
        "FAILED",
        EXITED,
        [(EXITED, 3, None), (EXITED, 2, None)],
    )
    assert [each.path.read_text() for each in service.log_streams(job_id)] == ["attempt 1\n", "attempt 2\n"]


def test_an_image_that_cannot_be_pulled_is_retried_and_leaves_no_log_stream(shell: Shell, service: LocalBatch) -> None:
    shell.define("missing", image="localhost/nobody/has:this")
    strategy = {"attempts": 2, "evaluateOnExit": [{"onReason": "CannotPullContainerError*", "action": "RETRY"}]}
    job_id = shell.submit("true", jobDefinition="missing", retryStrategy=strategy)

    job = shell.ended(job_id)

    assert [(reason, code) for reason, code, _ in ends(job)] == [("Task failed to start", None)] * 2
    for _, _, said in ends(job):
        assert said is not None
        assert said.startswith("CannotPullContainerError: Error response from daemon: ")
        assert len(said) <= 255
    assert service.log_streams(job_id) == []
    assert "logStreamName" not in job["container"]


def test_an_image_is_not_asked_for_where_settings_say_never(new_service: NewService) -> None:
    shell = shell_of(new_service(pull="never"), image="localhost/nobody/has:this")

    ((_, _, said),) = ends(shell.ended(shell.submit("true")))

    assert said == (
        "CannotPullContainerError: Error response from daemon: no such image: localhost/nobody/has:this"
        " (emulator.container.pull: never)"
    )


@pytest.mark.parametrize(
    ("command", "properties", "expected"),
    [
        ("pyflyte-execute", {}, 'CannotStartContainerError: {daemon}.*"pyflyte-execute": executable file not found in'),
        ("/bin/bash", {}, "CannotStartContainerError: {daemon}.*/bin/bash.* no such file or directory"),
        ("/etc/passwd", {}, "CannotStartContainerError: {daemon}.*/etc/passwd.*permission denied"),
        ("true", {"user": "nobody-here"}, "CannotStartContainerError: {daemon}unable to find user nobody-here: "),
        ("true", {"image": "UPPER/case:1"}, "CannotPullContainerError: {daemon}.*repository name .*must be lowercase"),
        (
            "true",
            {"linuxParameters": {"devices": [{"hostPath": "/dev/nothing"}]}},
            "CannotCreateContainerError: {daemon}.*/dev/nothing.*no such file or directory",
        ),
    ],
)
def test_why_an_attempt_does_not_start_is_said_as_by_aws(
    shell: Shell, service: LocalBatch, command: str, properties: dict[str, Any], expected: str
) -> None:
    shell.define("wrong", **{"image": BUSYBOX, "memory": 64, **properties})
    job_id = shell.submit([command, "--help"], jobDefinition="wrong")

    ((status, code, said),) = ends(shell.ended(job_id))

    assert (status, code) == ("Task failed to start", None)
    assert re.match(expected.format(daemon="Error response from daemon: "), said or ""), said
    assert service.log_streams(job_id) == []


@pytest.mark.parametrize("round_", range(3))
def test_the_kernel_kills_what_passes_its_memory(shell: Shell, service: LocalBatch, round_: int) -> None:
    job_id = shell.submit(["dd", "if=/dev/zero", "of=/dev/null", "bs=200M"])

    assert ends(shell.ended(job_id)) == [(EXITED, 137, OUT_OF_MEMORY)]
    peak = service.call("DescribeJobs", {"jobs": [job_id]}) and service._table.find(job_id).units[0].attempts[0]  # type: ignore[union-attr]
    # Of a container this short nothing may have been seen before it had gone.
    assert peak.peak_memory == 0 or 2**20 < peak.peak_memory <= 64 * 2**20


def test_a_main_process_that_survives_its_child_keeps_its_exit_code(shell: Shell) -> None:
    job_id = shell.submit("dd if=/dev/zero of=/dev/null bs=200M; exit 3")

    assert ends(shell.ended(job_id)) == [(EXITED, 3, OUT_OF_MEMORY)]


def test_a_child_that_is_killed_for_memory_is_no_failure_of_a_command_that_succeeds(shell: Shell) -> None:
    job_id = shell.submit("dd if=/dev/zero of=/dev/null bs=200M; exit 0")

    assert ends(shell.ended(job_id)) == [(EXITED, 0, None)]


def test_lines_of_both_outputs_come_whole_and_in_order(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit(
        'for i in 1 2 3; do echo -n out; sleep 0.05; echo err $i >&2; sleep 0.05; echo " $i"; sleep 0.05; done;'
        " echo -n no newline"
    )

    shell.ended(job_id)
    lines = [line for i in (1, 2, 3) for line in (f"err {i}", f"out {i}")]
    assert service.log_streams(job_id)[0].path.read_text() == "\n".join([*lines, "no newline"])


def test_a_hundred_megabytes_of_anything_arrive(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("head -c 60000000 /dev/urandom; yes 0123456789 | head -c 40000000; echo; echo the end")

    assert shell.ended(job_id)["status"] == "SUCCEEDED"
    path = service.log_streams(job_id)[0].path
    assert path.stat().st_size == 100_000_000 + len("\nthe end\n")
    assert service.log_tail(job_id, lines=1) == "the end"


def test_terminating_asks_process_1_and_waits_for_its_answer(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("trap 'echo asked; exit 9' TERM; echo ready; while true; do sleep 0.05; done")
    shell.until(job_id, lambda _: service.log_tail(job_id) == "ready")

    service.terminate_job(jobId=job_id, reason="enough")
    job = shell.ended(job_id)

    assert (job["status"], job["statusReason"], ends(job)) == ("FAILED", "enough", [(EXITED, 9, None)])
    assert service.log_tail(job_id) == "ready\nasked"


def test_process_1_that_does_not_handle_sigterm_is_killed_when_the_grace_has_passed(
    shell: Shell, service: LocalBatch
) -> None:
    job_id = shell.submit(["sleep", "600"], retryStrategy={"attempts": 3})
    shell.running(job_id)

    service.terminate_job(jobId=job_id, reason="enough")
    job = shell.ended(job_id)

    assert (job["status"], job["statusReason"], ends(job)) == ("FAILED", "enough", [(EXITED, 137, None)])


def test_an_attempt_over_its_time_is_killed_and_not_retried(new_service: NewService) -> None:
    shell = shell_of(new_service(clock=Clock(speed=100)))
    job_id = shell.submit(["sleep", "600"], timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3})

    job = shell.ended(job_id)

    timed_out = "Job attempt duration exceeded timeout"
    assert (job["status"], job["statusReason"], ends(job)) == ("FAILED", timed_out, [(timed_out, 137, None)])


def test_nothing_is_left_of_containers_that_have_ended(
    shell: Shell, service: LocalBatch, container_engine: TestEngine
) -> None:
    for _ in range(3):
        shell.ended(shell.submit("true"))
    running = shell.submit(["sleep", "600"])
    shell.running(running)

    service.close()

    assert container_engine.client().containers(all=True) == []
    assert BUSYBOX in {tag for image in container_engine.client().images() for tag in image["RepoTags"] or ()}
