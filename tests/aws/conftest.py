"""An account for each module: a service in a process of its own behind a proxy, and moto's server for all tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from aws_account import Served, account_environment, served
from aws_proxy import Proxy, proxy
from aws_world import s3_or_skip


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


@pytest.fixture
def account(service: Served, s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """botocore in this process, and in those that it starts, finds the account."""
    with contextlib.ExitStack() as stack:
        between = stack.enter_context(proxy(service.url))
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION"):
            monkeypatch.delenv(name, raising=False)
        for name, value in account_environment(between.url, s3).items():
            monkeypatch.setenv(name, value)
        yield between
