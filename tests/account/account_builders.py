"""An AWS account on this machine: moto's server, and the template deployed into its CloudFormation.

moto is installed apart (`make test-all` does). What it does not do as AWS does stands here, in one place.
"""

from __future__ import annotations

import ast
import contextlib
import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from backends import moto, moto_server
from botocore.awsrequest import AWSResponse
from click.testing import CliRunner

from flytekitplugins.awsbatch.account.aws_account import AwsAccount
from flytekitplugins.awsbatch.account.step_findings import State
from flytekitplugins.awsbatch.cli.main import main

ACCOUNT = "123456789012"
REGION = "us-east-2"
BUCKET = "flyte-data"
JOB_ROLE = f"arn:aws:iam::{ACCOUNT}:role/flyte-jobs"
PROPELLER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/flytepropeller"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/flyte-tasks:v1"
SETTINGS = f"""\
flyteadmin: {{roleNameKey: eks.amazonaws.com/role-arn}}
queues:
  executionQueues:
    - {{dynamic: tutorial, attributes: [default]}}
    - {{dynamic: tutorial-gpu, attributes: [gpu]}}
  workflowConfigs: [{{tags: [default]}}]
plugins:
  aws:
    region: {REGION}
    accountId: "{ACCOUNT}"
    batch: {{roleAnnotationKey: eks.amazonaws.com/role-arn}}
tasks:
  task-plugins:
    enabled-plugins: [container, aws_array]
    default-for-task-types: {{container_array: aws_array, aws-batch: aws_array}}
storage: {{container: {BUCKET}}}
propeller: {{rawoutput-prefix: "s3://{BUCKET}/data"}}
emulator: {{role: "{JOB_ROLE}"}}
"""
TASKS = """\
from flytekit import Resources, task, workflow
from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@task(task_config=AWSBatchConfig({config}), limits=Resources(cpu="2", mem="4Gi"))
def square(n: int) -> int:
    return n * n


@workflow
def squares(numbers: list[int] = [1, 2]) -> list[int]:
    return map_task(square)(n=numbers)
"""
STACK = "flyte-batch"
NO_TRUST: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 1,
            "digest": "sha256:" + "0" * 64,
        },
        "layers": [],
    }
)


@dataclass
class MotoAccount:
    """
    :param folder: holds the settings and the tasks; the working directory of commands.
    :param whole: whether it is as it was deployed.
    """

    url: str
    folder: Path
    whole: bool = False
    clients: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, service: str) -> Any:
        """boto3's client of a service."""
        if service.startswith("_"):
            raise AttributeError(service)
        if service not in self.clients:
            options = {"endpoint_url": self.url, "aws_access_key_id": "any", "aws_secret_access_key": "any"}
            self.clients[service] = boto3.client(service, region_name=REGION, **options)
        return self.clients[service]

    def reset(self) -> None:
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(request).read()

    def prepare(self, bucket: str) -> None:
        """What no template makes: propeller's role, and the bucket."""
        self.iam.create_role(RoleName="flytepropeller", AssumeRolePolicyDocument=json.dumps(NO_TRUST))
        self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def for_moto(self, template: dict[str, Any]) -> dict[str, Any]:
        """The template with the role that moto asks for, where AWS Batch has a role of its own."""
        role = self.iam.create_role(RoleName="batch", AssumeRolePolicyDocument=json.dumps(NO_TRUST))["Role"]["Arn"]
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Batch::ComputeEnvironment":
                resource["Properties"]["ServiceRole"] = role
        return template

    def deploy(self, template: dict[str, Any], capacity: str = "on-demand") -> None:
        """The stack, and what it is used with."""
        self.prepare(BUCKET)
        self.ecr.create_repository(repositoryName="flyte-tasks")
        self.ecr.put_image(repositoryName="flyte-tasks", imageManifest=MANIFEST, imageTag="v1")
        subnets = self.ec2.describe_subnets()["Subnets"]
        parameters = {
            "Vpc": subnets[0]["VpcId"],
            "Subnets": ",".join(one["SubnetId"] for one in subnets[:2]),
            "Bucket": BUCKET,
            "PropellerRole": "flytepropeller",
            "Capacity": capacity,
            # The defaults, given since moto makes no list of a default.
            "InstanceTypes": "optimal",
        }
        self.cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=json.dumps(self.for_moto(template)),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        stack = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        self.repair_policies("flyte-jobs")

    def repair_policies(self, role: str) -> None:
        """moto keeps a role's policies of a stack as Python writes them, which is no JSON."""
        for name in self.iam.list_role_policies(RoleName=role)["PolicyNames"]:
            body = ast.literal_eval(self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
            self.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(body))


def template_of(*files: str) -> dict[str, Any]:
    answer = CliRunner().invoke(main, ["account", "template", "--format", "json", *(f"-c{one}" for one in files)])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)  # type: ignore[no-any-return]


def write_settings(folder: Path) -> None:
    (folder / "settings.yaml").write_text(SETTINGS)
    for name, config in (
        ("squares", ""),
        ("fargate", "platformCapabilities='FARGATE'"),
        ("shared", "extra={'shareIdentifier': 'team'}"),
    ):
        (folder / f"batch_{name}.py").write_text(TASKS.replace("{config}", config))


@contextlib.contextmanager
def moto_account(folder: Path) -> Iterator[MotoAccount]:
    server = moto_server()
    assert server is not None
    with moto(server) as service:
        account = MotoAccount(str(service.client.meta.endpoint_url), folder)
        account.reset()
        yield account


def stub(patch: pytest.MonkeyPatch, service: str, operation: str, answer: Callable[[dict[str, Any]], Any]) -> None:
    """Answers an operation as botocore's Stubber does, without a request, and leaves the client's others to moto.

    :param answer: from a request's parameters to the answer, or to an error's code (a text).
    """
    make_client = AwsAccount.client
    event = f"{service}.{operation}"

    def parameters(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = params

    def respond(context: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        said = answer(context["asked"])
        error = {"Error": {"Code": said, "Message": said}} if isinstance(said, str) else said
        return AWSResponse("", 403 if isinstance(said, str) else 200, {}, None), {"ResponseMetadata": {}, **error}

    def client(account: AwsAccount, name: str, region: str = "") -> Any:
        made = make_client(account, name, region)
        if name == service:
            made.meta.events.register(f"before-parameter-build.{event}", parameters, unique_id=f"asked {event}")
            made.meta.events.register_first(f"before-call.{event}", respond, unique_id=f"answer {event}")
        return made

    patch.setattr(AwsAccount, "client", client)


def altered(patch: pytest.MonkeyPatch, service: str, operation: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes moto's answers to an operation."""
    make_client = AwsAccount.client
    event = f"after-call.{service}.{operation}"

    def client(account: AwsAccount, name: str, region: str = "") -> Any:
        made = make_client(account, name, region)
        if name == service:
            made.meta.events.register(event, lambda parsed, **_: change(parsed), unique_id=event)
        return made

    patch.setattr(AwsAccount, "client", client)


NORMAL = ("batch_squares.py", "--propeller-role", PROPELLER_ROLE, "--image", IMAGE)


def doctor(*arguments: str) -> list[dict[str, Any]]:
    """The steps that the command reports."""
    # A command has a process of its own, in which no module is loaded yet.
    for name in ("batch_squares", "batch_fargate", "batch_shared"):
        sys.modules.pop(name, None)
    answer = CliRunner().invoke(main, ["doctor", "--json", *arguments])
    assert answer.exit_code in (0, 1), answer.output
    return json.loads(answer.stdout)["steps"]  # type: ignore[no-any-return]


def in_state(steps: list[dict[str, Any]], state: State) -> list[tuple[str, dict[str, Any]]]:
    return [(one["step"], finding) for one in steps for finding in one["findings"] if finding["state"] == state.value]
