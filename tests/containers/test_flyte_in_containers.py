"""Flyte's tasks in containers: files, code, errors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
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
    with emulation(tmp_path / "home", settings={"emulator": container_engine.emulator()}) as emulated:
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


def test_a_run_sends_its_code_and_files_to_a_service_that_runs_containers(
    container_engine: TestEngine, tmp_path: Path
) -> None:
    settings = {"emulator": container_engine.emulator()}
    (tmp_path / "settings.yaml").write_text(json.dumps(settings))
    (tmp_path / "file").write_text("1234567")
    command = [sys.executable, "-m", "flytekitplugins.awsbatch.cli.main", "serve", "--port", "0"]
    environment = {
        **os.environ,
        "FLYTE_AWSBATCH_HOME": str(tmp_path / "home"),
        "FLYTE_AWSBATCH_CONFIG": str(tmp_path / "settings.yaml"),
    }
    service = subprocess.Popen(
        [*command, "--isolation", "container"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert service.stdout is not None
        url = next(word for word in service.stdout.readline().split() if word.startswith("http://"))
        run = [sys.executable, "-m", "flytekit.clis.sdk_in_container.pyflyte", "run", "--image", PYTHON]
        inputs = ["--words", '["one", "three"]', "--file", str(tmp_path / "file")]
        done = subprocess.run(
            [*run, flyte_tasks.__file__, "sizes", *inputs],
            env={**environment, "FLYTE_AWSBATCH": url},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        service.terminate()
        service.wait()
    assert "[3, 5, 7]" in done.stdout, done.stderr
    assert container_engine.client().containers(all=True) == []
