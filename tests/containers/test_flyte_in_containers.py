"""Flyte's tasks in containers: files, code, errors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flyte_tasks
import pytest
from container_engines import PYTHON, TestEngine
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import emulation


@pytest.fixture
def in_containers(container_engine: TestEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("FLYTE_INTERNAL_IMAGE", PYTHON)
    container = {"engine": container_engine.url, "network": "none", "ulimits": {"nofile": 1024, "nproc": 1000}}
    settings = {"emulator": {"isolation": "container", "container": container, "vcpus": 4, "memory": 8000}}
    with emulation(tmp_path / "home", settings=settings) as emulated:
        yield emulated


def test_files_code_and_values_go_in_and_come_out(in_containers: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1234567")

    found = flyte_tasks.whole(words=["one", "three"], file=FlyteFile(str(tmp_path / "file")))

    assert found == str(3**2 + 5**2 + 7**2)


def test_a_job_is_in_its_image_and_sees_nothing_of_the_caller(
    in_containers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER_SECRET", "told to nobody")

    folder, host, secret, code = flyte_tasks.where()

    assert (folder, secret) == ("/root", "None")
    assert host != socket.gethostname()
    assert code == "root"


def test_an_error_comes_back_with_its_log(in_containers: Any) -> None:
    with pytest.raises(Exception, match="from inside the container"):
        flyte_tasks.fails()
