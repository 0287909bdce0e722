"""Callers that end before their jobs: killed, interrupted, detached; and the commands for what they left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aws_tasks as tasks
import pytest
import yaml
from aws_account import SETTINGS, Served, calling, merged
from aws_proxy import Proxy
from terminals import BIN, awsbatch, eventually, execution_of, starts

from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.history.run_reader import RunReader
from flytekitplugins.awsbatch.local.history.run_view import RUNS, SUCCESS
from flytekitplugins.awsbatch.local.home import Home

# Most of it is starting interpreters, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(900)

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(account: Proxy, home: Path, tmp_path: Path, signals_of_a_terminal: None) -> Any:
    """Starts a command with the account in its environment; `settings` are the emulator's."""
    running: list[subprocess.Popen[str]] = []

    def begin(argv: list[str], *, resume: str = "", **emulator: Any) -> subprocess.Popen[str]:
        file = tmp_path / "awsbatch.yaml"
        file.write_text(yaml.safe_dump(merged(SETTINGS, {"emulator": emulator})))
        environment = {
            **os.environ,
            "FLYTE_AWSBATCH": "aws",
            "FLYTE_AWSBATCH_CONFIG": str(file),
            "FLYTE_AWSBATCH_HOME": str(home),
            "FLYTE_AWSBATCH_RESUME": resume,
        }
        running.append(
            subprocess.Popen(
                argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path
            )
        )
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=90)[0]


def gated(marks: Path, numbers: list[int]) -> list[str]:
    inputs = ["--n", json.dumps(numbers), "--folder", str(marks)]
    return [str(BIN / "pyflyte"), "run", tasks.__file__, "gated_map", *inputs]


def counts(home: Path) -> dict[str, int]:
    with RunReader(Home(home)) as reader:
        (node,) = reader.execution(newest(home).name).nodes
        assert [child.state for child in node.children].count(RUNS) == node.counts.get(RUNS, 0)
        return node.counts


def newest(home: Path) -> past_runs.RunInfo:
    return past_runs.past_run(Home(home))


def job_of(service: Served, home: Path) -> dict[str, Any]:
    job_id = newest(home).nodes[0].job_id
    return dict(service.batch.describe_jobs(jobs=[job_id])["jobs"][0])


def test_a_caller_that_is_killed_leaves_its_job_and_the_next_one_finds_it(
    start: Start, service: Served, home: Path, marks: Path
) -> None:
    before = len(service.jobs())
    process = start(gated(marks, [0, 1]))
    eventually(lambda: starts(marks) == {0: 1, 1: 1})
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    assert newest(home).status == "interrupted"
    assert job_of(service, home)["status"] == "PENDING"
    (marks / "gate").touch()
    again = ended(start(gated(marks, [0, 1]), resume=newest(home).name))
    assert "[0, 1]" in again
    assert starts(marks) == {0: 1, 1: 1}
    assert len(service.jobs()) == before + 1
    assert newest(home).status == "succeeded"


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [1, 2])
def test_a_job_that_was_submitted_and_never_written_down_is_found_by_its_name_although_it_is_listed_late(
    account: Proxy, service: Served, home: Path, marks: Path, start: Start, hidden: int
) -> None:
    process = start(gated(marks, [0, 1]))
    eventually(lambda: starts(marks) == {0: 1, 1: 1})
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    execution = newest(home)
    record = Home(home).run(execution.name) / "nodes" / f"{execution.nodes[0].node}.json"
    known = json.loads(record.read_text())
    record.write_text(json.dumps({**known, "snapshot": {}, "job_id": None, "job_name": ""}))
    listed: list[str] = []

    def rule(operation: str, request: dict[str, Any], key: str) -> Any:
        if operation == "listjobs":
            listed.append(operation)
            return {"jobSummaryList": []} if len(listed) <= hidden else None
        return None

    account.rule = rule
    (marks / "gate").touch()
    with calling(home, resume=execution.name) as caller:
        assert partial(tasks.gated_map, folder=str(marks))(n=[0, 1]) == [0, 1]
    assert caller.requests == []
    assert len(listed) == hidden + 1
    assert starts(marks) == {0: 1, 1: 1}


@pytest.mark.slow
def test_ctrl_c_terminates_the_jobs_and_says_how_to_resume(
    start: Start, service: Served, home: Path, marks: Path
) -> None:
    process = start(gated(marks, [1, 3]))
    eventually(lambda: starts(marks) == {1: 1, 3: 1})
    process.send_signal(signal.SIGINT)
    told = ended(process)
    execution = newest(home)
    assert f"Stopped execution {execution.name}; its jobs were terminated." in told
    assert f"To resume: FLYTE_AWSBATCH_RESUME={execution.name} " in told
    eventually(lambda: job_of(service, home)["status"] == "FAILED")


@pytest.mark.slow
def test_ctrl_c_says_so_where_nobody_may_terminate_the_jobs(
    account: Proxy, start: Start, service: Served, home: Path, marks: Path
) -> None:
    account.deny("TerminateJob")
    process = start(gated(marks, [1, 3]))
    eventually(lambda: starts(marks) == {1: 1, 3: 1})
    process.send_signal(signal.SIGINT)
    told = ended(process)
    assert "its job could not be terminated: AccessDeniedException" in told
    execution = execution_of(told)
    assert f"Left execution {execution}; its jobs run on." in told
    assert job_of(service, home)["status"] == "PENDING"
    (marks / "gate").touch()
    assert "[1, 9]" in ended(start(gated(marks, [1, 3]), resume=execution))
    assert starts(marks) == {1: 1, 3: 1}


def test_a_caller_that_detaches_leaves_its_jobs_and_says_how_to_come_back(
    start: Start, service: Served, home: Path, marks: Path
) -> None:
    process = start(gated(marks, [0, 1]), on_interrupt="detach")
    eventually(lambda: starts(marks) == {0: 1, 1: 1})
    # Its page, which asks no account, follows by what the process writes down.
    eventually(lambda: counts(home) == {RUNS: 1, SUCCESS: 1})
    process.send_signal(signal.SIGINT)
    told = ended(process)
    execution = execution_of(told)
    assert f"Left execution {execution}; its jobs run on." in told
    assert f"To come back: FLYTE_AWSBATCH_RESUME={execution} " in told
    assert job_of(service, home)["status"] == "PENDING"
    (marks / "gate").touch()
    assert "[0, 1]" in ended(start(gated(marks, [0, 1]), resume=execution))
    assert starts(marks) == {0: 1, 1: 1}


@pytest.mark.slow
def test_the_commands_look_after_a_run_that_was_left(start: Start, service: Served, home: Path, marks: Path) -> None:
    process = start(gated(marks, [0, 1]), on_interrupt="detach")
    eventually(lambda: starts(marks) == {0: 1, 1: 1})
    process.send_signal(signal.SIGINT)
    execution = execution_of(ended(process))
    job_id = str(newest(home).nodes[0].job_id)
    eventually(lambda: service.batch.describe_jobs(jobs=[f"{job_id}:0"])["jobs"][0]["status"] == "SUCCEEDED")
    listed = json.loads(ended(start(awsbatch("jobs", "--children", "--json"))))
    assert [(job["job"], job["status"]) for job in listed["jobs"]] == [
        (job_id, "PENDING"),
        (f"{job_id}:0", "SUCCEEDED"),
        (f"{job_id}:1", "RUNNING"),
    ]
    assert "waiting at the gate" in ended(start(awsbatch("logs", f"{job_id[:8]}:0")))
    following = start(awsbatch("logs", f"{job_id}:1", "-f"))
    assert following.stdout is not None
    assert "waiting at the gate" in following.stdout.readline()
    again = start(awsbatch("rerun", execution, "n0", "0"))
    assert "waiting at the gate" in ended(again)
    assert again.returncode == 0
    killed = ended(start(awsbatch("kill", execution)))
    assert f"Terminated job {job_id} of node n0." in killed
    # The log ends with its job.
    ended(following)
    assert following.returncode == 0
    assert job_of(service, home)["status"] == "FAILED"
    assert newest(home).nodes[0].status == "aborted"
    assert "has no jobs that run" in ended(start(awsbatch("kill", execution)))


@pytest.mark.slow
def test_kill_ends_a_process_that_would_only_detach_and_its_jobs(
    start: Start, service: Served, home: Path, marks: Path
) -> None:
    process = start(gated(marks, [1, 3]), on_interrupt="detach")
    eventually(lambda: starts(marks) == {1: 1, 3: 1})
    assert "Terminated job" in ended(start(awsbatch("kill", newest(home).name)))
    ended(process)
    eventually(lambda: job_of(service, home)["status"] == "FAILED")


@pytest.mark.slow
def test_kill_finds_a_job_that_was_never_written_down(start: Start, service: Served, home: Path, marks: Path) -> None:
    process = start(gated(marks, [1, 3]))
    eventually(lambda: starts(marks) == {1: 1, 3: 1})
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    execution = newest(home)
    job_id = execution.nodes[0].job_id
    record = Home(home).run(execution.name) / "nodes" / f"{execution.nodes[0].node}.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "snapshot": {}, "job_id": None}))
    assert f"Terminated job {job_id} of node n0." in ended(start(awsbatch("kill", execution.name)))
    eventually(lambda: job_of(service, home)["status"] == "FAILED")


@pytest.mark.slow
def test_a_run_of_the_account_is_not_resumed_on_this_machine(start: Start, home: Path, marks: Path) -> None:
    process = start(gated(marks, [0]), on_interrupt="detach")
    ended(process)
    argv = gated(marks, [0])
    argv[2:2] = ["--env", "FLYTE_AWSBATCH=local"]
    told = " ".join(ended(start(argv, resume=newest(home).name)).split())
    assert "ran with FLYTE_AWSBATCH=aws, and its jobs are there" in told
