"""What can be wrong with an account, one thing at a time: how it is made, where doctor finds it, and what mends it.

`python tests/account/breaks.py` writes the table of docs/how-to/doctor.md anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from account_builders import (
    ACCOUNT,
    BUCKET,
    IMAGE,
    JOB_ROLE,
    MANIFEST,
    NORMAL,
    PROPELLER_ROLE,
    REGION,
    MotoAccount,
    altered,
)

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"
BEGIN, END = "<!-- breaks: written by tests/account/breaks.py -->\n", "<!-- end of breaks -->\n"
Change = Callable[[MotoAccount, pytest.MonkeyPatch], None]
FARGATE_TASK = "batch_fargate.py"
SHARED_TASK = "batch_shared.py"


def nothing(account: MotoAccount, patch: pytest.MonkeyPatch) -> None:
    pass


@dataclass(frozen=True)
class Break:
    """
    :param what: the end of "broken by ...", for people.
    :param says: a part of what doctor finds.
    :param mended_by: a part of the fix.
    :param make: breaks the account.
    :param settings: YAML that breaks the settings.
    :param mend: does what the fix says in words, or what moto does not do for its commands.
    """

    what: str
    step: str
    says: str
    mended_by: str
    make: Change = nothing
    settings: str = ""
    arguments: tuple[str, ...] = NORMAL
    mend: Change = nothing


def queue_missing(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    account.batch.update_job_queue(jobQueue="tutorial", state="DISABLED")
    account.batch.delete_job_queue(jobQueue="tutorial")


def queue_disabled(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    account.batch.update_job_queue(jobQueue="tutorial", state="DISABLED")


def queue_invalid(account: MotoAccount, patch: pytest.MonkeyPatch) -> None:
    """moto's queues are always VALID."""

    def change(answer: dict[str, Any]) -> None:
        for queue in answer["jobQueues"]:
            if queue["jobQueueName"] == "tutorial":
                queue |= {"status": "INVALID", "statusReason": "no compute environment"}

    altered(patch, "batch", "DescribeJobQueues", change)


def environments(account: MotoAccount) -> list[dict[str, Any]]:
    return account.batch.describe_compute_environments()["computeEnvironments"]  # type: ignore[no-any-return]


def first_environment(account: MotoAccount) -> dict[str, Any]:
    """The one of the stack."""
    return next(one for one in environments(account) if "OnDemand" in one["computeEnvironmentName"])


def environment_disabled(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    name = first_environment(account)["computeEnvironmentName"]
    account.batch.update_compute_environment(computeEnvironment=name, state="DISABLED")


def environment_invalid(account: MotoAccount, patch: pytest.MonkeyPatch) -> None:
    """moto's environments are always VALID."""

    def change(answer: dict[str, Any]) -> None:
        for environment in answer["computeEnvironments"]:
            environment |= {"status": "INVALID", "statusReason": "CLIENT_ERROR - the instance role is gone"}

    altered(patch, "batch", "DescribeComputeEnvironments", change)


def another_environment(state: str = "ENABLED", beside: bool = False, **resources: Any) -> Change:
    """The queues move to an environment like the first one but for some resources, or get it as the last one."""

    def make(account: MotoAccount, patch: pytest.MonkeyPatch) -> None:
        if len(environments(account)) > 1:
            first_environment_again(account, patch)
        first = first_environment(account)
        made = account.batch.create_compute_environment(
            computeEnvironmentName="another",
            type="MANAGED",
            state=state,
            computeResources={**first["computeResources"], **numbers(first), **resources},
            serviceRole=first["serviceRole"],
        )["computeEnvironmentArn"]
        put_order(account, [first["computeEnvironmentArn"], made] if beside else [made])

    return make


def numbers(environment: dict[str, Any]) -> dict[str, int]:
    """moto gives back as text what CloudFormation has given to it as such."""
    return {name: int(environment["computeResources"][name]) for name in ("minvCpus", "maxvCpus")}


def put_order(account: MotoAccount, environments: list[str]) -> None:
    order = [{"order": number, "computeEnvironment": arn} for number, arn in enumerate(environments, 1)]
    for queue in ("tutorial", "tutorial-gpu"):
        account.batch.update_job_queue(jobQueue=queue, computeEnvironmentOrder=order)


def first_environment_again(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    """moto does not change the resources of an environment that there is."""
    put_order(account, [first_environment(account)["computeEnvironmentArn"]])
    account.batch.update_compute_environment(computeEnvironment="another", state="DISABLED")
    account.batch.delete_compute_environment(computeEnvironment="another")


def fair_share(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    policy = account.batch.create_scheduling_policy(name="fair", fairsharePolicy={"shareDistribution": []})
    account.batch.update_job_queue(jobQueue="tutorial", schedulingPolicyArn=policy["arn"])


def plain_queue(account: MotoAccount, patch: pytest.MonkeyPatch) -> None:
    """A queue never loses its policy, neither here nor on AWS."""
    queue_missing(account, patch)
    order = [{"order": 1, "computeEnvironment": first_environment(account)["computeEnvironmentArn"]}]
    account.batch.create_job_queue(jobQueueName="tutorial", priority=1, computeEnvironmentOrder=order, state="ENABLED")


def trust(*statements: dict[str, Any]) -> Change:
    def make(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
        account.iam.update_assume_role_policy(RoleName="flyte-jobs", PolicyDocument=document(*statements))

    return make


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource}


def trusting(service: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": {"Service": service}, "Action": "sts:AssumeRole", **more}


def role_missing(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    for name in account.iam.list_role_policies(RoleName="flyte-jobs")["PolicyNames"]:
        account.iam.delete_role_policy(RoleName="flyte-jobs", PolicyName=name)
    account.iam.delete_role(RoleName="flyte-jobs")


def propeller_policy(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Change:
    """Another version of the policy of the stack, as its statements are changed."""

    def make(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
        # What a fix has added before.
        for name in account.iam.list_role_policies(RoleName="flytepropeller")["PolicyNames"]:
            account.iam.delete_role_policy(RoleName="flytepropeller", PolicyName=name)
        arn = account.iam.list_attached_role_policies(RoleName="flytepropeller")["AttachedPolicies"][0]["PolicyArn"]
        version = account.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        old = account.iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
        account.iam.create_policy_version(
            PolicyArn=arn, PolicyDocument=document(*change(old["Statement"])), SetAsDefault=True
        )
        if version != "v1":
            account.iam.delete_policy_version(PolicyArn=arn, VersionId=version)

    return make


def without(action: str) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda statements: [one for one in statements if one["Action"] != action]


def with_pass_role(**changes: Any) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda statements: [{**one, **changes} if one["Action"] == "iam:PassRole" else one for one in statements]


def propeller_inline(*statements: dict[str, Any]) -> Change:
    def make(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
        account.iam.put_role_policy(
            RoleName="flytepropeller", PolicyName="limits", PolicyDocument=document(*statements)
        )

    return make


def boundary(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    body = document(allow("batch:*", "*"))
    arn = account.iam.create_policy(PolicyName="boundary", PolicyDocument=body)["Policy"]["Arn"]
    account.iam.put_role_permissions_boundary(RoleName="flytepropeller", PermissionsBoundary=arn)


def no_boundary(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    account.iam.delete_role_permissions_boundary(RoleName="flytepropeller")
    account.iam.delete_policy(PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/boundary")


def storage_policy(*statements: dict[str, Any]) -> Change:
    def make(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
        for name in account.iam.list_role_policies(RoleName="flyte-jobs")["PolicyNames"]:
            account.iam.delete_role_policy(RoleName="flyte-jobs", PolicyName=name)
        account.iam.put_role_policy(RoleName="flyte-jobs", PolicyName="storage", PolicyDocument=document(*statements))

    return make


def storage_denied(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    body = document(deny("s3:Put*", f"arn:aws:s3:::{BUCKET}/data/*"))
    account.iam.put_role_policy(RoleName="flyte-jobs", PolicyName="read-only", PolicyDocument=body)


def bucket_missing(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    account.s3.delete_bucket(Bucket=BUCKET)


def tag_missing(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    account.ecr.batch_delete_image(repositoryName="flyte-tasks", imageIds=[{"imageTag": "v1"}])


def repository_missing(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    account.ecr.delete_repository(repositoryName="flyte-tasks", force=True)


def push(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    account.ecr.put_image(repositoryName="flyte-tasks", imageManifest=MANIFEST, imageTag="v1")


def log_group_missing(account: MotoAccount, _: pytest.MonkeyPatch) -> None:
    """The environments' service role, which is a role of the account here, has no policy at all."""
    account.logs.delete_log_group(logGroupName="/aws/batch/job")


def no_credentials(account: MotoAccount, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("AWS_ACCESS_KEY_ID")
    patch.delenv("AWS_SECRET_ACCESS_KEY")


BUCKET_ARN = f"arn:aws:s3:::{BUCKET}"
ARGUMENTS = NORMAL[1:]
OTHER_ACCOUNT = "210987654321"
BREAKS = (
    Break(
        "no credentials",
        "credentials",
        "Unable to locate credentials",
        "aws configure",
        make=no_credentials,
    ),
    Break(
        "`plugins.aws.accountId` of another account",
        "account",
        f"account {OTHER_ACCOUNT}",
        f"accountId: '{ACCOUNT}'",
        settings=f"plugins: {{aws: {{accountId: '{OTHER_ACCOUNT}'}}}}",
    ),
    Break(
        "credentials of another account than the settings'",
        "account",
        f"account {OTHER_ACCOUNT}",
        "AWS_PROFILE",
        settings=f"plugins: {{aws: {{accountId: '{OTHER_ACCOUNT}'}}}}\n"
        f"emulator: {{role: 'arn:aws:iam::{OTHER_ACCOUNT}:role/flyte-jobs'}}",
    ),
    Break(
        "a role of another account",
        "account",
        f"account {OTHER_ACCOUNT}",
        f"Name one of account {ACCOUNT}",
        settings=f"emulator: {{role: 'arn:aws:iam::{OTHER_ACCOUNT}:role/flyte-jobs'}}",
    ),
    Break(
        "`plugins.aws.region` where there are no such queues",
        "region",
        "eu-west-1",
        f"region: {REGION}",
        settings="plugins: {aws: {region: eu-west-1}}",
    ),
    Break(
        "a compute environment that is disabled",
        "environments",
        "DISABLED",
        "update-compute-environment",
        make=environment_disabled,
    ),
    Break(
        "a compute environment that AWS calls invalid",
        "environments",
        "the instance role is gone",
        "Mend what AWS names",
        make=environment_invalid,
    ),
    Break(
        "a compute environment with 0 vCPUs",
        "environments",
        "0 vCPUs",
        "maxvCpus=256",
        make=another_environment(maxvCpus=0),
        mend=first_environment_again,
    ),
    Break(
        "a disabled environment at the end of a queue's order",
        "environments",
        "DISABLED",
        "--compute-environment another --state ENABLED",
        make=another_environment("DISABLED", beside=True),
    ),
    Break(
        "a job queue that does not exist",
        "queues",
        "no such job queue",
        "create-job-queue --job-queue-name tutorial",
        make=queue_missing,
    ),
    Break(
        "a job queue that is disabled",
        "queues",
        "DISABLED",
        "update-job-queue --job-queue tutorial --state ENABLED",
        make=queue_disabled,
    ),
    Break(
        "a job queue that AWS calls invalid",
        "queues",
        "no compute environment",
        "Mend what AWS names",
        make=queue_invalid,
    ),
    Break(
        "fewer vCPUs in the environment than a task asks for",
        "tasks",
        "at most 1 vCPUs",
        "maxvCpus=2",
        make=another_environment(maxvCpus=1),
        mend=first_environment_again,
    ),
    Break(
        "instance types smaller than a task",
        "tasks",
        "no machine of another is that large",
        "more than 4295 MiB",
        make=another_environment(instanceTypes=["c5.large"]),
        mend=first_environment_again,
    ),
    Break(
        "a task for Fargate in a queue of EC2 machines",
        "tasks",
        "not FARGATE",
        "platformCapabilities",
        arguments=(FARGATE_TASK, *ARGUMENTS),
    ),
    Break(
        "a scheduling policy, and a task without a share identifier",
        "scheduling",
        "no shareIdentifier",
        'AWSBatchConfig(extra={"shareIdentifier": "team"})',
        make=fair_share,
        mend=plain_queue,
    ),
    Break(
        "a share identifier without a scheduling policy",
        "scheduling",
        "the shareIdentifier team",
        "Drop it",
        arguments=(SHARED_TASK, *ARGUMENTS),
    ),
    Break(
        "a job role that does not exist",
        "roles",
        "no such role",
        "create-role --role-name flyte-jobs",
        make=role_missing,
    ),
    Break(
        "a propeller role that does not exist",
        "roles",
        "no such role",
        "flytepropeller's service account",
        arguments=("batch_squares.py", "--propeller-role", f"{PROPELLER_ROLE}-2", "--image", IMAGE),
    ),
    Break(
        "a trust policy for EC2 only",
        "trust",
        "does not let ecs-tasks.amazonaws.com",
        "update-assume-role-policy",
        make=trust(trusting("ec2.amazonaws.com")),
    ),
    Break(
        "a trust policy that denies ECS",
        "trust",
        "does not let ecs-tasks.amazonaws.com",
        "update-assume-role-policy",
        make=trust(trusting(["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]), trusting("ecs-*", "Deny")),
    ),
    Break(
        "a trust policy for people only",
        "trust",
        "does not let ecs-tasks.amazonaws.com",
        "update-assume-role-policy",
        make=trust(
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        ),
    ),
    Break(
        "a trust policy for ECS of another account",
        "trust",
        "does not let ecs-tasks.amazonaws.com",
        "update-assume-role-policy",
        make=trust(
            trusting("ecs-tasks.amazonaws.com", Condition={"StringEquals": {"aws:SourceAccount": OTHER_ACCOUNT}})
        ),
    ),
    Break(
        "no `iam:PassRole` for propeller",
        "pass-role",
        "not allowed",
        "put-role-policy --role-name flytepropeller",
        make=propeller_policy(without("iam:PassRole")),
    ),
    Break(
        "`iam:PassRole` on another role",
        "pass-role",
        "not allowed",
        JOB_ROLE,
        make=propeller_policy(with_pass_role(Resource=f"{JOB_ROLE}-2")),
    ),
    Break(
        "`iam:PassRole` to another service",
        "pass-role",
        "not allowed",
        "ecs-tasks.amazonaws.com",
        make=propeller_policy(with_pass_role(Condition={"StringLike": {"iam:PassedToService": ["ec2.*", "lambda.*"]}})),
    ),
    Break(
        "`iam:PassRole` denied",
        "pass-role",
        "denied",
        "delete-role-policy --role-name flytepropeller",
        make=propeller_inline(deny("iam:Pass*", "*")),
    ),
    Break(
        "a permissions boundary without `iam:PassRole`",
        "pass-role",
        "denied",
        "policy/boundary does not allow",
        make=boundary,
        mend=no_boundary,
    ),
    Break(
        "`batch:SubmitJob` on other queues",
        "batch-calls",
        "not allowed",
        "job-queue/tutorial-gpu",
        make=propeller_policy(
            lambda statements: [
                *without("batch:SubmitJob")(statements),
                allow(
                    "batch:SubmitJob", [f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/other", "arn:*:job-definition/*"]
                ),
            ]
        ),
    ),
    Break(
        "`batch:DescribeJobs` not allowed",
        "batch-calls",
        "not allowed",
        "batch:DescribeJobs",
        make=propeller_policy(without("batch:DescribeJobs")),
    ),
    Break(
        "`batch:TerminateJob` denied among other statements",
        "batch-calls",
        "denied",
        "put-role-policy --role-name flytepropeller --policy-name limits",
        make=propeller_inline(allow("s3:ListAllMyBuckets", "*"), deny(["batch:TerminateJob"], ["*"])),
    ),
    Break(
        "a bucket that does not exist",
        "storage",
        "no such bucket",
        f"aws s3 mb s3://{BUCKET}",
        make=bucket_missing,
    ),
    Break(
        "a job role with access to another prefix",
        "storage",
        "not allowed",
        "put-role-policy --role-name flyte-jobs --policy-name flyte-storage",
        make=storage_policy(
            allow(["s3:GetObject", "s3:PutObject"], [f"{BUCKET_ARN}/data2/*", f"{BUCKET_ARN}/metadata/*"]),
            allow("s3:ListBucket", BUCKET_ARN),
        ),
    ),
    Break(
        "a job role that may only read",
        "storage",
        "not allowed",
        "s3:PutObject",
        make=storage_policy(allow(["s3:Get*", "s3:List*"], "*")),
    ),
    Break(
        "a job role that is denied writing",
        "storage",
        "denied",
        "delete-role-policy --role-name flyte-jobs --policy-name read-only",
        make=storage_denied,
    ),
    Break(
        "rules by project, which FlyteAdmin 1.16 does not read",
        "queue-rules",
        "FlyteAdmin 1.16 would send",
        "queue export --attributes",
        settings="queues: {workflowConfigs: [{project: vision, domain: production, workflowName: train.train_all, "
        "tags: [gpu]}, {tags: [default]}]}",
    ),
    Break(
        "a rule whose tag no queue has",
        "queue-rules",
        "huge",
        "Change broken.yaml:1",
        settings="queues: {workflowConfigs: [{domain: production, tags: [huge]}, {tags: [default]}]}",
    ),
    Break(
        "another key in `roleAnnotationKey` than in `roleNameKey`",
        "annotation",
        "iam.amazonaws.com/role",
        "roleAnnotationKey: eks.amazonaws.com/role-arn",
        settings="plugins: {aws: {batch: {roleAnnotationKey: iam.amazonaws.com/role}}}",
    ),
    Break(
        "`aws_array` not enabled",
        "plugins",
        "not configured to be an enabled plugin",
        "- aws_array",
        settings="tasks: {task-plugins: {enabled-plugins: [container, k8s-array]}}",
    ),
    Break(
        "map tasks left to `k8s-array`",
        "plugins",
        "Plugin [k8s-array] resolved",
        "container_array: aws_array",
        settings="tasks: {task-plugins: {enabled-plugins: [container, aws_array, k8s-array], "
        "default-for-task-types: {container_array: k8s-array}}}",
    ),
    Break(
        "`maxArrayJobSize` above AWS's limit",
        "array-size",
        "20000",
        "maxArrayJobSize: 10000",
        settings="plugins: {aws: {batch: {maxArrayJobSize: 20000}}}",
    ),
    Break(
        "an image whose tag is not in ECR",
        "image",
        "the repository does not have it",
        f"docker push {IMAGE}",
        make=tag_missing,
        mend=push,
    ),
    Break(
        "an image without a repository",
        "image",
        "no repository flyte-tasks",
        "create-repository",
        make=repository_missing,
        mend=push,
    ),
    Break(
        "no log group, and a service role that may not make it",
        "logs",
        "it does not exist",
        "create-log-group",
        make=log_group_missing,
    ),
)


def table() -> str:
    rows = [f"| {one.what} | `{one.step}` | {one.says} | `{one.mended_by}` |" for one in BREAKS]
    return "\n".join(("| Broken by | Step | It says, among other words | It offers |", "|---|---|---|---|", *rows, ""))


def page_with_table() -> str:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(), encoding="utf-8")
