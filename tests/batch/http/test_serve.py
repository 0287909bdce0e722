"""`flyte-awsbatch serve` as people use it: a stock boto3 script, the AWS CLI, signals, restarts, wrong options."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from backends import ROOT, Boto3
from batch_shell import Shell, eventually
from click.testing import CliRunner

from flytekitplugins.awsbatch.cli.serve import serve_command

SCRIPT = str(Path(sysconfig.get_path("scripts")) / "flyte-awsbatch")
AWS = next(
    (
        path
        for path in (os.environ.get("AWS_CLI", ""), str(ROOT / ".venv-awscli" / "bin" / "aws"))
        if shutil.which(path)
    ),
    None,
)

pytestmark = pytest.mark.usefixtures("signals_of_a_terminal")


class Served:
    """The command in a process of its own."""

    def __init__(self, home: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [SCRIPT, "serve", "--home", str(home), "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("FLYTE_")},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        match = re.search(r"http://\S+", line)
        if match is None:
            self.process.kill()
            raise AssertionError(f"{line}{self.process.communicate()[1]}")
        self.url = match.group()

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            try:
                self.stop()
            finally:
                self.process.kill()

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "AWS_ENDPOINT_URL_BATCH": self.url,
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "anything",
            "AWS_SECRET_ACCESS_KEY": "anything",
            "AWS_PAGER": "",
        }


STOCK = """
import time
import boto3

batch, logs = boto3.client("batch"), boto3.client("logs")
batch.create_compute_environment(
    computeEnvironmentName="mine", type="MANAGED", state="ENABLED",
    computeResources={"type": "EC2", "minvCpus": 0, "maxvCpus": 2, "instanceTypes": ["optimal"],
                      "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"], "instanceRole": "ecsInstanceRole"})
while batch.describe_compute_environments(computeEnvironments=["mine"])["computeEnvironments"][0]["status"] != "VALID":
    time.sleep(0.1)
batch.create_job_queue(jobQueueName="mine", state="ENABLED", priority=1,
                       computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "mine"}])
batch.register_job_definition(
    jobDefinitionName="hello", type="container",
    containerProperties={"image": "busybox", "command": ["sh", "-c", "echo hello from $AWS_BATCH_JOB_ARRAY_INDEX"],
                         "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "128"}]})
job = batch.submit_job(jobName="hello", jobQueue="mine", jobDefinition="hello", arrayProperties={"size": 3})
while True:
    (parent,) = batch.describe_jobs(jobs=[job["jobId"]])["jobs"]
    if parent["status"] in ("SUCCEEDED", "FAILED"):
        break
    time.sleep(0.1)
print(parent["status"])
for page in batch.get_paginator("list_jobs").paginate(arrayJobId=job["jobId"], jobStatus="SUCCEEDED"):
    for summary in page["jobSummaryList"]:
        (child,) = batch.describe_jobs(jobs=[summary["jobId"]])["jobs"]
        events = logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=child["container"]["logStreamName"])
        print(summary["arrayProperties"]["index"], [event["message"] for event in events["events"]])
"""


def test_a_stock_boto3_script_works(home: Path) -> None:
    with Served(home) as served:
        done = subprocess.run(
            [sys.executable, "-c", STOCK],
            env=served.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["SUCCEEDED", *(f"{n} ['hello from {n}']" for n in range(3))]


def test_a_folder_for_temporary_files_that_is_given_is_used(home: Path, tmp_path: Path) -> None:
    with Served(home, "--env", f"TMPDIR={tmp_path}") as served:
        shell = Shell(Boto3(served.url))
        shell.define(command=["true"])
        assert shell.ended(shell.submit("touch $TMPDIR/here", jobQueue="default"))["status"] == "SUCCEEDED"
    assert (tmp_path / "here").exists()


def test_each_job_has_a_folder_for_temporary_files_of_its_own(home: Path) -> None:
    with Served(home) as served:
        shell = Shell(Boto3(served.url))
        shell.define(command=["true"])
        script = "[ ! -e $TMPDIR/taken ] && touch $TMPDIR/taken && echo $TMPDIR"
        assert shell.ended(shell.submit(script, size=2, jobQueue="default"))["status"] == "SUCCEEDED"
        folders = [Path(path.read_text().strip()) for path in home.glob("batch/logs/shell/*/*.log")]
        assert len(folders) == 2
        eventually(lambda: not any((folder / "taken").exists() for folder in folders), "they are emptied")
    assert not any(folder.exists() for folder in folders)


@pytest.mark.skipif(AWS is None, reason="the AWS CLI is not installed: make test-all installs it into .venv-awscli")
def test_the_stock_aws_cli_works(home: Path) -> None:
    with Served(home) as served:

        def aws(*arguments: str) -> object:
            assert AWS is not None
            done = subprocess.run(
                [AWS, *arguments, "--output", "json"],
                env=served.environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout or "null")

        needs = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
        properties = {"image": "x", "command": ["sh", "-c", "echo n $AWS_BATCH_JOB_ARRAY_INDEX"]}
        aws(
            *("batch", "register-job-definition", "--job-definition-name", "cli", "--type", "container"),
            *("--container-properties", json.dumps({**properties, "resourceRequirements": needs})),
        )
        job_id = aws(
            *("batch", "submit-job", "--job-name", "cli", "--job-queue", "default", "--job-definition", "cli"),
            *("--array-properties", "size=2", "--query", "jobId"),
        )
        describe = ("batch", "describe-jobs", "--jobs", str(job_id), "--query", "jobs[0].status")
        eventually(lambda: aws(*describe) == "SUCCEEDED")
        listed = aws(
            *("batch", "list-jobs", "--array-job-id", str(job_id), "--job-status", "SUCCEEDED"),
            *("--query", "jobSummaryList[].arrayProperties.index"),
        )
        stream = aws(*("batch", "describe-jobs", "--jobs", f"{job_id}:1", "--query", "jobs[0].container.logStreamName"))
        told = aws(
            *("logs", "get-log-events", "--log-group-name", "/aws/batch/job", "--log-stream-name", str(stream)),
            *("--query", "events[].message"),
        )

    assert (listed, told) == ([0, 1], ["n 1"])


def test_jobs_see_the_given_variables_a_scratch_directory_and_this_installations_scripts(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDED_ON", "from the caller")
    monkeypatch.setenv("PRIVATE", "not for jobs")
    with Served(home, "--env", "GREETING=hello=you", "--env", "HANDED_ON") as served:
        batch = Boto3(served.url)
        shell = Shell(batch)
        shell.define()
        job_id = shell.submit(
            'echo "$GREETING"; echo "$HANDED_ON"; echo "${PRIVATE-unset}"; which flyte-awsbatch; ls | wc -l',
            jobQueue="default",
        )
        stream = shell.ended(job_id)["container"]["logStreamName"]
        events = batch.logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream)["events"]

    assert [event["message"] for event in events] == ["hello=you", "from the caller", "unset", SCRIPT, "0"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_next_serve_on_a_home_goes_on(home: Path, tmp_path: Path, number: int) -> None:
    ran = tmp_path / "ran"
    with Served(home) as served:
        shell = Shell(Boto3(served.url))
        shell.define()
        late = f"[ $AWS_BATCH_JOB_ARRAY_INDEX = 0 ] || while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
        job_id = shell.submit(f"{late}; echo $AWS_BATCH_JOB_ARRAY_INDEX >> {ran}", size=3, jobQueue="default")
        shell.until(f"{job_id}:0", lambda job: job["status"] == "SUCCEEDED")
        status, said = served.stop(number)
    (tmp_path / "go").touch()

    with Served(home) as served:
        job = Shell(Boto3(served.url)).ended(job_id)

    assert job["status"] == "SUCCEEDED"
    assert sorted(ran.read_text().split()) == ["0", "1", "2"]
    if number != signal.SIGKILL:
        assert (status, "stopped with 1 unfinished jobs" in said) == (0, True)


def test_the_queues_of_the_settings_are_there_from_the_start(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "flyte.yaml"
    file.write_text(
        "queues: {executionQueues: [{dynamic: tutorial, attributes: [default]}, {dynamic: gpu, attributes: [gpu]}],"
        " workflowConfigs: [{tags: [default]}]}\n"
        "plugins: {aws: {region: eu-west-1}}\nemulator: {vcpus: 7}\n"
    )
    with Served(home, "--settings", str(file)) as served:
        batch = Boto3(served.url)
        queues = batch.describe_job_queues()["jobQueues"]
        (environment,) = batch.describe_compute_environments()["computeEnvironments"]

    assert [queue["jobQueueName"] for queue in queues] == ["gpu", "tutorial"]
    assert queues[0]["jobQueueArn"] == "arn:aws:batch:eu-west-1:000000000000:job-queue/gpu"
    assert environment["computeResources"]["maxvCpus"] == 7


def test_the_built_in_queue_is_there_when_the_settings_say_nothing_of_flyte(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "emulator.yaml"
    file.write_text("emulator: {vcpus: 7}\n")
    with Served(home, "--settings", str(file)) as served:
        queues = Boto3(served.url).describe_job_queues()["jobQueues"]

    assert [queue["jobQueueArn"] for queue in queues] == ["arn:aws:batch:us-east-2:000000000000:job-queue/default"]


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--host", "0.0.0.0"], 2, "--token"),
        (["--env", "=x"], 2, "NAME=VALUE"),
        (["--env", "NO_SUCH_VARIABLE_IS_SET"], 2, "NAME=VALUE"),
        (["--port", "70000"], 2, "65535"),
        (["--settings", "no-such-file.yaml"], 1, "no-such-file.yaml: cannot be read"),
    ],
)
def test_wrong_options_are_said_in_words(
    home: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], status: int, said: str
) -> None:
    monkeypatch.delenv("FLYTE_AWSBATCH_TOKEN", raising=False)

    result = CliRunner().invoke(serve_command, ["--home", str(home), *options], env={"COLUMNS": "200"})

    assert (result.exit_code, said in result.output) == (status, True), result.output
    assert not home.exists()


def test_a_port_that_is_taken_is_said_in_words(home: Path, tmp_path: Path) -> None:
    with Served(home) as served:
        port = served.url.rpartition(":")[2]
        done = subprocess.run(
            [SCRIPT, "serve", "--home", str(tmp_path / "other"), "--port", port],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (done.returncode, f"port {port}" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_cannot_be_used_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "batch").write_text("a file where a directory should be")

    done = subprocess.run(
        [SCRIPT, "serve", "--home", str(tmp_path), "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, "cannot be used" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


def test_off_loopback_the_token_is_asked_for(home: Path) -> None:
    with Served(home, "--host", "127.0.0.1", "--token", "secret") as served:
        began = time.monotonic()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import boto3; print(len(boto3.client('batch').describe_job_queues()['jobQueues']))",
            ],
            env={**served.environment, "AWS_SECRET_ACCESS_KEY": "secret"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("1\n", "")
        assert time.monotonic() - began < 60
