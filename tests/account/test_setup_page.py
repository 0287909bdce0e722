"""docs/how-to/setup.md, followed to the letter: its YAML is the settings, and its lines are run in their order, with
moto's server as the account."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from account_builders import MANIFEST, MotoAccount, moto_account
from backends import ROOT, moto_server
from doc_pages import blocks, run

from flytekitplugins.awsbatch.account.template import template_as_json

PAGE = "docs/how-to/setup.md"
AWS_CLI = ROOT / ".venv-awscli" / "bin"
ACCOUNT = "111122223333"


def merged(under: Any, over: Any) -> Any:
    """As a person pastes a block into a file that has some of its keys."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return {**under, **{key: merged(under.get(key), value) for key, value in over.items()}}


@pytest.mark.slow
@pytest.mark.skipif(
    moto_server() is None or not (AWS_CLI / "aws").exists(), reason="make test-all installs moto and the AWS CLI"
)
@pytest.mark.timeout(300)
def test_the_setup_leads_to_an_account_that_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", ACCOUNT)
    with moto_account(tmp_path) as account:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FLYTE_"))} | {
            "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{AWS_CLI}{os.pathsep}{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": account.url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-2",
            "FLYTE_AWSBATCH_HOME": str(tmp_path / "home"),
        }
        (tmp_path / "workflow.py").write_text(blocks(PAGE, "python")[0].text)
        started, *rest = (block.text for block in blocks(PAGE, "sh"))
        run(started, tmp_path, environment)
        settings: Any = yaml.safe_load((tmp_path / "awsbatch.yaml").read_text())
        for block in blocks(PAGE, "yaml"):
            settings = merged(settings, yaml.safe_load(block.text))
        (tmp_path / "awsbatch.yaml").write_text(yaml.safe_dump(settings))
        environment["FLYTE_AWSBATCH_CONFIG"] = "awsbatch.yaml"
        given = what_is_there_already(account)
        for block in rest:
            for line in re.findall(r"(?:.*\\\n)*.+", block):
                if "cloudformation deploy" in line:
                    deploy(line, account, given, environment)
                elif "queue export" in line:
                    run(line, tmp_path, environment)
                    keep_rules_without_project(tmp_path / "awsbatch.yaml")
                else:
                    # There is no Flyte to register with.
                    run(
                        line.replace("pyflyte register", "pyflyte register --dry-run --copy none --version 1"),
                        tmp_path,
                        environment,
                    )
        report = run("flyte-awsbatch doctor -c awsbatch.yaml -c attributes/ --json", tmp_path, environment)
    assert json.loads(report)["wrong"] == 0


def keep_rules_without_project(file: Path) -> None:
    """What the page asks for beside the attributes."""
    settings = yaml.safe_load(file.read_text())
    settings["queues"]["workflowConfigs"] = [
        one for one in settings["queues"]["workflowConfigs"] if "project" not in one
    ]
    file.write_text(yaml.safe_dump(settings))


def what_is_there_already(account: MotoAccount) -> dict[str, str]:
    """Propeller's role, a bucket, an image, a network; gives the network's names for those of the page."""
    account.prepare("my-flyte-bucket")
    account.ecr.create_repository(repositoryName="flyte-tasks")
    account.ecr.put_image(repositoryName="flyte-tasks", imageManifest=MANIFEST, imageTag="v1")
    first, second = account.ec2.describe_subnets()["Subnets"][:2]
    return {
        "vpc-11112222": first["VpcId"],
        "subnet-11112222": first["SubnetId"],
        "subnet-33334444": second["SubnetId"],
    }


def deploy(line: str, account: MotoAccount, given: dict[str, str], environment: dict[str, str]) -> None:
    file = account.folder / "account.yaml"
    template = account.for_moto(json.loads(template_as_json(file.read_text())))
    file.write_text(json.dumps(template))
    for name, real in given.items():
        assert name in line
        line = line.replace(name, real)
    run(line, account.folder, environment)
    account.repair_policies("flyte-jobs")
