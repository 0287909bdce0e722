"""State that survives: restarts, kill -9 at any moment, two services on one home, homes that cannot be used."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import batch_shell
import pytest
from batch_shell import SETTINGS, Shell, eventually, new_shell

from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.settings import BatchSettings
from flytekitplugins.awsbatch.batch.emulator.store.database import UnusableHomeError

# A service that submits one array (over and over the same, by its name) and waits until it is killed.
HOST = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from batch_shell import new_shell, SETTINGS
    from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

    service = LocalBatch(Path({home!r}), SETTINGS)
    service.start()
    shell = new_shell(service)
    print(shell.submit({script!r}, size={size}), flush=True)
    time.sleep(300)
"""


def host(home: Path, script: str, size: int) -> tuple[subprocess.Popen[str], str]:
    """A process with a service of its own, and the id of the array that it submitted."""
    source = textwrap.dedent(HOST).format(
        tests=str(Path(batch_shell.__file__).parent), home=str(home), script=script, size=size
    )
    process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_a_restart_reads_everything_back(home: Path) -> None:
    with LocalBatch(home, SETTINGS) as service:
        shell = new_shell(service)
        job_ids = [
            shell.submit("echo hello; exit 3", retryStrategy={"attempts": 2}, tags={"a": "b"}),
            shell.submit("exit $((AWS_BATCH_JOB_ARRAY_INDEX == 1))", size=3),
        ]
        for job_id in job_ids:
            shell.ended(job_id)
        asked = {"jobs": [*job_ids, f"{job_ids[1]}:1"]}
        described = service.call("DescribeJobs", asked)
        listed = service.list_jobs(jobQueue="queue", jobStatus="FAILED")
        catalog = service.describe_job_queues(), service.describe_compute_environments()
        log = service.log_tail(job_ids[0])

    with LocalBatch(home, SETTINGS) as service:
        assert service.call("DescribeJobs", asked) == described
        assert service.list_jobs(jobQueue="queue", jobStatus="FAILED") == listed
        assert (service.describe_job_queues(), service.describe_compute_environments()) == catalog
        assert service.log_tail(job_ids[0]) == log == "hello"


def test_attempts_that_follow_each_other_at_once_are_all_kept(home: Path) -> None:
    with LocalBatch(home, SETTINGS) as service:
        job_id = new_shell(service).submit("exit 1", size=20, retryStrategy={"attempts": 10})
        children = {"jobs": [f"{job_id}:{index}" for index in range(20)]}
        Shell(service).ended(job_id)
        described = service.call("DescribeJobs", children)
    assert [len(job["attempts"]) for job in described["jobs"]] == [10] * 20

    with LocalBatch(home, SETTINGS) as service:
        assert service.call("DescribeJobs", children) == described


def test_the_local_environment_has_the_size_that_the_settings_say_now(home: Path) -> None:
    def size(service: LocalBatch) -> int:
        asked = service.describe_compute_environments(computeEnvironments=["local"])
        (environment,) = asked["computeEnvironments"]
        return int(environment["computeResources"]["maxvCpus"])

    with LocalBatch(home, BatchSettings(vcpus=2)) as service:
        service.ensure_queue("queue")
        assert size(service) == 2
    with LocalBatch(home, BatchSettings(vcpus=6)) as service:
        service.ensure_queue("queue")
        assert size(service) == 6
        service.call("UpdateComputeEnvironment", {"computeEnvironment": "local", "computeResources": {"maxvCpus": 3}})
        service.ensure_queue("another")
        assert size(service) == 3
        own = {"type": "EC2", "minvCpus": 0, "maxvCpus": 1, "subnets": []}
        service.create_compute_environment(computeEnvironmentName="own", type="MANAGED", computeResources=own)
    with LocalBatch(home, BatchSettings(vcpus=6)) as service:
        service.ensure_queue("queue")
        sizes = {
            one["computeEnvironmentName"]: one["computeResources"]["maxvCpus"]
            for one in service.describe_compute_environments()["computeEnvironments"]
        }
        with LocalBatch(home, BatchSettings(vcpus=0)) as beside:
            beside.ensure_queue("queue")
            assert (size(service), size(beside)) == (6, 6)
    assert sizes == {"local": 6, "own": 1}
    with LocalBatch(home, BatchSettings(vcpus=0)) as service:
        service.ensure_queue("queue")
        assert size(service) == BatchSettings().machine_vcpus


def test_revisions_go_on_after_a_restart(home: Path) -> None:
    for revision in (1, 2):
        with LocalBatch(home, SETTINGS) as service:
            assert new_shell(service).define("again").endswith(f"again:{revision}")


def test_a_service_that_only_reads_needs_no_start(home: Path) -> None:
    with LocalBatch(home, SETTINGS) as service:
        shell = new_shell(service)
        job_id = shell.submit("echo hello")
        shell.ended(job_id)

    reader = LocalBatch(home, SETTINGS)

    assert (Shell(reader).describe(job_id)["status"], reader.log_tail(job_id)) == ("SUCCEEDED", "hello")
    reader.close()


def test_after_kill_9_the_next_service_goes_on_and_runs_no_child_twice_that_had_ended(
    home: Path, tmp_path: Path
) -> None:
    ran, go = tmp_path / "ran", tmp_path / "go"
    late = f"[ $AWS_BATCH_JOB_ARRAY_INDEX -lt 3 ] || while [ ! -e {go} ]; do sleep 0.05; done"
    script = f"{late}; echo $AWS_BATCH_JOB_ARRAY_INDEX >> {ran}"
    process, array = host(home, script, size=6)
    eventually(lambda: ran.exists() and len(ran.read_text().split()) == 3)
    kill(process)

    with LocalBatch(home, SETTINGS) as service:
        assert service.adopt([array]) == [array]
        # From now on, nothing of the service before is left that could see it.
        go.touch()
        job = Shell(service).ended(array)

    assert job["status"] == "SUCCEEDED"
    assert sorted(ran.read_text().split()) == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_any_moment_costs_no_ended_child_and_no_attempt(home: Path, tmp_path: Path, seed: int) -> None:
    ended = tmp_path / "ended"
    # What a child writes with its last act is what it had done; a killed one did not come to it, or to its exit.
    script = f"sleep 0.01; echo $AWS_BATCH_JOB_ARRAY_INDEX >> {ended}"
    process, array = host(home, script, size=60)
    time.sleep(random.Random(seed).uniform(0.0, 0.5))
    kill(process)

    with LocalBatch(home, SETTINGS) as service:
        service.adopt([array])
        job = Shell(service).ended(array)
        children = [
            child
            for start in (0, 50)
            for child in service.describe_jobs(jobs=[f"{array}:{i}" for i in range(start, min(start + 50, 60))])["jobs"]
        ]

    assert job["status"] == "SUCCEEDED"
    assert {len(child["attempts"]) for child in children} == {1}
    counted = ended.read_text().split()
    assert set(counted) == {str(index) for index in range(60)}
    # Only what was running when the service was killed can have begun to write twice.
    assert len(counted) <= 60 + SETTINGS.vcpus


def test_jobs_of_a_living_service_are_nobody_elses(home: Path) -> None:
    with LocalBatch(home, SETTINGS) as first, LocalBatch(home, SETTINGS) as second:
        shell = new_shell(first)
        job_id = shell.submit("sleep 0.3")

        assert second.adopt(timeout=0) == []
        # But it can be read once it is written down.
        eventually(lambda: Shell(second).describe(job_id)["status"] == "SUCCEEDED")


def test_two_services_on_one_home_number_definitions_together(home: Path) -> None:
    with LocalBatch(home, SETTINGS) as first, LocalBatch(home, SETTINGS) as second:
        arns = [new_shell(service).define("shared") for service in (first, second, first)]

    assert [arn.rpartition(":")[2] for arn in arns] == ["1", "2", "3"]


def test_closing_without_terminating_leaves_the_job_to_be_gone_on_with(home: Path) -> None:
    service = LocalBatch(home, SETTINGS)
    service.start()
    job_id = new_shell(service).submit("[ -e $HOME/never ] || sleep 0.2; exit 0")

    assert service.close(terminate=False) == [job_id]

    with LocalBatch(home, SETTINGS) as service:
        assert service.adopt() == [job_id]
        assert Shell(service).ended(job_id)["status"] == "SUCCEEDED"


def test_closing_ends_what_was_not_finished(home: Path) -> None:
    with LocalBatch(home, SETTINGS) as service:
        shell = new_shell(service)
        job_ids = [shell.submit("sleep 60"), shell.submit("sleep 60", size=9)]

    reader = LocalBatch(home, SETTINGS)
    jobs = reader.describe_jobs(jobs=job_ids)["jobs"]
    reader.close()

    assert [(job["status"], job["statusReason"]) for job in jobs] == [("FAILED", "the service was closed")] * 2


def test_a_job_asked_to_stop_when_the_service_dies_has_stopped(home: Path, tmp_path: Path) -> None:
    process, array = host(home, f"trap '' TERM; echo $$ >> {tmp_path}/pids; while true; do sleep 0.1; done", size=2)
    connection = sqlite3.connect(home / "batch.sqlite3")
    running = "SELECT count(*) FROM children WHERE status = 'RUNNING'"
    eventually(lambda: connection.execute(running).fetchone()[0] == 2)
    kill(process)
    # As if the request had just been written down.
    connection.execute("UPDATE children SET stop = 'terminate', reason = 'enough', status = 'RUNNING'")
    connection.commit()
    connection.close()

    with LocalBatch(home, SETTINGS) as service:
        service.adopt([array])
        job = Shell(service).describe(f"{array}:0")

    assert (job["status"], job["statusReason"]) == ("FAILED", "enough")


def test_that_a_single_job_was_asked_to_stop_is_written_down_while_it_runs(home: Path) -> None:
    with LocalBatch(home, SETTINGS) as service, contextlib.closing(sqlite3.connect(home / "batch.sqlite3")) as rows:
        shell = new_shell(service)
        job_id = shell.submit("trap '' TERM; while true; do sleep 0.1; done")
        shell.until(job_id, lambda job: job["status"] == "RUNNING")
        service.terminate_job(jobId=job_id, reason="enough")
        eventually(lambda: rows.execute("SELECT stop, reason FROM jobs").fetchone() == ("terminate", "enough"))
        assert shell.describe(job_id)["status"] == "RUNNING"


@pytest.mark.parametrize("size", [None, 2])
def test_that_the_time_of_an_attempt_is_up_is_written_down_while_it_runs(home: Path, size: int | None) -> None:
    flag, settings = home.parent / "flag", replace(SETTINGS, kill_grace=12_000)
    table = "jobs" if size is None else "children"
    stopped = f"SELECT DISTINCT stop, status FROM {table}"
    with (
        LocalBatch(home, settings, clock=Clock(speed=100)) as service,
        contextlib.closing(sqlite3.connect(home / "batch.sqlite3")) as rows,
    ):
        shell = new_shell(service)
        script = f"trap '' TERM; while ! test -e {flag}; do sleep 0.1; done"
        job_id = shell.submit(script, size=size, timeout={"attemptDurationSeconds": 60})
        eventually(lambda: rows.execute(stopped).fetchall() == [("timeout", "RUNNING")])
        flag.touch()
        assert shell.ended(job_id)["status"] == "FAILED"


def test_nothing_of_a_dead_service_is_left_when_its_jobs_are_done(home: Path) -> None:
    process, array = host(home, "sleep 0.05", size=20)
    kill(process)

    with LocalBatch(home, SETTINGS) as service:
        service.adopt([array])
        Shell(service).ended(array)

    assert list((home / "instances").iterdir()) == []


def test_jobs_older_than_the_retention_are_forgotten_with_their_logs(home: Path) -> None:
    with LocalBatch(home, SETTINGS) as service:
        shell = new_shell(service)
        job_id = shell.submit("echo hello", size=2)
        shell.ended(job_id)
        log = service.log_streams(job_id, 0)[0].path
    connection = sqlite3.connect(home / "batch.sqlite3")
    connection.execute("UPDATE jobs SET stopped = stopped - 8 * 86400000")
    connection.commit()

    with LocalBatch(home, SETTINGS) as service:
        assert service.describe_jobs(jobs=[job_id])["jobs"] == []
        assert not log.exists()

    counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("children", "attempts")]
    connection.close()
    assert counts == [0, 0]


def test_a_home_of_another_version_is_refused_with_words(home: Path) -> None:
    LocalBatch(home, SETTINGS).close()
    connection = sqlite3.connect(home / "batch.sqlite3")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(UnusableHomeError, match="another version"):
        LocalBatch(home, SETTINGS)


def test_a_file_that_is_no_database_is_refused_with_words(home: Path) -> None:
    home.mkdir()
    (home / "batch.sqlite3").write_bytes(b"something else entirely" * 100)

    with pytest.raises(UnusableHomeError, match=r"cannot be used .*\(FLYTE_AWSBATCH_HOME\)"):
        LocalBatch(home, SETTINGS)


def test_what_the_service_keeps_is_its_users_own(service: LocalBatch, home: Path) -> None:
    shell = new_shell(service)
    job_id = shell.submit("true")
    shell.ended(job_id)

    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in home.rglob("*") if not path.name.startswith(".")}

    assert {path.name: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_state_in_memory_leaves_nothing_behind() -> None:
    with LocalBatch(None, SETTINGS) as service:
        shell = new_shell(service)
        job_id = shell.submit("echo hello")
        assert shell.ended(job_id)["status"] == "SUCCEEDED"
        assert service.log_tail(job_id) == "hello"
        home = service.home

    assert not home.exists()


def test_a_ten_thousand_child_array_is_submitted_in_one_transaction(home: Path) -> None:
    with LocalBatch(home, SETTINGS) as service:
        shell = new_shell(service)
        job_id = shell.submit("sleep 60", size=10_000)
        connection = sqlite3.connect(home / "batch.sqlite3")
        written = connection.execute("SELECT count(*) FROM children").fetchone()[0]
        connection.close()
        service.terminate_job(jobId=job_id, reason="seen")

    assert written == 10_000


def test_the_supervisor_may_outlive_the_service_for_a_moment_but_its_lock_tells(home: Path, tmp_path: Path) -> None:
    process, array = host(home, f"echo $PPID > {tmp_path}/supervisor; sleep 300", size=2)
    eventually(lambda: (tmp_path / "supervisor").exists() and (tmp_path / "supervisor").read_text() != "")
    supervisor = int((tmp_path / "supervisor").read_text())
    os.kill(supervisor, signal.SIGSTOP)
    kill(process)
    try:
        with LocalBatch(home, SETTINGS) as service:
            assert service.adopt([array], timeout=0.1) == []
            os.kill(supervisor, signal.SIGCONT)
            assert service.adopt([array]) == [array]
    finally:
        if Path(f"/proc/{supervisor}").exists():
            os.kill(supervisor, signal.SIGCONT)
