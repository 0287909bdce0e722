"""`flyte-awsbatch doctor` without an account: how it ends, what it prints, and how it bears calls that fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from account_builders import ACCOUNT, JOB_ROLE, PROPELLER_ROLE, doctor, in_state, stub, write_settings
from botocore.stub import Stubber
from click.testing import CliRunner

from flytekitplugins.awsbatch.account import aws_account
from flytekitplugins.awsbatch.account.aws_account import AwsAccount
from flytekitplugins.awsbatch.account.iam_evaluation import IamVerdict
from flytekitplugins.awsbatch.account.principals import principal_may_request, principal_of
from flytekitplugins.awsbatch.account.step_findings import Fix, State, wrong_finding
from flytekitplugins.awsbatch.account.steps import STEPS
from flytekitplugins.awsbatch.cli.main import main

CALLER = {"UserId": "u", "Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/flytepropeller/session"}
SERVICES = ("sts", "batch", "iam", "s3", "ecr", "logs", "ec2")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every request goes to a port of this machine where nobody listens."""
    write_settings(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(aws_account, "ATTEMPTS", 1)
    return tmp_path


def refuse(patch: pytest.MonkeyPatch, code: str) -> None:
    """Answers whatever is asked with an error, but for who calls."""
    stub(patch, "sts", "GetCallerIdentity", lambda _: CALLER)
    for service in SERVICES[1:]:
        stub(patch, service, "*", lambda _: code)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("AccessDenied", "these credentials lack the permission batch:DescribeJobQueues"),
        ("Throttling", "AWS throttled batch:DescribeJobQueues; try again later"),
    ],
)
def test_calls_that_are_refused_do_not_end_the_walk(monkeypatch: pytest.MonkeyPatch, code: str, reason: str) -> None:
    refuse(monkeypatch, code)
    steps = doctor("-c", "settings.yaml")
    assert len(steps) == 18
    assert in_state(steps, State.WRONG) == []
    unknown = dict(in_state(steps, State.UNKNOWN))
    assert unknown["queues"]["found"] == reason
    assert {"environments", "roles", "storage", "logs"} <= unknown.keys()
    assert "queue-rules" not in unknown


def test_without_an_answer_nothing_is_wrong_and_the_settings_are_looked_at_all_the_same() -> None:
    steps = doctor("-c", "settings.yaml")
    assert in_state(steps, State.WRONG) == []
    assert [step for step, _ in in_state(steps, State.OK)] == [
        *("region", "queue-rules", "annotation", "plugins", "plugins", "array-size")
    ]


def test_only_what_cannot_be_told_ends_with_status_0() -> None:
    assert CliRunner().invoke(main, ["doctor", "-c", "settings.yaml"]).exit_code == 0


def test_what_is_wrong_is_printed_with_its_fix_and_ends_with_status_1(here: Path) -> None:
    (here / "large.yaml").write_text("plugins: {aws: {batch: {maxArrayJobSize: 20000}}}")
    result = CliRunner().invoke(main, ["doctor", "-c", "settings.yaml", "-c", "large.yaml"])
    assert result.exit_code == 1
    assert (
        "The size of arrays\n"
        "  ✗ plugins.aws.batch.maxArrayJobSize\n"
        "    20000; expected at most 10000, AWS Batch's limit\n"
        "      plugins:\n"
        "        aws:\n"
        "          batch:\n"
        "            maxArrayJobSize: 10000\n"
    ) in result.output
    assert result.output.endswith("1 thing wrong\n")


def test_a_fix_of_several_findings_is_printed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fix, other = Fix(commands=("aws iam put-role-policy",)), Fix(words="Name one.")
    role = f"role flytepropeller: batch:SubmitJob {'x' * 80}"
    found = [
        wrong_finding(role, "not allowed", "allowed", fix),
        wrong_finding("batch:DescribeJobs", "not allowed", "allowed", fix),
        wrong_finding("batch:TerminateJob", "not allowed", "allowed", other),
    ]
    monkeypatch.setattr("flytekitplugins.awsbatch.cli.doctor.findings_of_steps", lambda _: [(STEPS[0], found)])
    assert CliRunner().invoke(main, ["doctor", "-c", "settings.yaml"]).output == (
        f"Credentials\n  ✗ {role}\n    not allowed; expected allowed\n"
        "  ✗ batch:DescribeJobs\n    not allowed; expected allowed\n      aws iam put-role-policy\n"
        "  ✗ batch:TerminateJob\n    not allowed; expected allowed\n    Name one.\n"
        "3 things wrong\n"
    )


def test_only_commands_are_printed_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    result = CliRunner().invoke(main, ["doctor", "-c", "settings.yaml", "--fix-commands"])
    assert (result.exit_code, result.output) == (1, "aws configure\n")


@pytest.mark.parametrize("arguments", [["--role", "flyte-jobs"], ["absent.py"], ["broken.py"], ["--what"]])
def test_wrong_use_ends_with_status_2(here: Path, arguments: list[str]) -> None:
    (here / "broken.py").write_text("1 / 0")
    assert CliRunner().invoke(main, ["doctor", "-c", "settings.yaml", *arguments]).exit_code == 2


def test_problems_of_the_settings_end_the_command_before_it_asks(here: Path) -> None:
    (here / "wrong.yaml").write_text("emulator: {vcpu: 4}")
    result = CliRunner().invoke(main, ["doctor", "-c", "wrong.yaml", "--json"])
    assert (result.exit_code, json.loads(result.stdout)["problems"][0]["key"]) == (1, "emulator.vcpu")


def test_a_profile_that_is_not_there_is_wrong_and_does_not_end_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "absent")
    wrong = in_state(doctor("-c", "settings.yaml"), State.WRONG)
    assert [(step, one["found"]) for step, one in wrong] == [
        ("credentials", "sts:GetCallerIdentity failed: The config profile (absent) could not be found")
    ]


def test_an_answer_that_cannot_be_read_ends_its_step_only(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, "sts", "GetCallerIdentity", lambda _: CALLER)
    stub(monkeypatch, "logs", "DescribeLogGroups", lambda _: {"odd": []})
    unknown = dict(in_state(doctor("-c", "settings.yaml"), State.UNKNOWN))
    assert unknown["logs"]["found"] == "KeyError: 'logGroups'"


def test_a_propeller_role_of_another_account_is_not_mistaken_for_a_local_one(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "AccessDenied")
    foreign = PROPELLER_ROLE.replace(ACCOUNT, "210987654321")
    steps = {one["step"]: one["findings"] for one in doctor("-c", "settings.yaml", "--propeller-role", foreign)}
    assert {one["found"] for one in steps["batch-calls"]} == {"the role is in another account"}


NEEDS_REGION = {"Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-2"}}}


@pytest.mark.parametrize(
    ("decision", "more", "policy", "expected"),
    [
        ("allowed", {}, None, IamVerdict(True)),
        ("implicitDeny", {}, None, IamVerdict(False)),
        ("explicitDeny", {}, None, IamVerdict(False, elsewhere=True)),
        ("implicitDeny", {}, NEEDS_REGION, IamVerdict(None)),
        ("implicitDeny", {}, {}, IamVerdict(False, elsewhere=True)),
        ("implicitDeny", {"MissingContextValues": ["aws:RequestedRegion"]}, {}, IamVerdict(None)),
        (
            "explicitDeny",
            {
                "ResourceSpecificResults": [
                    {
                        "EvalResourceName": JOB_ROLE,
                        "EvalResourceDecision": "explicitDeny",
                        "MissingContextValues": ["aws:SourceIp"],
                    }
                ]
            },
            {},
            IamVerdict(None),
        ),
    ],
)
def test_iam_simulates_a_permission_where_the_caller_may_ask(
    decision: str, more: dict[str, Any], policy: dict[str, Any] | None, expected: IamVerdict
) -> None:
    """By botocore's Stubber, since moto does not simulate. `policy` is what the role's statement has besides."""
    account = AwsAccount("us-east-2")
    client = botocore.session.get_session().create_client("iam", region_name="us-east-2")
    account._clients["iam", "us-east-2"] = client
    role = {"Arn": PROPELLER_ROLE, "RoleName": "flytepropeller", "Path": "/", "RoleId": "A" * 16, "CreateDate": 0}
    asked = {
        "PolicySourceArn": PROPELLER_ROLE,
        "ActionNames": ["iam:PassRole"],
        "ResourceArns": [JOB_ROLE],
        "ContextEntries": [
            {"ContextKeyName": "iam:passedtoservice", "ContextKeyValues": ["x"], "ContextKeyType": "string"}
        ],
    }
    result: dict[str, Any] = {"EvalActionName": "iam:PassRole", "EvalDecision": decision, **more}
    names = [] if policy is None else ["own"]
    body = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", **(policy or {})}}
    inline = {"RoleName": "flytepropeller", "PolicyName": "own"}
    with Stubber(client) as stubber:
        stubber.add_response("get_role", {"Role": role}, {"RoleName": "flytepropeller"})
        stubber.add_response("simulate_principal_policy", {"EvaluationResults": [result]}, asked)
        stubber.add_response("list_role_policies", {"PolicyNames": names}, {"RoleName": "flytepropeller"})
        if names:
            stubber.add_response("get_role_policy", {**inline, "PolicyDocument": json.dumps(body)}, inline)
        stubber.add_response("list_attached_role_policies", {"AttachedPolicies": []}, {"RoleName": "flytepropeller"})
        verdict = principal_may_request(
            account, principal_of(CALLER["Arn"]), "iam:PassRole", JOB_ROLE, {"iam:passedtoservice": "x"}
        )
    assert verdict == expected


@pytest.mark.parametrize(
    ("arn", "kind", "name"),
    [
        (JOB_ROLE, "role", "flyte-jobs"),
        ("arn:aws:iam::111122223333:role/a/b/c", "role", "c"),
        ("arn:aws-cn:sts::111122223333:assumed-role/c/session", "role", "c"),
        ("arn:aws:iam::111122223333:user/team/ada", "user", "ada"),
        ("arn:aws:iam::111122223333:root", "root", ""),
        ("arn:aws:sts::111122223333:federated-user/ada", "federated-user", "ada"),
    ],
)
def test_a_principal_is_known_by_its_arn(arn: str, kind: str, name: str) -> None:
    principal = principal_of(arn)
    assert (principal.kind, principal.name) == (kind, name)
