"""Which of the jobs that wait starts next, where numbers are used again and older jobs come later."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from batch_shell import SETTINGS, Shell, new_shell

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

WHOLE = {"containerOverrides": {"vcpus": 4}}


def until_there_is(path: Path) -> str:
    return f"until [ -e {path} ]; do sleep 0.02; done"


def test_a_job_may_have_the_number_of_one_that_is_gone(
    home: Path, service: LocalBatch, shell: Shell, tmp_path: Path
) -> None:
    running = shell.submit(until_there_is(tmp_path / "go"), **WHOLE)
    shell.running(running)
    head, cancelled = shell.submit("true", **WHOLE), shell.submit("true", **WHOLE)
    service.call("TerminateJob", {"jobId": cancelled, "reason": "not needed"})
    shell.ended(cancelled)
    service._engine.write_behind.write_behind_now()
    with closing(LocalBatch(home, SETTINGS)) as other:
        other.forget([cancelled])
    latest = shell.submit("true", **WHOLE)

    (tmp_path / "go").touch()

    assert [shell.ended(job_id)["status"] for job_id in (running, head, latest)] == ["SUCCEEDED"] * 3


def test_an_older_job_that_fits_does_not_wait_for_the_head_of_its_queue(home: Path, tmp_path: Path) -> None:
    waits = until_there_is(tmp_path / "go")
    before = LocalBatch(home, SETTINGS)
    before.start()
    older = new_shell(before).submit(waits)
    Shell(before).running(older)
    assert before.suspend() == [older]

    with LocalBatch(home, SETTINGS) as service:
        shell = Shell(service)
        shell.running(shell.submit(waits, containerOverrides={"vcpus": 3}))
        shell.submit(waits, **WHOLE)
        assert service.adopt([older]) == [older]
        shell.running(older)
        (tmp_path / "go").touch()
