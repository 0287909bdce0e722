"""What an attempt took of the machine is measured and kept, with every way of running it."""

import sys
import time
from pathlib import Path

import pytest
from warm_harness import runner

from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import Exited
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.settings import BatchSettings

MIB = 2**20
HUNGRY = """
import os, time
kept = bytearray(os.urandom(1 << 20) * 60)
until = time.process_time() + 0.3
while time.process_time() < until:
    pass
"""


def run(batch: LocalBatch, command: list[str], **more: object) -> str:
    queue = batch.ensure_queue("default")
    properties = {"image": "i", "command": command, "vcpus": 1, "memory": 500}
    batch.register_job_definition(jobDefinitionName="d", type="container", containerProperties=properties)
    job_id = batch.submit_job(jobName="j", jobQueue=queue, jobDefinition="d", **more)["jobId"]
    until = time.monotonic() + 60
    while batch.describe_jobs(jobs=[job_id])["jobs"][0]["status"] not in {"SUCCEEDED", "FAILED"}:
        assert time.monotonic() < until
        time.sleep(0.02)
    return job_id


def test_the_peak_memory_and_the_computing_time_of_an_attempt_are_kept(tmp_path: Path) -> None:
    with LocalBatch(tmp_path, BatchSettings()) as batch:
        job_id = run(batch, [sys.executable, "-c", HUNGRY])
    reader = LocalBatch(tmp_path)
    (attempt,) = reader.attempts(job_id)
    reader.close()
    assert 60 * MIB <= (attempt.peak_memory or 0) < 200 * MIB
    assert 0.3 <= (attempt.cpu_seconds or 0) < 5


def test_every_child_and_every_attempt_has_its_own(tmp_path: Path) -> None:
    code = "import os, sys; b = b'x' * (int(os.environ['AWS_BATCH_JOB_ARRAY_INDEX']) * 40 << 20); sys.exit(1)"
    with LocalBatch(tmp_path, BatchSettings()) as batch:
        job_id = run(
            batch,
            [sys.executable, "-c", code],
            arrayProperties={"size": 2},
            retryStrategy={"attempts": 2},
        )
        small, large = batch.attempts(job_id, 0), batch.attempts(job_id, 1)
    assert [len(small), len(large)] == [2, 2]
    assert all((one.peak_memory or 0) > 40 * MIB for one in large)
    assert all((one.peak_memory or 0) < 40 * MIB for one in small)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Elsewhere only the largest process is known.")
def test_processes_that_hold_memory_side_by_side_count_together(tmp_path: Path) -> None:
    code = f"""
import subprocess, sys
hold = "import time; kept = bytearray(b'x' * (60 * {MIB})); time.sleep(1)"
for each in [subprocess.Popen([sys.executable, "-c", hold]) for _ in range(3)]:
    each.wait()
"""
    with LocalBatch(tmp_path, BatchSettings()) as batch:
        job_id = run(batch, [sys.executable, "-c", code])
        (attempt,) = batch.attempts(job_id)
    assert (attempt.peak_memory or 0) >= 180 * MIB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Elsewhere everything is a process.")
@pytest.mark.parametrize("isolation", ["process", "fork", "worker"])
def test_an_attempt_is_charged_for_what_it_took_itself(tmp_path: Path, isolation: str) -> None:
    with runner(tmp_path / "run", warm=isolation != "process", isolation=isolation) as made:
        before, hungry, after = (made.run(made.process(name)).event for name in ("zero", "hold", "zero"))
    for event in (before, hungry, after):
        assert isinstance(event, Exited)
    assert hungry.peak_memory - before.peak_memory > 70 * MIB
    assert hungry.peak_memory - after.peak_memory > 70 * MIB
    assert hungry.cpu_seconds >= 0.25 > max(before.cpu_seconds, after.cpu_seconds)
