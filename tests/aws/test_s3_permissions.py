"""The policies for S3 that `flyte-awsbatch account policies` prints, in force: they are enough, and needed."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_flows
import boto3
import pytest
import yaml
from aws_world import BUCKET, REGION, SETTINGS, World, world

from flytekitplugins.awsbatch.account.policies import all_setup_policies
from flytekitplugins.awsbatch.local.all_settings import parse_all_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def in_force(s3: str, yes: bool) -> None:
    """Whether moto's server asks for policies from now on."""
    calls, plain = b"0" if yes else b"inf", {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(f"{s3}/moto-api/reset-auth", calls, plain)).read()


def key_of_a_user(s3: str, name: str, policy: dict[str, Any]) -> dict[str, str]:
    """The variables with the key of a new user who has one policy."""
    iam = boto3.client("iam", endpoint_url=s3, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="printed", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@pytest.fixture
def guarded(s3: str, tmp_path: Path) -> Iterator[tuple[World, dict[str, str]]]:
    """Jobs with their policy, and the variables of a caller with hers."""
    *_, jobs, caller = (one.body for one in all_setup_policies(parse_all_settings(yaml.safe_load(SETTINGS))))
    keys = [key_of_a_user(s3, name, policy) for name, policy in (("job", jobs), ("caller", caller))]
    with world(s3, tmp_path / "guarded", jobs=keys[0]) as made:
        in_force(s3, True)
        try:
            yield made, keys[1]
        finally:
            in_force(s3, False)


def test_a_run_needs_no_more_of_s3_than_its_policies_allow(
    guarded: tuple[World, dict[str, str]], tmp_path: Path
) -> None:
    aws, key = guarded
    project = tmp_path / "project"
    project.mkdir()
    for name in ("aws_flows.py", "aws_helper.py"):
        shutil.copy(Path(aws_flows.__file__).with_name(name), project)
    (project / "own.txt").write_text("my own")
    (project / "mine").mkdir()
    (project / "mine" / "a.txt").write_text("a")
    done = aws.run(project, "aws_flows.py", "types", "--own", "own.txt", "--mine", "mine", **key)
    assert done.returncode == 0, done.stdout + done.stderr

    # And what they do not allow is refused.
    (aws.folder / "other.yaml").write_text(SETTINGS.replace(f"{BUCKET}/me", f"{BUCKET}/other"))
    other = {**key, "FLYTE_AWSBATCH_CONFIG": str(aws.folder / "other.yaml")}
    done = aws.run(project, "aws_flows.py", "sign", "--n", "1", **other)
    assert done.returncode == 1
    assert "Access Denied" in done.stdout
