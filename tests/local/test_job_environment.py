"""What the record of a node says of the launch of its jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from flytekitplugins.awsbatch.batch.emulator.job_model import JobSpec
from flytekitplugins.awsbatch.local.deployment.job_environment import LocalLaunch


def test_the_record_is_of_the_launch_that_jobs_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread of the caller may change the folder and the import path while the jobs run."""
    began, later, code = (tmp_path / name for name in ("began", "later", "code"))
    for folder in (began, later, code):
        folder.mkdir()
    monkeypatch.chdir(began)
    launch = LocalLaunch()
    recorded = launch.add_code("task", str(code), {}, "an-image")

    monkeypatch.chdir(later)
    monkeypatch.syspath_prepend(str(later))

    given = launch(JobSpec("", "", "", ("true",), {"FLYTE_INTERNAL_TASK_NAME": "task"}, vcpus=1, memory=64))
    assert (recorded["folder"], recorded["python_path"]) == (str(given.cwd), list(given.python_path))
    assert (given.environment["_F_IMG_ID"], recorded["image"]) == ("an-image", "an-image")
    assert (given.cwd, given.python_path[0]) == (began, str(code))
