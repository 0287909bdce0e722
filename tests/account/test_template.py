"""The CloudFormation template of an account."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from account_builders import ACCOUNT, BUCKET, REGION, SETTINGS, template_of, write_settings
from backends import ROOT
from click.testing import CliRunner

from flytekitplugins.awsbatch.account.template import cloudformation_template, template_as_json, template_logical_ids
from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.local.all_settings import load_all_settings, parse_all_settings

CFN_LINT = ROOT / ".venv-moto" / "bin" / "cfn-lint"
OTHERS = """\
queues:
  executionQueues:
    - {dynamic: a-b, attributes: [x]}
    - {dynamic: a_b, attributes: [x]}
    - {dynamic: a-b, attributes: [y]}
    - {dynamic: "arn:aws:batch:eu-west-1:111122223333:job-queue/c", attributes: [z]}
storage: {container: one}
propeller: {rawoutput-prefix: s3://two/some/where/}
emulator: {role: "arn:aws:iam::111122223333:role/teams/vision/jobs"}
flyteadmin: {assumableIamRole: "arn:aws:iam::111122223333:role/other.jobs"}
"""
EVERY = [SETTINGS, OTHERS, "queues: {executionQueues: [{dynamic: q, attributes: [x]}]}"]


def resources(text: str, kind: str) -> dict[str, Any]:
    found = json.loads(template_as_json(text))["Resources"]
    return {name: one["Properties"] for name, one in found.items() if one["Type"] == kind}


@pytest.mark.skipif(not CFN_LINT.exists(), reason="cfn-lint is not installed: make test-all installs it")
@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize("settings", EVERY)
def test_cfn_lint_finds_nothing(tmp_path: Path, settings: str, form: str) -> None:
    text = cloudformation_template(parse_all_settings(settings))
    file = tmp_path / f"account.{form}"
    file.write_text(text if form == "yaml" else template_as_json(text))
    linted = subprocess.run([CFN_LINT, file], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, ""), linted.stderr


@pytest.mark.parametrize("settings", EVERY)
def test_no_account_and_no_region_is_written_in(settings: str) -> None:
    text = cloudformation_template(parse_all_settings(settings))
    assert re.findall(r"\d{12}|[a-z]{2}-[a-z]+-\d\b", text) == []
    assert ACCOUNT not in text and REGION not in text


def test_queues_have_the_names_of_the_settings() -> None:
    queues = resources(cloudformation_template(parse_all_settings(OTHERS)), "AWS::Batch::JobQueue")
    assert [one["JobQueueName"] for one in queues.values()] == ["a-b", "a_b", "c"]


def test_no_name_takes_the_logical_id_of_another_whatever_their_order() -> None:
    names = ["a-b-2", "a-b", "a_b", "c"]
    ids = template_logical_ids("JobQueue", names)
    assert sorted(ids.values()) == sorted(names)
    assert ids == template_logical_ids("JobQueue", names[::-1])
    assert (ids["JobQueueAB2"], ids["JobQueueC"]) == ("a-b-2", "c")
    roles = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("jobs.a", "jobs-a")]
    assert sorted(template_logical_ids("JobRole", roles).values()) == sorted(roles)


def test_a_queue_goes_from_spot_to_on_demand_where_both_are_wanted() -> None:
    queue = resources(cloudformation_template(parse_all_settings(SETTINGS)), "AWS::Batch::JobQueue")["JobQueueTutorial"]
    spot, on_demand = {"Ref": "SpotEnvironment"}, {"Ref": "OnDemandEnvironment"}
    assert queue["ComputeEnvironmentOrder"] == {
        "Fn::If": [
            "UseBoth",
            [{"Order": 1, "ComputeEnvironment": spot}, {"Order": 2, "ComputeEnvironment": on_demand}],
            [{"Order": 1, "ComputeEnvironment": {"Fn::If": ["UseSpot", spot, on_demand]}}],
        ]
    }


def test_roles_have_the_names_and_paths_of_the_settings() -> None:
    roles = resources(cloudformation_template(parse_all_settings(OTHERS)), "AWS::IAM::Role")
    assert [(one["RoleName"], one["Path"]) for one in roles.values() if "RoleName" in one] == [
        ("jobs", "/teams/vision/"),
        ("other.jobs", "/"),
    ]


def test_a_job_reaches_the_prefixes_of_the_storage_only() -> None:
    role = resources(cloudformation_template(parse_all_settings(SETTINGS)), "AWS::IAM::Role")["JobRoleFlyteJobs"]
    bucket = "arn:${AWS::Partition}:s3:::${Bucket}"
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert [(one["Action"], one["Resource"]) for one in statements] == [
        (
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            [{"Fn::Sub": f"{bucket}/metadata/propeller/*"}, {"Fn::Sub": f"{bucket}/data/*"}],
        ),
        ("s3:GetObject", {"Fn::Sub": f"{bucket}/*.tar.gz"}),
        (["s3:ListBucket", "s3:GetBucketLocation"], [{"Fn::Sub": bucket}]),
    ]


def test_propeller_passes_the_jobs_roles_to_ecs_only() -> None:
    policy = resources(cloudformation_template(parse_all_settings(SETTINGS)), "AWS::IAM::ManagedPolicy")[
        "PropellerPolicy"
    ]
    assert policy["PolicyDocument"]["Statement"][0] == {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": [{"Fn::GetAtt": ["JobRoleFlyteJobs", "Arn"]}],
        "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    }


def test_the_command_prints_yaml_with_comments_or_json(tmp_path: Path) -> None:
    write_settings(tmp_path)
    file = str(tmp_path / "settings.yaml")
    answer = CliRunner().invoke(main, ["account", "template", "-c", file])
    assert answer.exit_code == 0
    assert answer.output == cloudformation_template(load_all_settings([file]))
    assert "  # A job queue of the settings.\n  JobQueueTutorial:\n" in answer.output
    assert template_of(file) == json.loads(template_as_json(answer.stdout))


def test_the_policies_are_printed_alone(tmp_path: Path) -> None:
    write_settings(tmp_path)
    arguments = ["account", "policies", "-c", str(tmp_path / "settings.yaml")]
    documents = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)["documents"]
    assert [one["title"] for one in documents] == ["Trust policy", "Policy", "Policy", "Policy"]
    assert f"arn:aws:s3:::{BUCKET}/data/*" in json.dumps(documents[2])
    printed = CliRunner().invoke(main, arguments)
    assert (printed.exit_code, printed.output.count('"Version": "2012-10-17"')) == (0, 4)
