"""Single checks of `flyte-awsbatch doctor`, on answers of AWS that moto does not give."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from account_builders import ACCOUNT, JOB_ROLE, PROPELLER_ROLE, REGION, SETTINGS

from flytekitplugins.awsbatch.account import batch_checks, image_and_logs, role_checks
from flytekitplugins.awsbatch.account.aws_account import AwsAccount, CallError
from flytekitplugins.awsbatch.account.iam_evaluation import IamPolicy, IamVerdict
from flytekitplugins.awsbatch.account.principals import principal_of, principal_permission_fix
from flytekitplugins.awsbatch.account.step_findings import State, StepFinding
from flytekitplugins.awsbatch.account.task_needs import task_needs
from flytekitplugins.awsbatch.account.walk import AccountWalk
from flytekitplugins.awsbatch.local.all_settings import parse_all_settings

Answers = dict[str, Callable[[dict[str, Any]], dict[str, Any]]]
ENVIRONMENT = f"arn:aws:batch:{REGION}:{ACCOUNT}:compute-environment/"
PROPELLER = principal_of(PROPELLER_ROLE)
MANAGED = f"arn:aws:iam::{ACCOUNT}:policy/limits"


class AnsweringAccount(AwsAccount):
    """Answers operations from a table; what is not in it may not be asked."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(REGION)
        self.table = answers

    def _call(self, service: str, operation: str, region: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation not in self.table:
            raise CallError(f"{service}:{operation}", "AccessDenied", "not in the table")
        return self.table[operation](request)


def walk_of(answers: Answers, **more: Any) -> AccountWalk:
    caller = {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"}
    return AccountWalk(parse_all_settings(SETTINGS), AnsweringAccount(answers), caller, (JOB_ROLE,), **more)


def environment(name: str, **more: Any) -> dict[str, Any]:
    named = {"computeEnvironmentName": name, "computeEnvironmentArn": ENVIRONMENT + name}
    return {**named, "state": "ENABLED", "status": "VALID", **more}


def batch(*environments: dict[str, Any], queue_status: str = "VALID") -> Answers:
    """The queue tutorial on the first environment, and no queue tutorial-gpu."""
    queue = {
        "jobQueueName": "tutorial",
        "jobQueueArn": f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/tutorial",
        "state": "ENABLED",
        "status": queue_status,
        "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": environments[0]["computeEnvironmentArn"]}],
    }

    def described(request: dict[str, Any]) -> dict[str, Any]:
        wanted = request.get("computeEnvironments")
        found = [one for one in environments if wanted is None or one["computeEnvironmentArn"] in wanted]
        return {"computeEnvironments": found}

    return {"DescribeJobQueues": lambda _: {"jobQueues": [queue]}, "DescribeComputeEnvironments": described}


def states(findings: Iterable[StepFinding]) -> dict[str, tuple[State, str]]:
    return {one.subject: (one.state, one.found) for one in findings}


def document_of(command: str) -> Any:
    words = shlex.split(command)
    return json.loads(words[words.index("--policy-document") + 1])


def deny(action: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": "*", **more}


@pytest.mark.parametrize("status", ["CREATING", "UPDATING"])
def test_what_aws_has_not_finished_is_not_wrong(status: str) -> None:
    walk = walk_of(batch(environment("spot", status=status), queue_status=status))
    expected = (State.UNKNOWN, f"it is {status}: AWS is still at work; ask again")
    assert states(batch_checks.check_queues(walk))["tutorial"] == expected
    assert states(batch_checks.check_compute_environments(walk))["spot (of tutorial)"] == expected


def test_a_new_queue_gets_an_environment_of_the_settings_and_not_a_strangers() -> None:
    answers = batch(environment("mine"), environment("another-team"))
    described = answers["DescribeComputeEnvironments"]
    answers["DescribeComputeEnvironments"] = lambda request: {
        "computeEnvironments": described(request)["computeEnvironments"][::-1]
    }
    missing = next(one for one in batch_checks.check_queues(walk_of(answers)) if one.subject == "tutorial-gpu")
    assert "compute-environment/mine" in missing.fix.commands[0]


def test_a_log_group_that_a_condition_may_let_aws_make_cannot_be_told() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/batch"
    open_grant = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    open_grant["Condition"] = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}  # type: ignore[assignment]
    answers: Answers = {
        **batch(environment("spot", serviceRole=role)),
        "DescribeLogGroups": lambda _: {"logGroups": []},
        "GetRole": lambda _: {"Role": {"Arn": role}},
        "ListRolePolicies": lambda _: {"PolicyNames": ["own"]},
        "GetRolePolicy": lambda _: {"PolicyDocument": {"Statement": open_grant}},
        "ListAttachedRolePolicies": lambda _: {"AttachedPolicies": []},
    }
    assert states(image_and_logs.check_log_group(walk_of(answers)))["/aws/batch/job"][0] is State.UNKNOWN


def test_jobs_are_submitted_to_a_revision_of_a_definition() -> None:
    requests = role_checks.role_batch_requests(walk_of({}, image="an/image:v1"))
    registered, submitted = (resource for action, resource, _ in requests[:2])
    assert submitted == f"{registered}:*"
    assert role_checks.role_batch_requests(walk_of({}))[1][1].endswith(":job-definition/*")


def test_a_role_with_another_path_is_named_with_the_line_of_the_settings() -> None:
    real = JOB_ROLE.replace("role/", "role/teams/vision/")
    walk = walk_of({"GetRole": lambda _: {"Role": {"Arn": real}}}, propeller=PROPELLER_ROLE)
    jobs, propeller = role_checks.check_roles(walk)
    assert (jobs.state, jobs.found, jobs.fix.commands) == (State.WRONG, f"the role of this name is {real}", ())
    assert jobs.fix.yaml == f"emulator:\n  role: {real}"
    assert propeller.fix.words == f"Give --propeller-role {real}."


@pytest.mark.parametrize(
    ("name", "group", "command"),
    [
        (MANAGED, "", f"aws iam detach-role-policy --role-name flytepropeller --policy-arn {MANAGED}"),
        (MANAGED, "all", f"aws iam detach-group-policy --group-name all --policy-arn {MANAGED}"),
        ("inline", "", "aws iam delete-role-policy --role-name flytepropeller --policy-name inline"),
    ],
)
def test_a_policy_of_nothing_but_the_denial_is_taken_away(name: str, group: str, command: str) -> None:
    denying = IamPolicy(name, {"Statement": [deny("batch:*")]}, group)
    requests: list[Any] = [("batch:DescribeJobs", "*", {})]
    fix = principal_permission_fix(PROPELLER, IamVerdict(False, denying), "batch:DescribeJobs", requests, "p", {})
    assert fix.commands == (command,)


def test_a_policy_of_aws_is_detached_since_nobody_else_can_change_it() -> None:
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    denying = IamPolicy("arn:aws:iam::aws:policy/Limits", {"Statement": [allow, deny("batch:*")]})
    requests: list[Any] = [("batch:DescribeJobs", "*", {})]
    fix = principal_permission_fix(PROPELLER, IamVerdict(False, denying), "batch:DescribeJobs", requests, "p", {})
    assert fix.commands[0].startswith("aws iam detach-role-policy --role-name flytepropeller")


def test_fixes_of_one_policy_do_not_put_back_what_another_one_takes_out() -> None:
    kept = deny("ec2:*")
    limits = {"Statement": [deny("batch:TerminateJob"), deny("iam:PassRole"), deny("batch:DescribeJobs"), kept]}
    answers: Answers = {
        "GetRole": lambda request: {"Role": {"Arn": JOB_ROLE if "jobs" in request["RoleName"] else PROPELLER_ROLE}},
        "ListRolePolicies": lambda _: {"PolicyNames": ["limits"]},
        "GetRolePolicy": lambda _: {"PolicyDocument": limits},
        "ListAttachedRolePolicies": lambda _: {"AttachedPolicies": []},
    }
    walk = walk_of(answers, propeller=PROPELLER_ROLE)
    found = [*role_checks.check_pass_role(walk), *role_checks.check_role_batch_calls(walk)]
    commands = {command for one in found for command in one.fix.commands if "--policy-name limits" in command}
    assert [document_of(command)["Statement"] for command in commands] == [[kept]]


def test_a_policy_that_allows_replaces_none_of_another_deployment() -> None:
    one, other = (
        principal_permission_fix(
            PROPELLER, IamVerdict(False), "batch:DescribeJobs", [], "flyte-awsbatch", {"Statement": [name]}
        )
        for name in ("one", "other")
    )
    names = [fix.commands[0].partition("--policy-name ")[2].split()[0] for fix in (one, other)]
    assert len(set(names)) == 2
    assert all(name.startswith("flyte-awsbatch-") for name in names)


def test_a_legacy_map_of_a_plain_task_needs_ec2_and_no_share(tmp_path: Path) -> None:
    (tmp_path / "legacy_map_of_a_plain_task.py").write_text(
        "from flytekit import task, workflow\n"
        "from flytekit.core.legacy_map_task import map_task\n\n\n"
        "@task\ndef square(n: int) -> int:\n    return n * n\n\n\n"
        "@workflow\ndef squares(numbers: list[int]) -> list[int]:\n    return map_task(square)(n=numbers)\n"
    )
    (need,) = task_needs([str(tmp_path / "legacy_map_of_a_plain_task.py")], parse_all_settings(SETTINGS))
    assert (need.task.rpartition(".")[2], need.platform, need.share_identifier) == ("square", "EC2", "")
