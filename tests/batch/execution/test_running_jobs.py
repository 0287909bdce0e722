"""Jobs that really run: statuses, arrays, retries, environment, logs, limits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from batch_shell import SETTINGS, Shell, eventually, new_shell

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.execution.executors.process import ProcessExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import JobProcess
from flytekitplugins.awsbatch.batch.emulator.execution.executors.supervision import Supervision
from flytekitplugins.awsbatch.batch.emulator.execution.launch import Launch
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

EXITED = "Essential container in task exited"


def test_a_command_that_exits_zero_succeeds_and_its_lines_are_in_the_log(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("echo one; echo two >&2")

    job = shell.ended(job_id)

    assert (job["status"], job["statusReason"], job["container"]["exitCode"]) == ("SUCCEEDED", EXITED, 0)
    assert service.log_tail(job_id) == "one\ntwo"
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]


def test_a_failed_attempt_is_retried_and_each_attempt_has_a_log_of_its_own(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("echo attempt $AWS_BATCH_JOB_ATTEMPT; exit 7", retryStrategy={"attempts": 3})

    job = shell.ended(job_id)

    assert job["status"] == "FAILED"
    assert [each["container"]["exitCode"] for each in job["attempts"]] == [7, 7, 7]
    streams = service.log_streams(job_id)
    assert [each.name for each in streams] == [each["container"]["logStreamName"] for each in job["attempts"]]
    assert [each.path.read_text() for each in streams] == ["attempt 1\n", "attempt 2\n", "attempt 3\n"]


def test_a_job_sees_what_aws_sets(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit(["env"], size=2)
    shell.ended(job_id)

    seen = dict(line.split("=", 1) for line in service.log_tail(job_id, index=1, lines=1000).splitlines())

    assert {name: value for name, value in seen.items() if name.startswith("AWS_BATCH")} == {
        "AWS_BATCH_JOB_ID": f"{job_id}:1",
        "AWS_BATCH_JOB_ARRAY_INDEX": "1",
        "AWS_BATCH_JOB_ARRAY_SIZE": "2",
        "AWS_BATCH_JOB_ATTEMPT": "1",
        "AWS_BATCH_JQ_NAME": "queue",
        "AWS_BATCH_CE_NAME": "local",
    }


@pytest.mark.parametrize("kind", ["EC2", "FARGATE"])
def test_a_job_sees_what_ecs_it_runs_on(shell: Shell, service: LocalBatch, kind: str) -> None:
    role = {"executionRoleArn": "arn:aws:iam::123456789012:role/execution"}
    needs = {"resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}]}
    service.register_job_definition(
        jobDefinitionName="on",
        type="container",
        platformCapabilities=[kind],
        containerProperties={"image": "local/any:v1", **needs, **role},
    )
    job_id = shell.submit("echo $AWS_EXECUTION_ENV", jobDefinition="on")
    shell.ended(job_id)

    assert service.log_tail(job_id) == f"AWS_ECS_{kind}"


def test_a_single_job_has_no_array_index(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("echo ${AWS_BATCH_JOB_ARRAY_INDEX-none}")
    shell.ended(job_id)

    assert service.log_tail(job_id) == "none"


def test_an_array_fails_when_a_child_does_and_says_how_many(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("exit $((AWS_BATCH_JOB_ARRAY_INDEX == 2))", size=5)

    parent = shell.ended(job_id)

    assert parent["status"] == "FAILED"
    assert parent["statusReason"] == "Array Child Job failed"
    assert parent["arrayProperties"] == {
        "size": 5,
        "statusSummary": {
            "SUBMITTED": 0,
            "PENDING": 0,
            "RUNNABLE": 0,
            "STARTING": 0,
            "RUNNING": 0,
            "SUCCEEDED": 4,
            "FAILED": 1,
        },
        "statusSummaryLastUpdatedAt": parent["stoppedAt"],
    }
    children = service.describe_jobs(jobs=[f"{job_id}:{index}" for index in range(5)])["jobs"]
    assert [(each["jobId"], each["status"], each["arrayProperties"]) for each in children] == [
        (f"{job_id}:{index}", "FAILED" if index == 2 else "SUCCEEDED", {"index": index, "statusSummary": {}})
        for index in range(5)
    ]


def test_the_parent_of_an_array_is_pending_while_children_run(shell: Shell) -> None:
    job_id = shell.submit("sleep 60", size=2)

    parent = shell.until(job_id, lambda job: job["arrayProperties"]["statusSummary"]["RUNNING"] == 2)

    assert parent["status"] == "PENDING"


def test_no_more_runs_at_once_than_the_compute_environment_has_vcpus(shell: Shell) -> None:
    job_id = shell.submit("sleep 60", size=7)

    parent = shell.until(job_id, lambda job: job["arrayProperties"]["statusSummary"]["RUNNING"] == 4)

    assert parent["arrayProperties"]["statusSummary"]["RUNNABLE"] == 3


def test_memory_counts_as_capacity_too(shell: Shell, service: LocalBatch) -> None:
    shell.submit("sleep 60", name="large", containerOverrides={"memory": 5000})
    waiting = shell.submit("sleep 60", name="second", containerOverrides={"memory": 5000})
    eventually(lambda: len(service.list_jobs(jobQueue="queue", jobStatus="RUNNING")["jobSummaryList"]) == 1)

    assert shell.describe(waiting)["status"] == "RUNNABLE"


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"vcpus": 5}, "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"),
        ({"memory": 9000}, "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"),
        (
            {"resourceRequirements": [{"type": "GPU", "value": "1"}]},
            "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
        ),
    ],
)
def test_a_job_that_can_never_fit_stays_runnable_says_why_and_holds_nobody_back(
    shell: Shell, overrides: dict[str, object], reason: str
) -> None:
    misfit = shell.submit("true", containerOverrides=overrides)
    after = shell.submit("true")

    assert shell.ended(after)["status"] == "SUCCEEDED"
    job = shell.describe(misfit)
    assert job["status"] == "RUNNABLE"
    assert job["statusReason"].startswith(reason)


def test_a_job_waits_for_a_disabled_compute_environment_without_a_misconfiguration(
    shell: Shell, service: LocalBatch
) -> None:
    service.call("UpdateComputeEnvironment", {"computeEnvironment": "local", "state": "DISABLED"})
    waiting, misfit = shell.submit("true"), shell.submit("true", containerOverrides={"vcpus": 5})

    reason = shell.until(misfit, lambda job: "statusReason" in job)["statusReason"]
    assert reason.startswith("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE")
    assert reason.endswith("no compute environment of the queue has more than 4")
    assert "statusReason" not in shell.describe(waiting)

    service.call("UpdateComputeEnvironment", {"computeEnvironment": "local", "state": "ENABLED"})
    assert shell.ended(waiting)["status"] == "SUCCEEDED"


def test_a_job_that_fits_after_all_no_longer_says_that_it_does_not(
    shell: Shell, service: LocalBatch, tmp_path: Path
) -> None:
    before = shell.submit(f"until [ -e {tmp_path}/go ]; do sleep 0.02; done")
    shell.running(before)
    misfit = shell.submit("true", containerOverrides={"vcpus": 5})
    shell.until(misfit, lambda job: "statusReason" in job)

    grown = {"computeEnvironment": "local", "computeResources": {"maxvCpus": 5}}
    service.call("UpdateComputeEnvironment", grown)
    assert shell.until(misfit, lambda job: "statusReason" not in job)["status"] == "RUNNABLE"
    (tmp_path / "go").touch()
    assert shell.ended(misfit)["status"] == "SUCCEEDED"


def test_a_job_that_had_to_wait_for_another_starts_before_those_submitted_after_it(
    shell: Shell, tmp_path: Path
) -> None:
    whole = {"containerOverrides": {"vcpus": 4}}
    first = shell.submit(f"until [ -e {tmp_path}/go ]; do sleep 0.02; done", **whole)
    names = {"dependent": [{"jobId": first}], "later": [], "last": []}
    jobs = [shell.submit(f"echo {name} >> {tmp_path}/order", dependsOn=on, **whole) for name, on in names.items()]
    (tmp_path / "go").touch()

    for job_id in jobs:
        shell.ended(job_id)
    assert (tmp_path / "order").read_text().split() == list(names)


def test_more_memory_than_the_limit_kills_the_attempt_as_aws_reports_it(shell: Shell) -> None:
    script = "import time; block = b'x' * (200 << 20); time.sleep(60)"
    job_id = shell.submit(["python3", "-c", script], containerOverrides={"memory": 64})

    job = shell.ended(job_id)

    assert job["status"] == "FAILED"
    assert job["container"]["exitCode"] == 137
    assert job["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"


@pytest.mark.processes_only("the kernel kills the process that holds most, not process 1")
def test_memory_of_grandchildren_counts(shell: Shell) -> None:
    script = "python3 -c \"import time; block = b'x' * (200 << 20); time.sleep(60)\"; echo survived"
    job_id = shell.submit(script, containerOverrides={"memory": 64})

    assert shell.ended(job_id)["container"]["exitCode"] == 137


@pytest.mark.processes_only("the engine has words of its own")
def test_a_command_that_is_not_there_cannot_start_says_which_and_leaves_no_log_stream(shell: Shell) -> None:
    job_id = shell.submit(["no-such-command", "x"])

    job = shell.ended(job_id)

    assert job["statusReason"] == "Task failed to start"
    assert job["container"]["reason"] == "CannotStartContainerError: no-such-command: No such file or directory"
    assert not {"exitCode", "logStreamName"} & set(job["container"])


def test_an_interpreter_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(sys, "_base_executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError, match="No such file or directory: '/nowhere/python'"):
        print(Supervision().directory)


class FoldersForLogs(ProcessExecutor):
    """One that finds something in the place of each log, which can be neither written nor removed."""

    def start(self, process: JobProcess) -> None:
        process.log.mkdir(parents=True)
        super().start(process)


def test_an_attempt_whose_log_cannot_be_written_cannot_start_and_says_which(home: Path) -> None:
    with LocalBatch(home, SETTINGS, executor=FoldersForLogs()) as service:
        shell = new_shell(service)
        job = shell.ended(shell.submit("true"))

    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["reason"].endswith(".log: Is a directory")


@pytest.mark.processes_only("an image has a command of its own")
def test_a_job_without_a_command_cannot_start_and_says_why(
    shell: Shell, service: LocalBatch, caplog: pytest.LogCaptureFixture
) -> None:
    service.register_job_definition(
        jobDefinitionName="image-only", type="container", containerProperties={"image": "i", "vcpus": 1, "memory": 64}
    )
    job_id = shell.submit([], jobDefinition="image-only")

    reason = shell.ended(job_id)["container"]["reason"]

    assert reason == (
        "CannotStartContainerError: the job has no command, and its image's own runs only with isolation: container"
    )
    assert not caplog.records


class Moody(ProcessExecutor):
    """One that has not foreseen something about the first of the children."""

    def start(self, process: JobProcess) -> None:
        if process.environment["AWS_BATCH_JOB_ARRAY_INDEX"] == "0":
            raise RuntimeError("no mood")
        super().start(process)


def test_an_executor_that_fails_over_one_attempt_gets_the_others_all_the_same(home: Path) -> None:
    with LocalBatch(home, SETTINGS, executor=Moody()) as service:
        shell = new_shell(service)
        job_id = shell.submit("true", size=3)
        shell.ended(job_id)

        children = service.describe_jobs(jobs=[f"{job_id}:{index}" for index in range(3)])["jobs"]

    assert [each["status"] for each in children] == ["FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert children[0]["container"]["reason"] == "CannotStartContainerError: RuntimeError: no mood"


def test_an_attempt_over_its_time_is_killed_and_not_retried(home: Path) -> None:
    with LocalBatch(home, SETTINGS, clock=Clock(speed=100)) as service:
        shell = new_shell(service)
        job_id = shell.submit("sleep 600", timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3})

        job = shell.ended(job_id)

    assert job["status"] == "FAILED"
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    assert [each["container"]["exitCode"] for each in job["attempts"]] == [143]


def test_terminate_asks_a_running_job_and_gives_the_reason(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("trap 'echo asked; exit 3' TERM; sleep 60 & wait")
    shell.running(job_id)
    eventually(lambda: service.log_streams(job_id) != [])

    service.terminate_job(jobId=job_id, reason="not needed any more")
    job = shell.ended(job_id)

    assert (job["status"], job["statusReason"], job["isTerminated"]) == ("FAILED", "not needed any more", True)


def test_terminate_kills_what_does_not_listen_when_the_grace_has_passed(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("trap '' TERM; echo ready; while true; do sleep 1; done")
    eventually(lambda: service.log_tail(job_id) == "ready")

    service.terminate_job(jobId=job_id, reason="enough")

    assert shell.ended(job_id)["container"]["exitCode"] == 137


def test_terminate_of_an_array_reaches_every_child(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("sleep 60", size=20)
    shell.until(job_id, lambda job: job["arrayProperties"]["statusSummary"]["RUNNING"] == 4)

    service.terminate_job(jobId=job_id, reason="stop all")
    parent = shell.ended(job_id)

    assert (parent["status"], parent["statusReason"]) == ("FAILED", "stop all")
    assert parent["arrayProperties"]["statusSummary"]["FAILED"] == 20


def test_cancel_leaves_a_running_job_alone_and_fails_a_waiting_one(shell: Shell, service: LocalBatch) -> None:
    running = shell.submit("sleep 60", containerOverrides={"vcpus": 4})
    shell.running(running)
    waiting = shell.submit("true")

    for job_id in (running, waiting):
        service.cancel_job(jobId=job_id, reason="changed my mind")

    assert shell.describe(running)["status"] == "RUNNING"
    job = shell.ended(waiting)
    assert (job["status"], job["statusReason"], job["attempts"]) == ("FAILED", "changed my mind", [])


@pytest.mark.parametrize("operation", ["cancel_job", "terminate_job"])
def test_stopping_an_ended_job_succeeds_and_changes_nothing(shell: Shell, service: LocalBatch, operation: str) -> None:
    job_id = shell.submit("true")
    before = shell.ended(job_id)

    getattr(service, operation)(jobId=job_id, reason="late")

    assert shell.describe(job_id) == before


def test_stopping_an_unknown_job_succeeds(service: LocalBatch) -> None:
    assert service.terminate_job(jobId="4b0c6f86-0000-0000-0000-000000000000", reason="x") == {}


def test_unknown_ids_and_children_of_single_jobs_are_left_out(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("true")

    answer = service.describe_jobs(jobs=[job_id, f"{job_id}:0", "nobody", f"{job_id}:x"])

    assert [job["jobId"] for job in answer["jobs"]] == [job_id]


def test_the_launch_policy_decides_directory_and_paths(home: Path, tmp_path: Path) -> None:
    def launch(request: object) -> Launch:
        return Launch(
            environment={"PATH": "/usr/bin:/bin", "BASE": "base", "GREETING": "below"},
            cwd=tmp_path,
            path=("/first",),
            python_path=("/modules",),
        )

    with LocalBatch(home, SETTINGS, launch=launch) as service:
        shell = new_shell(service)
        job_id = shell.submit(
            'echo "$PWD $PATH $PYTHONPATH $BASE $GREETING"',
            containerOverrides={"environment": [{"name": "GREETING", "value": "job's own"}]},
        )
        shell.ended(job_id)

        assert service.log_tail(job_id) == f"{tmp_path} /first:/usr/bin:/bin /modules base job's own"


@pytest.mark.processes_only("the folder is the image's")
def test_a_scratch_directory_is_the_attempts_own_and_gone_afterwards(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("touch here; pwd; ls")
    shell.ended(job_id)

    directory, *names = service.log_tail(job_id).splitlines()

    assert names == ["here"]
    eventually(lambda: not Path(directory).exists())


def test_a_launch_policy_that_fails_fails_the_attempt_not_the_service(home: Path) -> None:
    def launch(request: object) -> Launch:
        raise LookupError("no such module")

    with LocalBatch(home, SETTINGS, launch=launch) as service:
        shell = new_shell(service)

        job = shell.ended(shell.submit("true"))

    assert job["container"]["reason"] == "CannotStartContainerError: LookupError: no such module"


def test_output_that_is_no_utf8_is_kept_and_can_be_read(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("printf 'a\\377b\\n'")
    shell.ended(job_id)

    assert service.log_streams(job_id)[0].path.read_bytes() == b"a\xffb\n"
    assert service.log_tail(job_id) == "a\ufffdb"


def test_waiting_for_a_change_ends_with_it(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("sleep 0.2")
    seen = service.wait(job_id, 0, timeout=30)
    assert seen > 0

    while shell.describe(job_id)["status"] != "SUCCEEDED":
        after = service.wait(job_id, seen, timeout=30)
        assert after > seen
        seen = after


def test_waiting_in_vain_ends_with_the_time(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("sleep 60")
    shell.running(job_id)
    seen = service.wait(job_id, 0, timeout=30)

    assert service.wait(job_id, seen, timeout=0.05) == seen


def test_submitting_before_the_service_runs_is_refused(home: Path) -> None:
    service = LocalBatch(home, SETTINGS)
    shell = new_shell(service)

    with pytest.raises(BatchError, match="start it first"):
        shell.submit("true")
    service.close()


def test_the_description_is_plain_json(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("true", size=2)
    shell.ended(job_id)

    answer = service.describe_jobs(jobs=[job_id, f"{job_id}:1"])

    assert json.loads(json.dumps(answer)) == answer


def test_a_reader_hears_which_children_have_changed(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("test $AWS_BATCH_JOB_ARRAY_INDEX != 1 || exec sleep 30", size=3)
    shell.until(job_id, lambda job: job["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2)
    shell.running(f"{job_id}:1")
    news = service.changed(job_id, -1)
    assert news is not None
    assert news[1] == [0, 1, 2]
    assert service.changed(job_id, news[0]) == (news[0], [])

    service.terminate_job(jobId=job_id, reason="enough")
    shell.ended(job_id)

    later = service.changed(job_id, news[0])
    assert later is not None
    assert (later[0] > news[0], later[1]) == (True, [1])


def test_a_reader_that_wants_quiet_is_woken_by_the_end_alone(shell: Shell, service: LocalBatch) -> None:
    job_id = shell.submit("sleep 0.2", size=3)

    changes = service.wait(job_id, -1, timeout=60, quiet=60)

    assert shell.describe(job_id)["status"] == "SUCCEEDED"
    assert service.changed(job_id, changes) == (changes, [])
    # A count that this service never gave says nothing.
    assert service.changed(job_id, changes + 1) is None
