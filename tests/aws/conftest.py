"""An account for each module: a service in a process of its own behind a proxy, and moto's server for all tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from aws_account import SETTINGS, Served, account_environment, served
from aws_proxy import Proxy, proxy
from aws_world import s3_or_skip

from flytekitplugins.awsbatch.account.policies import all_setup_policies
from flytekitplugins.awsbatch.local.all_settings import parse_all_settings


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """moto's server: S3, and everything else but Batch and its logs."""
    yield from s3_or_skip()


@pytest.fixture(scope="module")
def service_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("account") / "service") as running:
        yield running


@pytest.fixture
def service(service_of_module: Served) -> Iterator[Served]:
    yield service_of_module
    service_of_module.clear_faults()
    service_of_module.terminate_all()


def allowed_by_the_callers_policy() -> frozenset[str]:
    """The operations of AWS Batch and of CloudWatch Logs that `flyte-awsbatch account policies` allows."""
    statements = all_setup_policies(parse_all_settings(SETTINGS))[-1].body["Statement"]
    said = [statement["Action"] for statement in statements]
    actions = [one for some in said for one in ([some] if isinstance(some, str) else some)]
    return frozenset(one.partition(":")[2].lower() for one in actions if one.startswith(("batch:", "logs:")))


@pytest.fixture
def account(service: Served, s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """botocore here, and in processes started here, finds the account, and may do what the caller's policy allows."""
    with contextlib.ExitStack() as stack:
        between = stack.enter_context(proxy(service.url))
        between.allowed = allowed_by_the_callers_policy()
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION"):
            monkeypatch.delenv(name, raising=False)
        for name, value in account_environment(between.url, s3).items():
            monkeypatch.setenv(name, value)
        yield between
        assert not between.outside, "calls that the policy does not allow"
