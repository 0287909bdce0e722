"""Flyte's tasks in containers whose files lie on S3: the containers see nothing of this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import flyte_tasks
import pytest
from aws_world import BUCKET, CREDENTIALS, REGION, s3_or_skip
from container_engines import PYTHON, TestEngine
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import emulation, map_task
from flytekitplugins.awsbatch.batch.emulator.execution.executors import container_engine as engines


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    yield from s3_or_skip()


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gets what every container was asked for and had of this machine, before it is removed."""
    seen: list[str] = []
    remove = engines.remove_container

    def look(client: Any, container: str) -> None:
        found = client.inspect_container(container)
        seen.append(json.dumps([found["Mounts"], found["HostConfig"]["Binds"]]))
        remove(client, container)

    monkeypatch.setattr(engines, "remove_container", look)
    return seen


def test_files_on_s3_need_no_mount(
    container_engine: TestEngine, s3: str, tmp_path: Path, mounts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_S3": s3, "FLYTE_INTERNAL_IMAGE": PYTHON}.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", region_name=REGION).create_bucket(Bucket=BUCKET)
    settings = {"emulator": {**container_engine.emulator(network="host"), "storage": f"s3://{BUCKET}/me"}}
    files = [tmp_path / name for name in ("one", "two")]
    for file in files:
        file.write_text(file.name)

    with emulation(tmp_path / "home", settings=settings):
        made = map_task(flyte_tasks.doubled)(file=[FlyteFile(str(file)) for file in files])
        texts = [Path(one.download()).read_text() for one in made]

    assert texts == ["oneone", "twotwo"]
    assert {one.remote_source.split("/")[2] for one in made} == {BUCKET}
    assert len(mounts) == 2
    assert not [one for one in mounts if str(tmp_path) in one]
