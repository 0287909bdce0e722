"""The pytest plugin as a test file of a user's meets it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import batch_tasks
import pytest
from inner_sessions import pytest_command

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.testing import Emulation

QUEUES = {
    "queues": {
        "executionQueues": [{"dynamic": "marked", "attributes": ["default"]}],
        "workflowConfigs": [{"tags": ["default"]}],
    },
    "emulator": {"role": "arn:aws:iam::000000000000:role/local"},
}


def queues(emulation: Emulation) -> list[str]:
    return [queue["jobQueueName"] for queue in emulation.batch.describe_job_queues()["jobQueues"]]


@pytest.mark.awsbatch(settings=QUEUES)
def test_the_marker_gives_one_test_settings(awsbatch: Emulation) -> None:
    assert queues(awsbatch) == ["marked"]


def test_without_the_marker_the_built_in_settings_hold(awsbatch: Emulation) -> None:
    assert queues(awsbatch) == ["default"]


def test_the_factory_opens_an_emulation_with_settings_files(
    awsbatch_factory: Callable[..., AbstractContextManager[Emulation]], tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("emulator: {isolation: process}")
    with awsbatch_factory(files=[file]) as first, awsbatch_factory() as second:
        assert first.home != second.home
        assert queues(first) == queues(second) == ["default"]


def test_settings_and_files_at_once_are_refused(
    awsbatch_factory: Callable[..., AbstractContextManager[Emulation]], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="settings or files"), awsbatch_factory(settings={}, files=[tmp_path]):
        pass


def test_logs_are_those_of_each_child(awsbatch: Emulation) -> None:
    map_task(batch_tasks.greet)(name=["Ada", "Grace"])
    (job,) = awsbatch.jobs
    assert ["greeting Ada" in log for log in awsbatch.logs(job)] == [True, False]


FAILS = """
from flytekit import task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig


@task(task_config=AWSBatchConfig(), retries=1)
def invert(n: int) -> float:
    return 1 / n


@workflow
def flow(n: int) -> float:
    return invert(n=n)


def test_of_a_workflow(awsbatch):
    flow(n=0)


@task(task_config=AWSBatchConfig(), retries=1)
def add(a: float, b: float) -> float:
    return a + b


@workflow
def side_by_side(n: int) -> float:
    return add(a=invert(n=n), b=invert(n=1))


def test_of_nodes_beside_each_other(awsbatch):
    side_by_side(n=0)
"""


def test_a_failed_task_is_shown_without_the_source_of_flytekit(tmp_path: Path) -> None:
    (tmp_path / "test_fails.py").write_text(FAILS)
    commands = (pytest_command(tmp_path, *options) for options in ([], ["--full-trace"]))
    shown, whole = (
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
        for command in commands
    )
    assert "ZeroDivisionError: division by zero" in shown
    lines = [line for line in shown.splitlines() if line.startswith(">")]
    assert lines == [
        ">       flow(n=0)",
        ">       return invert(n=n)",
        ">       side_by_side(n=0)",
        ">       return add(a=invert(n=n), b=invert(n=1))",
    ]
    assert "concurrent_nodes" not in shown
    assert "flyte_entity_call_handler" not in shown
    assert "flyte_entity_call_handler" in whole
