"""The IAM policies that an AWS account needs for Flyte on AWS Batch, filled in from the settings. Pure.

The setup document asks for two: every role of a job must trust ECS, and propeller's own role must be allowed to pass
those roles on (AWS: "AWS Batch execution IAM role", "Granting a user permissions to pass a role to an AWS service").
A job's role needs a third: what its task reads and writes lies in the deployment's bucket. Whoever runs with
`FLYTE_AWSBATCH=aws` stands for propeller, and needs its policy, the jobs' one, and a little to look at what runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flytekitplugins.awsbatch.admin.checks import ROLE_ARN
from flytekitplugins.awsbatch.local.all_settings import LOCAL_ROLE, Settings

ACCOUNT = "ACCOUNT_ID"
BUCKET = "BUCKET"
VERSION = "2012-10-17"
# ECS runs the containers of Batch jobs, and so takes on their roles.
ECS_TASKS = "ecs-tasks.amazonaws.com"

LOG_GROUP = "/aws/batch/job"
# A run does without each of them, see docs/how-to/aws-account.md.
LOOKS = (
    "batch:ListJobs",
    "batch:DescribeJobDefinitions",
    "batch:DescribeJobQueues",
    "batch:DescribeComputeEnvironments",
    "ec2:DescribeInstanceTypes",
)

Json = dict[str, Any]

_S3 = re.compile(r"s3://([^/]+)/*(.*?)/*")


@dataclass(frozen=True)
class SetupPolicy:
    """A policy, and where it belongs."""

    title: str
    attach_to: str
    body: Json


@dataclass(frozen=True)
class StoragePrefix:
    """A place in S3 that jobs read and write; an empty key prefix is the whole bucket."""

    bucket: str
    key: str = ""

    def objects_arn(self, partition: str) -> str:
        """The ARN of all objects below it."""
        return f"arn:{partition}:s3:::{self.bucket}/{self.key}{'/' if self.key else ''}*"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def setup_policies(settings: Settings) -> tuple[SetupPolicy, SetupPolicy]:
    """The two policies of the setup document."""
    roles = policy_job_roles(settings)
    batch = f"arn:{_settings_partition(settings)}:batch:{policy_region(settings)}:{policy_account_id(settings)}"
    return (
        SetupPolicy("Trust policy", " and ".join(roles), trust_policy()),
        SetupPolicy(
            "Policy",
            "the IAM role of flytepropeller's service account",
            propeller_policy(batch, policy_queue_arns(settings, batch), roles),
        ),
    )


def all_setup_policies(settings: Settings) -> tuple[SetupPolicy, ...]:
    """The same, with PassRole limited to ECS, and the policy for the bucket."""
    trust, propeller = setup_policies(settings)
    limited = SetupPolicy(propeller.title, propeller.attach_to, policy_limited_to_ecs(propeller.body))
    partition, place = _settings_partition(settings), f"{policy_region(settings)}:{policy_account_id(settings)}"
    batch = f"arn:{partition}:batch:{place}"
    logs = f"arn:{partition}:logs:{place}:log-group:{LOG_GROUP}"
    caller = _caller_policy(limited.body, batch, policy_queue_arns(settings, batch), logs, _caller_storage(settings))
    return (
        trust,
        limited,
        SetupPolicy("Policy", trust.attach_to, _storage_of_settings(settings)),
        SetupPolicy("Policy", "whoever runs with FLYTE_AWSBATCH=aws", caller),
    )


def _caller_policy(propeller: Json, batch: str, queues: Iterable[str], logs: str, storage: Json) -> Json:
    """Lets a person run tasks without a cluster: what propeller may, tags for the jobs, their logs, looks at what is
    there, and the storage.

    :param logs: the ARN of the log group.
    """
    return _policy_of_statements(
        *propeller["Statement"],
        # Tags come with a submit.
        {
            "Effect": "Allow",
            "Action": "batch:TagResource",
            "Resource": [f"{batch}:job/*", f"{batch}:job-definition/*", *queues],
        },
        {"Effect": "Allow", "Action": "logs:GetLogEvents", "Resource": f"{logs}:log-stream:*"},
        # AWS knows no narrower resource for these calls.
        {"Effect": "Allow", "Action": [*LOOKS], "Resource": "*"},
        *storage["Statement"],
    )


def _caller_storage(settings: Settings) -> Json:
    """The jobs' policy for the storage, the shared cache besides, and uploads in parts that break off."""
    policy = _storage_of_settings(settings, *_prefix_of_url(settings.local.cache))
    first, *others = policy["Statement"]
    return _policy_of_statements({**first, "Action": [*first["Action"], "s3:AbortMultipartUpload"]}, *others)


def _storage_of_settings(settings: Settings, *others: StoragePrefix) -> Json:
    """The jobs' policy for the storage of the settings, or for a placeholder, and for other places."""
    named = policy_storage_prefixes(settings) or (StoragePrefix(BUCKET),)
    return storage_policy((*named, *others), settings.handler.storage.container, _settings_partition(settings))


def trust_policy() -> Json:
    """Lets ECS assume a role."""
    return _policy_of_statements({"Effect": "Allow", "Principal": {"Service": ECS_TASKS}, "Action": "sts:AssumeRole"})


def propeller_policy(batch: str, queues: Iterable[str], roles: list[Any]) -> Json:
    """Lets propeller pass the jobs' roles to Batch, and make the calls that the aws_array plugin makes.

    :param batch: how the ARNs of Batch's resources begin, `arn:aws:batch:us-east-2:111122223333`.
    :param queues: the ARNs of the job queues.
    """
    return _policy_of_statements(
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": roles},
        {"Effect": "Allow", "Action": "batch:RegisterJobDefinition", "Resource": f"{batch}:job-definition/*"},
        {"Effect": "Allow", "Action": "batch:SubmitJob", "Resource": [f"{batch}:job-definition/*", *queues]},
        {"Effect": "Allow", "Action": "batch:TerminateJob", "Resource": f"{batch}:job/*"},
        # AWS knows no narrower resource for this call.
        {"Effect": "Allow", "Action": "batch:DescribeJobs", "Resource": "*"},
    )


def policy_limited_to_ecs(document: Json) -> Json:
    """The same policy with PassRole allowed for ECS only."""
    condition = {"StringEquals": {"iam:PassedToService": ECS_TASKS}}
    return _policy_of_statements(
        *({**one, "Condition": condition} if one["Action"] == "iam:PassRole" else one for one in document["Statement"])
    )


def storage_policy(prefixes: Iterable[StoragePrefix], container: str, partition: str) -> Json:
    """Lets a job read and write below some prefixes, and list their buckets, which fsspec does before it reads.

    :param container: the bucket at whose top `pyflyte register` leaves the archives of code; jobs read those too.
    """
    prefixes = tuple(prefixes)
    buckets = [f"arn:{partition}:s3:::{bucket}" for bucket in dict.fromkeys(one.bucket for one in prefixes)]
    objects = [one.objects_arn(partition) for one in prefixes]
    code = (
        [] if not container or StoragePrefix(container) in prefixes else [f"arn:{partition}:s3:::{container}/*.tar.gz"]
    )
    return _policy_of_statements(
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": objects},
        *({"Effect": "Allow", "Action": "s3:GetObject", "Resource": archive} for archive in code),
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": buckets},
    )


def _policy_of_statements(*statements: Json) -> Json:
    return {"Version": VERSION, "Statement": list(statements)}


def policy_storage_prefixes(settings: Settings) -> tuple[StoragePrefix, ...]:
    """Where jobs read and write: inputs and outputs below `propeller.metadata-prefix` of `storage.container`, and what
    tasks write themselves below `propeller.rawoutput-prefix`, by default the whole container; and both below
    `emulator.storage`. Empty when no bucket is named."""
    container, propeller = settings.handler.storage.container, settings.handler.propeller
    metadata = [StoragePrefix(container, propeller.metadata_prefix.strip("/"))] if container else []
    outputs = _prefix_of_url(propeller.raw_output_prefix) or ([StoragePrefix(container)] if container else [])
    whole = [one for one in outputs if not one.key and one.bucket == container]
    return tuple(dict.fromkeys([*(whole or [*metadata, *outputs]), *_prefix_of_url(settings.local.storage)]))


def _prefix_of_url(url: str) -> list[StoragePrefix]:
    """Empty for what is no place in S3."""
    found = _S3.fullmatch(url)
    return [StoragePrefix(found[1], found[2])] if found else []


def policy_queue_arns(settings: Settings, batch: str) -> list[str]:
    """The ARN of each job queue that the settings name."""
    names = [queue.dynamic for queue in settings.admin.queues if queue.dynamic]
    return list(dict.fromkeys(name if name.startswith("arn:") else f"{batch}:job-queue/{name}" for name in names))


def policy_named_roles(settings: Settings) -> list[str]:
    """The roles that the settings give to jobs, without the built-in one, which no account has."""
    named = (settings.admin.emulator.role, settings.admin.server.assumable_iam_role)
    return list(dict.fromkeys(role for role in named if role and role != LOCAL_ROLE))


def policy_job_roles(settings: Settings) -> list[str]:
    """The roles that the settings give to jobs; a placeholder when they name none that an account could have."""
    return policy_named_roles(settings) or [
        f"arn:{_settings_partition(settings)}:iam::{policy_account_id(settings)}:role/JOB_ROLE"
    ]


def policy_region(settings: Settings) -> str:
    return settings.handler.aws.region


def policy_account_id(settings: Settings) -> str:
    """plugins.aws.accountId, else the account of a role, else a placeholder."""
    named = [match[1] for role in policy_named_roles(settings) if (match := ROLE_ARN.fullmatch(role))]
    return settings.handler.aws.account_id or (named[0] if named else ACCOUNT)


def _settings_partition(settings: Settings) -> str:
    """The first part of every ARN: China and the US government have their own."""
    return policy_partition(policy_region(settings))


def policy_partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
