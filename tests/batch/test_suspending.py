"""A suspended service: its jobs are asked to end, nothing of them is lost, and another service goes on with them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from batch_shell import SETTINGS, eventually, new_shell

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch


def runs(path: Path) -> list[str]:
    return sorted(path.read_text().split()) if path.exists() else []


def test_what_was_interrupted_starts_again_and_what_had_ended_does_not(home: Path, tmp_path: Path) -> None:
    seen, gate = tmp_path / "seen", tmp_path / "gate"
    script = (
        f"echo $AWS_BATCH_JOB_ARRAY_INDEX >> {seen}; [ $AWS_BATCH_JOB_ARRAY_INDEX = 0 ] || [ -e {gate} ] || sleep 60"
    )
    first = LocalBatch(home, SETTINGS)
    first.start()
    shell = new_shell(first)
    job_id = shell.submit(script, size=3)
    shell.until(f"{job_id}:0", lambda job: job["status"] == "SUCCEEDED")
    eventually(lambda: runs(seen) == ["0", "1", "2"])

    assert first.suspend() == [job_id]
    gate.touch()
    with LocalBatch(home, SETTINGS) as second:
        assert second.adopt([job_id]) == [job_id]
        job = new_shell(second).ended(job_id)
        attempts = [len(new_shell(second).describe(f"{job_id}:{index}")["attempts"]) for index in range(3)]

    assert (job["status"], runs(seen), attempts) == ("SUCCEEDED", ["0", "1", "1", "2", "2"], [1, 1, 1])


def test_a_job_is_asked_and_may_end_well_in_its_grace(home: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    service = LocalBatch(home, SETTINGS)
    service.start()
    shell = new_shell(service)
    job_id = shell.submit(f"trap 'exit 0' TERM; touch {ready}; sleep 60 & wait")
    eventually(ready.exists)

    assert service.suspend() == []
    assert new_shell(LocalBatch(home)).describe(job_id)["status"] == "SUCCEEDED"


def test_a_job_that_does_not_listen_is_killed_when_the_grace_is_over(home: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    service = LocalBatch(home, replace(SETTINGS, kill_grace=0.2))
    service.start()
    job_id = new_shell(service).submit(f"trap '' TERM; echo $$ > {ready}; while true; do sleep 1; done")
    eventually(lambda: ready.exists() and ready.read_text() != "")

    assert service.suspend() == [job_id]
    assert not Path(f"/proc/{ready.read_text().strip()}").exists()


def test_a_service_that_dies_while_it_suspends_loses_nothing_either(home: Path, tmp_path: Path) -> None:
    """What failed because it was asked to is no failed attempt, also where only the journal tells of it."""
    seen = tmp_path / "seen"
    first = LocalBatch(home, SETTINGS)
    first.start()
    job_id = new_shell(first).submit(f"echo x >> {seen}; [ $(wc -l < {seen}) = 2 ] || sleep 60")
    eventually(lambda: runs(seen) == ["x"])
    instance = first._instance
    assert instance is not None
    first.suspend()
    instance.directory.mkdir()
    (instance.directory / "suspended").touch()
    stream = LocalBatch(home).log_streams(job_id)[0].name
    instance.journal.write_text(f"{job_id}#1#{stream.rpartition('/')[2]}\t143\t0\t{time.time() + 1}\t0\t0.0\n")

    with LocalBatch(home, SETTINGS) as second:
        assert second.adopt([job_id]) == [job_id]
        assert new_shell(second).ended(job_id)["status"] == "SUCCEEDED"
