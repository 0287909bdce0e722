"""One thing wrong with an account at a time: doctor finds it at its step and nothing else wrong, and what it offers
mends it. Commands are run by the AWS CLI, and lines of YAML laid over the settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from account_builders import (
    NORMAL,
    REGION,
    MotoAccount,
    doctor,
    in_state,
    moto_account,
    stub,
    template_of,
    write_settings,
)
from backends import ROOT, moto_server
from botocore.loaders import Loader
from botocore.session import Session
from breaks import BREAKS, PAGE, Break, page_with_table

from flytekitplugins.awsbatch.account.step_findings import State

AWS_CLI = ROOT / ".venv-awscli" / "bin"
pytestmark = pytest.mark.skipif(
    moto_server() is None or not (AWS_CLI / "aws").exists(), reason="make test-all installs moto and the AWS CLI"
)


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def shared_account(tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch) -> Iterator[MotoAccount]:
    """One server for all tests; each leaves the account as it found it."""
    folder = tmp_path_factory.mktemp("account")
    write_settings(folder)
    patched.chdir(folder)
    with moto_account(folder) as account:
        for name, value in {
            "AWS_ENDPOINT_URL": account.url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
            "AWS_CONFIG_FILE": str(folder / "none"),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), str(AWS_CLI), os.environ["PATH"])),
        }.items():
            patched.setenv(name, value)
        patched.delenv("AWS_PROFILE", raising=False)
        # Every command makes clients of its own; reading AWS's models each time would take most of the tests' time.
        loader = Loader()
        make_session = botocore.session.get_session
        patched.setattr(botocore.session, "get_session", lambda: with_loader(make_session(), loader))
        # moto does not simulate policies, so that they are read, as for a caller who may not simulate either.
        stub(patched, "iam", "SimulatePrincipalPolicy", lambda _: "AccessDenied")
        yield account


def with_loader(session: Session, loader: Loader) -> Session:
    session.register_component("data_loader", loader)
    return session


@pytest.fixture
def account(shared_account: MotoAccount) -> MotoAccount:
    """Deployed anew when a test before has failed half way."""
    if not shared_account.whole:
        shared_account.reset()
        shared_account.deploy(template_of("settings.yaml"))
    shared_account.whole = False
    return shared_account


def test_the_deployed_template_is_right_in_every_step(account: MotoAccount) -> None:
    steps = doctor("-c", "settings.yaml", *NORMAL)
    assert len(steps) == 18
    assert in_state(steps, State.WRONG) + in_state(steps, State.UNKNOWN) == []
    account.whole = True


def first_of_each_step() -> Iterator[Any]:
    """One break of each step always, the others in the long form of the tests."""
    seen = set()
    for one in BREAKS:
        yield pytest.param(one, id=one.what, marks=[pytest.mark.slow] if one.step in seen else [])
        seen.add(one.step)


@pytest.mark.parametrize("one", list(first_of_each_step()))
def test_what_is_wrong_is_found_at_its_step_and_mended_by_the_fix(account: MotoAccount, one: Break) -> None:
    files = ["-c", "settings.yaml"]
    if one.settings:
        Path("broken.yaml").write_text(one.settings)
        files += ["-c", "broken.yaml"]
    with pytest.MonkeyPatch.context() as patch:
        one.make(account, patch)
        wrong = in_state(doctor(*files, *one.arguments), State.WRONG)
    assert {step for step, _ in wrong} == {one.step}, wrong
    fixes = [finding["fix"] for _, finding in wrong]
    assert any(one.says in finding["found"] for _, finding in wrong), wrong
    assert any(one.mended_by in text(fix) for fix in fixes), fixes

    for command in dict.fromkeys(command for fix in fixes for command in fix["commands"]):
        if "docker" not in command and not command.startswith(("for ", "aws configure")):
            subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)
    one.mend(account, pytest.MonkeyPatch())
    overlays = mending_files(fixes) if one.settings else []
    assert [
        found for found in doctor(*(files if overlays else files[:2]), *overlays, *NORMAL) if not right(found)
    ] == []
    account.whole = True


def text(fix: dict[str, Any]) -> str:
    return "\n".join((*fix["commands"], fix["yaml"], fix["words"]))


def mending_files(fixes: list[dict[str, Any]]) -> list[str]:
    """The YAML of the fixes, and the attributes that their commands have written; none where a person has to decide."""
    yaml = [fix["yaml"] for fix in fixes if fix["yaml"]]
    if not yaml:
        return []
    Path("mended.yaml").write_text(yaml[0])
    return ["-c", "mended.yaml", *(["-c", "attributes"] if Path("attributes").is_dir() else [])]


def right(step: dict[str, Any]) -> bool:
    return all(finding["state"] == State.OK.value for finding in step["findings"])


def test_the_table_of_the_page_is_the_one_that_was_tried() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with_table(), "write it anew: python tests/account/breaks.py"
