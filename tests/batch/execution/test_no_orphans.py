"""Nothing that a job started outlives its attempt, nor the service, however that ends: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import batch_shell
import pytest
from batch_shell import SETTINGS, Shell, alive, eventually, new_shell

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

pytestmark = pytest.mark.usefixtures("signals_of_a_terminal")

# In a session of its own, with a parent that has gone: as far away from the job as a process gets.
DAEMON = (
    "python3 -c 'import os, time\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    'open("{pids}", "a").write(str(os.getpid()) + chr(10))\n'
    "time.sleep(300)'"
)


def pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.mark.parametrize("ending", ["", "sleep 300"], ids=["when it exits", "when it is terminated"])
def test_what_an_attempt_leaves_behind_is_gone_with_it(
    shell: Shell, service: LocalBatch, tmp_path: Path, ending: str
) -> None:
    seen = tmp_path / "pids"
    until_both = f"while [ $(wc -l < {seen}) -lt 2 ]; do sleep 0.02; done"
    script = f"sleep 300 & echo $! >> {seen}; {DAEMON.format(pids=seen)}; {until_both}; {ending}"
    job_id = shell.submit(script)
    eventually(lambda: len(pids(seen)) == 2)
    if ending:
        service.terminate_job(jobId=job_id, reason="end")

    shell.ended(job_id)

    assert [pid for pid in pids(seen) if alive(pid)] == []


def test_closing_the_service_leaves_nothing(home: Path, tmp_path: Path) -> None:
    seen = tmp_path / "pids"
    with LocalBatch(home) as service:
        new_shell(service).submit(f"{DAEMON.format(pids=seen)}; echo $$ >> {seen}; sleep 300")
        eventually(lambda: len(pids(seen)) == 2)

    assert [pid for pid in pids(seen) if alive(pid)] == []


HOST = """
    import sys, time, threading
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from batch_shell import new_shell, SETTINGS
    from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

    service = LocalBatch(Path({home!r}), SETTINGS)
    service.start()
    shell = new_shell(service)
    print(shell.submit({script!r}, size=3), flush=True)
    time.sleep(300)
"""


def host(home: Path, script: str, **options: object) -> subprocess.Popen[str]:
    """A process that runs a service which runs three children of an array."""
    source = textwrap.dedent(HOST).format(tests=str(Path(batch_shell.__file__).parent), home=str(home), script=script)
    return subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_end_of_the_services_process_is_the_end_of_all_it_started(home: Path, tmp_path: Path, number: int) -> None:
    seen = tmp_path / "pids"
    process = host(home, f"{DAEMON.format(pids=seen)}; echo $$ >> {seen}; sleep 300")
    try:
        eventually(lambda: len(pids(seen)) == 6)
        process.send_signal(number)
        process.wait(60)
    finally:
        process.kill()

    eventually(lambda: not any(map(alive, pids(seen))), "something survived")


def test_a_fork_of_the_services_process_does_not_keep_its_jobs_alive(home: Path, tmp_path: Path) -> None:
    seen, forked = tmp_path / "pids", tmp_path / "forked"
    source = textwrap.dedent(HOST).format(
        tests=str(Path(batch_shell.__file__).parent), home=str(home), script=f"echo $$ >> {seen}; sleep 300"
    )
    source = source.replace(
        "time.sleep(300)",
        f"seen = Path({str(seen)!r})\n"
        "while not seen.exists() or len(seen.read_text().split()) < 3: time.sleep(0.01)\n"
        f"import os\npid = os.fork()\nif pid: Path({str(forked)!r}).write_text(str(pid))\ntime.sleep(300)",
    )
    process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.DEVNULL)
    eventually(lambda: forked.exists() and forked.read_text() != "")

    process.kill()
    process.wait()

    eventually(lambda: not any(map(alive, pids(seen))), "a job survived")
    os.kill(int(forked.read_text()), signal.SIGKILL)


def test_the_death_of_the_supervisor_ends_its_jobs_and_the_service_goes_on(
    shell: Shell, service: LocalBatch, tmp_path: Path
) -> None:
    seen = tmp_path / "pids"
    job_id = shell.submit(f"echo $PPID > {seen}.parent; sleep 300 & echo $! >> {seen}; echo $$ >> {seen}; wait")
    eventually(lambda: len(pids(seen)) == 2)

    os.kill(int(Path(f"{seen}.parent").read_text()), signal.SIGKILL)
    job = shell.ended(job_id)

    assert job["statusReason"].startswith("Host EC2 (instance ")
    eventually(lambda: not any(map(alive, pids(seen))), "a process survived")
    assert shell.ended(shell.submit("true"))["status"] == "SUCCEEDED"


def test_an_end_that_was_written_down_and_not_told_counts(
    home: Path, shell: Shell, service: LocalBatch, tmp_path: Path
) -> None:
    """As when the supervisor is killed between the two."""
    seen = tmp_path / "parent"
    job_id = shell.submit(f"echo $PPID > {seen}; sleep 300")
    eventually(lambda: len(pids(seen)) == 1)
    task = service.log_streams(job_id)[0].name.rpartition("/")[2]
    (journal,) = home.glob("instances/*/journal")
    with journal.open("a") as file:
        file.write(f"{job_id}#1#{task}\t0\t0\t{time.time():.3f}\t0\t0.0\n")

    os.kill(pids(seen)[0], signal.SIGKILL)

    assert shell.ended(job_id)["status"] == "SUCCEEDED"


def test_attempts_go_to_a_new_supervisor_at_once(shell: Shell, tmp_path: Path) -> None:
    """None is refused because the old one was killed and nobody has heard of that yet."""
    seen = tmp_path / "parent"
    first = shell.submit(f"echo $PPID > {seen}; sleep 300")
    eventually(lambda: len(pids(seen)) == 1)

    os.kill(pids(seen)[0], signal.SIGKILL)
    ended = [shell.ended(job_id) for job_id in [shell.submit("true") for _ in range(20)]]

    assert shell.ended(first)["statusReason"].startswith("Host EC2")
    assert [job.get("statusReason") for job in ended if "failed to start" in job.get("statusReason", "")] == []


def test_a_job_that_ignores_everything_ends_with_the_service_in_time(home: Path, tmp_path: Path) -> None:
    seen = tmp_path / "pids"
    service = LocalBatch(home, replace(SETTINGS, kill_grace=0.2))
    service.start()
    new_shell(service).submit(f"trap '' TERM INT HUP; echo $$ > {seen}; while true; do sleep 1; done")
    eventually(lambda: len(pids(seen)) == 1)
    began = time.monotonic()

    service.close()

    assert not alive(pids(seen)[0])
    assert time.monotonic() - began < 20
