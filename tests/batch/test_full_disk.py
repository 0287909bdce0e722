"""A home whose disk is full, or whose database fails for a moment: once there is room, jobs go on by themselves."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from batch_shell import SETTINGS, Shell, eventually, new_shell
from small_disk import fill, mounted

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.scheduling import engine, write_behind
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.store.database import UnusableHomeError
from flytekitplugins.awsbatch.batch.emulator.store.job_rows import JobRows
from flytekitplugins.awsbatch.batch.emulator.store.resources import Resources


class FailsFirst:
    """A method that fails so many times before it does what it did."""

    def __init__(self, method: Any, times: int) -> None:
        self.method = method
        self.left = times

    def __call__(self, *arguments: Any) -> Any:
        if self.left:
            self.left -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return self.method(*arguments)


@pytest.fixture(autouse=True)
def _short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "AFTER_ERROR", 0.02)


@pytest.mark.parametrize("times", [1, 3])
def test_queued_jobs_start_although_the_resources_could_not_be_read(
    shell: Shell, service: LocalBatch, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    array = shell.submit("true", size=10, dependsOn=[{"jobId": (first := shell.submit("sleep 0.1"))}])
    resources: Resources = service._context.resources
    fails = FailsFirst(resources.named, times)
    shell.running(first)
    monkeypatch.setattr(resources, "named", fails)

    # Nothing else happens that would wake the service.
    eventually(lambda: fails.left == 0, "the failure was met")
    assert shell.ended(array)["status"] == "SUCCEEDED"


def test_ends_of_jobs_are_written_as_soon_as_they_can_be(
    shell: Shell, service: LocalBatch, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: JobRows = service._rows
    fails = FailsFirst(rows.write_changes, 2)
    monkeypatch.setattr(rows, "write_changes", fails)
    job_id = shell.submit("true")
    shell.ended(job_id)

    def written() -> str:
        with sqlite3.connect(home / "batch.sqlite3") as connection:
            return str(connection.execute("SELECT status FROM jobs WHERE id = ?", (job_id,)).fetchone()[0])

    eventually(lambda: written() == "SUCCEEDED", "the end is written")
    assert fails.left == 0


def test_a_state_that_cannot_be_written_is_told_once_until_it_is(
    shell: Shell, service: LocalBatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(write_behind, "RETRY_AFTER", 0.02)
    for round_ in (1, 2):
        fails = FailsFirst(service._rows.write_changes, 5)
        monkeypatch.setattr(service._rows, "write_changes", fails)
        shell.ended(shell.submit("true"))
        eventually(lambda: fails.left == 0 and service._engine.write_behind.due is None, "it is written")  # noqa: B023

        assert sum("could not be written" in record.getMessage() for record in caplog.records) == round_


def test_a_home_on_a_full_disk_is_refused_in_one_error_that_says_so(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "1m") as disk:
        home = disk / "home"
        LocalBatch(home).close()
        fill(disk)
        with pytest.raises(UnusableHomeError, match=r"its disk is full .*\(FLYTE_AWSBATCH_HOME\)") as caught:
            LocalBatch(home)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_an_event_that_cannot_be_handled_loses_no_other(
    shell: Shell, service: LocalBatch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    array = shell.submit(f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done", size=4)
    for index in range(4):
        shell.running(f"{array}:{index}")
    later = shell.submit("true", size=10)
    fails = FailsFirst(service._engine.end_attempt, 1)
    monkeypatch.setattr(service._engine, "end_attempt", fails)
    (tmp_path / "go").touch()

    assert shell.ended(later)["status"] == "SUCCEEDED"
    ended = [shell.describe(f"{array}:{index}")["status"] for index in range(4)]
    assert sorted(ended) == ["RUNNING", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]


def test_on_a_disk_with_room_again_jobs_go_on_by_themselves(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "16m") as disk, LocalBatch(disk / "home", SETTINGS) as service:
        shell = new_shell(service)
        running = shell.submit(f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done")
        shell.running(running)
        waiting = shell.submit("true", size=10, dependsOn=[{"jobId": running}])
        filler = fill(disk)
        refused = 0
        for _ in range(20):
            try:
                shell.submit("true", size=1000)
            except BatchError as error:
                assert (error.status, error.transient) == (500, True)
                refused += 1
        (tmp_path / "go").touch()
        assert refused > 0
        shell.ended(running)
        filler.unlink()

        assert shell.ended(waiting)["status"] in ("SUCCEEDED", "FAILED")
        fresh = shell.submit("true", size=10)
        assert shell.ended(fresh)["status"] == "SUCCEEDED"


def test_a_service_that_starts_on_a_home_whose_disk_was_full_runs_its_jobs(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "16m") as disk:
        with LocalBatch(disk / "home", SETTINGS) as service:
            new_shell(service)
            filler = fill(disk)
        filler.unlink()
        with LocalBatch(disk / "home", SETTINGS) as service:
            shell = new_shell(service)
            assert shell.ended(shell.submit("true", size=10))["status"] == "SUCCEEDED"
