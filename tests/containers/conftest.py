"""A service whose jobs run in containers, in a home of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from batch_shell import Shell
from container_engines import TestEngine
from container_shell import NewService, shell_of

from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container import ContainerExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_request import Folder
from flytekitplugins.awsbatch.batch.emulator.execution.launch import launch_policy_in_image
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.settings import BatchSettings

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A container takes long to start where much else runs."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def new_service(container_engine: TestEngine, home: Path, warnings: list[str]) -> Iterator[NewService]:
    """Makes services whose jobs run in containers; all are closed with the test."""
    with contextlib.ExitStack() as open_services:

        def new(
            at: Path = home,
            *,
            client: docker.APIClient | None = None,
            folders: tuple[Folder, ...] = (),
            clock: Clock | None = None,
            **settings: Any,
        ) -> LocalBatch:
            container = container_engine.settings(**settings)
            client = client or container_engine.client()
            executor = ContainerExecutor(client, container, folders=folders, warn=warnings.append)
            batch = BatchSettings(vcpus=4, memory=8192, kill_grace=1, container=container)
            service = LocalBatch(
                at, batch, executor=executor, launch=launch_policy_in_image({"GIVEN": "yes"}), clock=clock
            )
            return open_services.enter_context(service)

        yield new


@pytest.fixture
def service(new_service: NewService) -> LocalBatch:
    return new_service()


@pytest.fixture
def shell(service: LocalBatch) -> Shell:
    return shell_of(service)
