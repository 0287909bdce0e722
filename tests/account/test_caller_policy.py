"""The policy of people who run with `FLYTE_AWSBATCH=aws`: what it allows, and what its page says of each action."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from backends import ROOT

from flytekitplugins.awsbatch.account.policies import all_setup_policies
from flytekitplugins.awsbatch.local.all_settings import parse_all_settings

PAGE = ROOT / "docs" / "how-to" / "aws-account.md"
# Allowed to everybody.
FREE = {"sts:GetCallerIdentity"}


def caller_statements(**emulator: Any) -> list[dict[str, Any]]:
    settings = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", Path(PAGE).read_text(), re.S)[0])
    settings["emulator"].update(emulator)
    document = all_setup_policies(parse_all_settings(settings))[-1]
    assert document.attach_to == "whoever runs with FLYTE_AWSBATCH=aws"
    return list(document.body["Statement"])


def actions(statements: list[dict[str, Any]]) -> set[str]:
    said = [statement["Action"] for statement in statements]
    return {one for some in said for one in ([some] if isinstance(some, str) else some)}


def test_the_page_has_a_row_for_every_action_and_for_no_other() -> None:
    table = PAGE.read_text().partition("## Permissions")[2].partition("## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.M)
    named = re.findall(r"\b(?:batch|iam|logs|ec2|s3|sts):[A-Z]\w+", " ".join(rows))
    assert sorted(named) == sorted(actions(caller_statements()) | FREE)


def test_everything_is_limited_to_what_the_settings_name_where_aws_can() -> None:
    allowed = {
        action: statement["Resource"]
        for statement in caller_statements(cache="s3://census-cache")
        for action in actions([statement])
    }
    batch = "arn:aws:batch:us-east-2:111122223333"
    queue = f"{batch}:job-queue/census"
    assert allowed["batch:SubmitJob"] == [f"{batch}:job-definition/*", queue]
    assert allowed["batch:TagResource"] == [f"{batch}:job/*", f"{batch}:job-definition/*", queue]
    assert allowed["iam:PassRole"] == ["arn:aws:iam::111122223333:role/census-jobs"]
    group = "arn:aws:logs:us-east-2:111122223333:log-group:/aws/batch/job"
    assert allowed["logs:GetLogEvents"] == f"{group}:log-stream:*"
    assert allowed["s3:PutObject"] == ["arn:aws:s3:::census-data/runs/*", "arn:aws:s3:::census-cache/*"]
    assert {action for action, resource in allowed.items() if resource == "*"} == {
        "batch:DescribeJobs",
        "batch:ListJobs",
        "batch:DescribeJobDefinitions",
        "batch:DescribeJobQueues",
        "batch:DescribeComputeEnvironments",
        "ec2:DescribeInstanceTypes",
    }
