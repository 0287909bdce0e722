"""The documents that an AWS account needs for Flyte on AWS Batch, filled in from the settings. Pure text making.

The setup document asks for two: every role of a job must trust ECS, and propeller's own role must be allowed to pass
those roles on (AWS: "AWS Batch execution IAM role", "Granting a user permissions to pass a role to an AWS service").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flytekitplugins.awsbatch.admin.checks import ROLE_ARN
from flytekitplugins.awsbatch.local.all_settings import LOCAL_ROLE, Settings

ACCOUNT = "ACCOUNT_ID"
VERSION = "2012-10-17"


@dataclass(frozen=True)
class Policy:
    """A policy, and where it belongs."""

    title: str
    attach_to: str
    body: dict[str, Any]


def documents(settings: Settings) -> tuple[Policy, Policy]:
    roles = job_roles(settings)
    return (
        Policy("Trust policy", " and ".join(roles), trust_policy()),
        Policy("Policy", "the IAM role of flytepropeller's service account", propeller_policy(settings, roles)),
    )


def trust_policy() -> dict[str, Any]:
    """Lets ECS, which runs the containers of Batch jobs, assume a job's role."""
    principal = {"Service": "ecs-tasks.amazonaws.com"}
    return {
        "Version": VERSION,
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
    }


def propeller_policy(settings: Settings, roles: list[str]) -> dict[str, Any]:
    """Lets propeller pass the jobs' roles to Batch, and make the calls that the aws_array plugin makes."""
    batch = f"arn:{partition(settings)}:batch:{region(settings)}:{account(settings)}"
    queues = [queue_arn(batch, queue.dynamic) for queue in settings.admin.queues if queue.dynamic]
    statements = [
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": roles},
        {"Effect": "Allow", "Action": "batch:RegisterJobDefinition", "Resource": f"{batch}:job-definition/*"},
        {
            "Effect": "Allow",
            "Action": "batch:SubmitJob",
            "Resource": [f"{batch}:job-definition/*", *dict.fromkeys(queues)],
        },
        {"Effect": "Allow", "Action": "batch:TerminateJob", "Resource": f"{batch}:job/*"},
        # AWS knows no narrower resource for this call.
        {"Effect": "Allow", "Action": "batch:DescribeJobs", "Resource": "*"},
    ]
    return {"Version": VERSION, "Statement": statements}


def queue_arn(batch: str, queue: str) -> str:
    return queue if queue.startswith("arn:") else f"{batch}:job-queue/{queue}"


def job_roles(settings: Settings) -> list[str]:
    """The roles that the settings give to jobs; a placeholder when they name none that an account could have."""
    named = (settings.admin.emulator.role, settings.admin.server.assumable_iam_role)
    roles = [role for role in named if role and role != LOCAL_ROLE]
    return list(dict.fromkeys(roles)) or [f"arn:{partition(settings)}:iam::{account(settings)}:role/JOB_ROLE"]


def region(settings: Settings) -> str:
    return settings.handler.aws.region


def account(settings: Settings) -> str:
    """plugins.aws.accountId, else the account of a role; else a word in its place."""
    if settings.handler.aws.account_id:
        return settings.handler.aws.account_id
    named = (settings.admin.emulator.role, settings.admin.server.assumable_iam_role)
    matches = [match for role in named if role != LOCAL_ROLE and (match := ROLE_ARN.fullmatch(role))]
    return matches[0][1] if matches else ACCOUNT


def partition(settings: Settings) -> str:
    """The first part of every ARN: China and the US government have their own."""
    where = region(settings)
    if where.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if re.match(r"us-gov-", where) else "aws"
