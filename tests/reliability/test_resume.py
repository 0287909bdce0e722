"""An execution that is resumed: what had ended counts, what had not continues, and what has changed starts over."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import reliability_tasks as tasks
import yaml
from terminals import eventually, starts
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.faults import Fault
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local import all_settings as settings_module
from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.console.progress import PlainReporter
from flytekitplugins.awsbatch.local.deployment import opening as deployments
from flytekitplugins.awsbatch.local.deployment.emulation import Emulation, emulation
from flytekitplugins.awsbatch.local.deployment.opening import ClosedError, Deployment
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.history.record import RunRecord
from flytekitplugins.awsbatch.local.history.resume import EarlierRun, Fingerprint, ResumeError, decide_resume
from flytekitplugins.awsbatch.local.history.run_reader import RunReader
from flytekitplugins.awsbatch.local.home import Home
from flytekitplugins.awsbatch.propeller.aws_array import links
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_state import Ending, NodeState
from flytekitplugins.awsbatch.sdk import switch


def stopped_when(right: Callable[[], bool], run: Callable[[], Any]) -> None:
    """Runs it and sends this process SIGTERM as soon as something is so."""

    def stop() -> None:
        eventually(right)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(SystemExit) as caught:
        run()
    thread.join()
    assert caught.value.code == 128 + signal.SIGTERM


def half_done(awsbatch: Emulation, marks: Path) -> bool:
    """Both children have started, and the one that does not wait at the gate has ended and is known to."""
    if starts(marks) != {0: 1, 1: 1}:
        return False
    (job,) = awsbatch.jobs
    return job["arrayProperties"]["statusSummary"].get("SUCCEEDED") == 1


def with_emulator(**keys: Any) -> dict[str, Any]:
    """The settings that a run without a file has, and some keys of `emulator`."""
    given: dict[str, Any] = yaml.safe_load(settings_module.DEFAULT)
    given["emulator"].update(keys)
    return given


def newest(home: Path) -> str:
    return past_runs.past_run(Home(home)).name


def names(awsbatch: Emulation) -> list[str]:
    return [request["jobName"] for request in awsbatch.requests]


@pytest.mark.parametrize("written", [20, 6], ids=["its name", "the beginning of its name"])
def test_a_node_that_had_succeeded_gives_its_outputs_without_a_job(home: Path, written: int) -> None:
    with emulation(home, quiet=True):
        assert tasks.total_of(numbers=[1, 2, 3]) == 6
    execution = newest(home)
    with emulation(home, quiet=True, resume=execution[:written]) as awsbatch:
        assert tasks.total_of(numbers=[1, 2, 3]) == 6
        assert awsbatch.requests == []
        assert "n0 total: succeeded before" in awsbatch.printed
    assert [run.name for run in past_runs.past_runs_of(Home(home))] == [execution]


def test_a_call_on_a_thread_of_its_own_ends_with_the_emulation(home: Path, marks: Path) -> None:
    work = partial(tasks.gated_map, folder=str(marks))
    caught: list[BaseException] = []

    def call() -> None:
        try:
            work(n=[0, 1])
        except ClosedError as error:
            caught.append(error)

    # Not a daemon: the process would wait for it.
    thread = threading.Thread(target=call)
    with emulation(home, quiet=True) as awsbatch:
        thread.start()
        eventually(lambda: half_done(awsbatch, marks))
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert [type(error) for error in caught] == [ClosedError]
    execution = newest(home)
    assert past_runs.past_run(Home(home), execution).nodes[0].status == "interrupted"
    (marks / "gate").touch()
    with emulation(home, quiet=True, resume=execution):
        assert work(n=[0, 1]) == [0, 1]
    assert starts(marks) == {0: 1, 1: 2}


def test_so_does_one_that_waits_where_flyte_would_for_ever(home: Path, marks: Path) -> None:
    caught: list[BaseException] = []

    def call() -> None:
        try:
            tasks.gated_map(n=[1], folder=str(marks))
        except ClosedError as error:
            caught.append(error)

    # A daemon: it would wait for a year.
    thread = threading.Thread(target=call, daemon=True)
    settings = with_emulator(fidelity="strict", hang_limit=31_536_000)
    with emulation(home, settings=settings, quiet=True) as awsbatch:
        thread.start()
        eventually(lambda: starts(marks) == {1: 1})
        awsbatch.batch.terminate_job(jobId=awsbatch.jobs[0]["jobId"], reason="by somebody else")
        eventually(lambda: "real Flyte would wait here for ever" in awsbatch.printed)
    thread.join(timeout=60)
    assert [type(error) for error in caught] == [ClosedError]


def test_a_thread_that_a_later_block_cuts_off_shows_its_error(
    home: Path, marks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program may survive a signal (a notebook does); what it does wrong later is shown again."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    with pytest.raises(SystemExit), emulation(home, quiet=True):
        raise SystemExit
    thread = threading.Thread(target=partial(tasks.gated_map, n=[1], folder=str(marks)), daemon=True)
    with emulation(home, quiet=True):
        thread.start()
        eventually(lambda: starts(marks) == {1: 1})
    thread.join(timeout=60)
    assert "ClosedError: This emulated deployment is closed" in capsys.readouterr().err


@pytest.mark.parametrize("isolation", ["fork", "process", "worker"])
def test_an_interrupted_map_goes_on_with_the_job_that_it_had(
    home: Path, marks: Path, isolation: str, isolation_keys: dict[str, Any]
) -> None:
    settings = with_emulator(**(isolation_keys or {"isolation": isolation}))
    work = partial(tasks.gated_map, folder=str(marks))
    with emulation(home, settings=settings, quiet=True) as awsbatch:
        stopped_when(lambda: half_done(awsbatch, marks), lambda: work(n=[0, 1]))
        with pytest.raises(ClosedError, match="a signal stopped its jobs"):
            tasks.total(numbers=[1])
    (execution,) = (run.name for run in past_runs.past_runs_of(Home(home)) if run.workflow.endswith("gated_map"))
    assert past_runs.past_run(Home(home), execution).nodes[0].status == "interrupted"
    record = RunRecord(home / "runs" / execution)
    request = record.node("n0")["request"]
    assert request["arrayProperties"] == {"size": 2}
    (marks / "gate").touch()
    with emulation(home, settings=settings, quiet=True, resume=execution) as awsbatch:
        assert work(n=[0, 1]) == [0, 1]
        assert awsbatch.requests == []
    assert record.node("n0")["request"] == request
    assert starts(marks) == {0: 1, 1: 2}
    info = past_runs.past_run(Home(home), execution)
    assert (info.status, [node.status for node in info.nodes]) == ("succeeded", ["succeeded"])


def test_a_job_whose_id_was_never_written_down_is_found_by_its_name(home: Path, marks: Path) -> None:
    """The process died between the submit and the record of it."""
    work = partial(tasks.gated_map, folder=str(marks))
    with emulation(home, quiet=True) as awsbatch:
        stopped_when(lambda: half_done(awsbatch, marks), lambda: work(n=[0, 1]))
    execution = newest(home)
    record = RunRecord(home / "runs" / execution)
    known = record.node("n0")
    record.write_node("n0", {**known, "snapshot": {}, "job_id": None, "job_name": ""})
    (marks / "gate").touch()
    with emulation(home, quiet=True, resume=execution) as awsbatch:
        assert work(n=[0, 1]) == [0, 1]
        jobs = awsbatch.batch.list_jobs(jobQueue="default", jobStatus="SUCCEEDED")["jobSummaryList"]
    assert [(job["jobId"], job["jobName"]) for job in jobs] == [(known["job_id"], f"{execution}-n0-0")]
    assert starts(marks) == {0: 1, 1: 2}


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_run_that_is_killed_as_soon_as_it_was_taken_up_can_be_taken_up_again(
    home: Path, marks: Path, monkeypatch: pytest.MonkeyPatch, forgotten: bool
) -> None:
    """What it wrote before its first look at the job names the job; a record that does not has a snapshot that does."""
    work = partial(tasks.gated_map, folder=str(marks))
    with emulation(home, quiet=True) as awsbatch:
        stopped_when(lambda: half_done(awsbatch, marks), lambda: work(n=[0, 1]))
    execution = newest(home)
    record = RunRecord(home / "runs" / execution)
    before = record.node("n0")
    if forgotten:
        record.write_node("n0", {**before, "job_id": None, "job_name": ""})
    written: list[str | None] = []
    run = NodeExecution.run

    def looks(self: NodeExecution, wait: Any) -> Any:
        written.append(record.node("n0")["job_id"])
        return run(self, wait)

    monkeypatch.setattr(NodeExecution, "run", looks)
    (marks / "gate").touch()
    with emulation(home, quiet=True, resume=execution) as awsbatch:
        assert work(n=[0, 1]) == [0, 1]
        assert awsbatch.requests == []
    assert written == [before["job_id"]]
    assert starts(marks) == {0: 1, 1: 2}


def test_a_submit_whose_answer_is_lost_is_not_made_twice(home: Path) -> None:
    with emulation(home, quiet=True) as awsbatch:
        awsbatch._service.faults.add(Fault("drop_response", operation="SubmitJob", times=3))
        assert tasks.total_of(numbers=[4]) == 4
        (listed,) = awsbatch.batch.list_jobs(jobQueue="default", jobStatus="SUCCEEDED")["jobSummaryList"]
        assert [job["jobId"] for job in awsbatch.jobs] == [listed["jobId"]]


def test_a_round_that_fails_after_its_submit_does_not_submit_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler's old state counts then, which knows of no job."""
    asked: list[int] = []
    job_uri = links.job_link

    def page(*arguments: Any) -> str:
        asked.append(1)
        if len(asked) <= 3:
            raise BatchError("RequestError", "could not connect", 503)
        return job_uri(*arguments)

    monkeypatch.setattr(links, "job_link", page)
    with emulation(home, quiet=True) as awsbatch:
        assert tasks.total_of(numbers=[1]) == 1
        assert len(awsbatch.batch.list_jobs(jobQueue="default", jobStatus="SUCCEEDED")["jobSummaryList"]) == 1
        assert len(asked) > 3


def test_at_a_service_elsewhere_the_job_is_terminated_and_runs_anew(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anything")
    with LocalBatch(tmp_path / "elsewhere") as service, ThreadedServer(service) as server:
        service.ensure_queue("default")
        service.faults.add(Fault("stay_runnable"))

        def deployment(resume: str | None) -> Deployment:
            given = settings_module.parse_all_settings(settings_module.DEFAULT)
            return Deployment(given, Home(home), PlainReporter(io.StringIO()), endpoint=server.url, resume=resume)

        def jobs(status: str) -> list[str]:
            answer = service.list_jobs(jobQueue="default", jobStatus=status)  # type: ignore[arg-type]
            return [job["jobName"] for job in answer["jobSummaryList"]]

        resume = None
        for attempt in range(2):
            with deployment(resume) as one, switch.emulation_overridden(True):
                undo = deployments.override_deployment(one)
                try:
                    stopped_when(lambda: len(jobs("RUNNABLE")) == 1, lambda: tasks.total_of(numbers=[1]))
                finally:
                    undo()
            resume = newest(home)
            assert sorted(jobs("FAILED")) == [f"{resume}-n0-{number}" for number in range(attempt + 1)]
    assert [node.status for node in past_runs.past_run(Home(home)).nodes] == ["aborted"]


def test_a_process_that_lives_on_is_done_with_an_execution_when_the_next_begins(home: Path) -> None:
    with emulation(home, quiet=True):
        tasks.total_of(numbers=[1])
        tasks.total_of(numbers=[2])
        assert [run.status for run in past_runs.past_runs_of(Home(home))] == ["running", "succeeded"]
    assert [run.status for run in past_runs.past_runs_of(Home(home))] == ["succeeded", "succeeded"]


def test_other_inputs_run_anew_as_the_next_attempt(home: Path, marks: Path) -> None:
    work = partial(tasks.gated_map, folder=str(marks))
    with emulation(home, quiet=True) as awsbatch:
        stopped_when(lambda: half_done(awsbatch, marks), lambda: work(n=[0, 1]))
    execution = newest(home)
    old = past_runs.past_run(Home(home), execution).nodes[0].job_id
    (marks / "gate").touch()
    with emulation(home, quiet=True, resume=execution) as awsbatch:
        assert work(n=[2, 3]) == [4, 9]
        assert names(awsbatch) == [f"{execution}-n0-1"]
        assert "n0 wait_at_the_gate: starts over, its inputs have changed" in awsbatch.printed
        # What nobody waits for any more does not go on either.
        assert awsbatch.batch.describe_jobs(jobs=[old])["jobs"][0]["status"] == "FAILED"
    assert starts(marks)[1] == 1


@pytest.mark.slow
def test_a_node_that_had_failed_is_tried_again(home: Path, marks: Path) -> None:
    with emulation(home, quiet=True), pytest.raises(TaskFailedError):
        tasks.fragile_map(n=[1], folder=str(marks))
    execution = newest(home)
    with emulation(home, quiet=True, resume=execution) as awsbatch, pytest.raises(TaskFailedError):
        tasks.fragile_map(n=[1], folder=str(marks))
    assert names(awsbatch) == [f"{execution}-n0-1"]
    assert "starts over, it had failed" in awsbatch.printed


def test_the_attempt_that_had_failed_keeps_its_error_and_its_children(home: Path, marks: Path) -> None:
    items = partial(tasks.fragile_cached_map, folder=str(marks))
    with emulation(home, quiet=True):
        assert items(n=[0, 2]) == [0, 4]
        with pytest.raises(TaskFailedError):
            items(n=[0, 1, 2])
    execution = newest(home)
    with emulation(home, quiet=True, resume=execution), pytest.raises(TaskFailedError):
        items(n=[0, 1, 2])
    (node,) = past_runs.past_run(Home(home), execution).nodes
    assert [one["failed"] for one in node.record["attempts"]] == [True, False]
    assert all(attempt.reason for attempt in node.attempts[:1])
    with RunReader(Home(home)) as reader:
        earlier, last = reader.execution(execution).attempts
    told = [[(child.index, child.state) for child in one.children] for one in (earlier, last)]
    assert told == [[(0, "cached"), (1, "failed"), (2, "cached")]] * 2


@pytest.mark.slow
def test_outputs_that_are_gone_are_made_again(home: Path) -> None:
    with emulation(home, quiet=True):
        tasks.total_of(numbers=[1])
    execution = newest(home)
    for path in (home / "runs" / execution / "meta").rglob("outputs.pb"):
        path.unlink()
    with emulation(home, quiet=True, resume=execution) as awsbatch:
        assert tasks.total_of(numbers=[1]) == 1
        assert names(awsbatch) == [f"{execution}-n0-1"]


@pytest.mark.slow
def test_each_of_the_executions_of_one_process_is_found_again(home: Path) -> None:
    """Named is one; the others are known by what they began with, in any order."""
    with emulation(home, quiet=True):
        tasks.total_of(numbers=[1])
        tasks.total_of(numbers=[2])
        tasks.listed_total(count=3)
    first = [run.name for run in past_runs.past_runs_of(Home(home))]
    with emulation(home, quiet=True, resume=first[0]) as awsbatch:
        assert (tasks.listed_total(count=3), tasks.total_of(numbers=[2]), tasks.total_of(numbers=[1])) == (3, 2, 1)
        assert awsbatch.requests == []
        tasks.total_of(numbers=[9])
    assert {run.name for run in past_runs.past_runs_of(Home(home))} > set(first)
    assert len(past_runs.past_runs_of(Home(home))) == 4


def test_what_cannot_be_taken_up_is_refused_with_words(home: Path) -> None:
    with emulation(home, quiet=True):
        tasks.total_of(numbers=[1])
    execution = newest(home)
    with (
        emulation(home, quiet=True, resume=execution),
        pytest.raises(ResumeError, match=r"is an execution of reliability_tasks\.total_of"),
    ):
        tasks.listed_total(count=1)
    with (
        emulation(home, quiet=True, resume="nosuch"),
        pytest.raises(past_runs.UnknownRunError, match="no such execution"),
    ):
        tasks.total_of(numbers=[1])
    with (
        emulation(home, quiet=True, resume="../runs"),
        pytest.raises(Exception, match="is not the name of an execution"),
    ):
        tasks.total_of(numbers=[1])
    record = RunRecord(home / "runs" / execution)
    execution_json = record.execution()
    execution_json.pop("ended")
    record.write_execution(execution_json)
    with emulation(home, quiet=True, resume=execution), pytest.raises(ResumeError, match="still run by process"):
        tasks.total_of(numbers=[1])


def test_what_a_record_means_for_the_same_node_of_a_later_run() -> None:
    now = Fingerprint("task", "template", "inputs")

    def of(status: str, snapshot: NodeState | None = None, **changes: Any) -> EarlierRun:
        fingerprint = {**asdict(now), **changes}
        return decide_resume(
            {
                "status": status,
                "snapshot": snapshot and snapshot.to_dict(),
                "attempt": 2,
                "job_id": "job",
                "fingerprint": fingerprint,
            },
            now,
        )

    running = NodeState(attempt=3)
    assert of("running") == EarlierRun(None, 2, "job")
    assert of("running", running) == of("interrupted", running) == EarlierRun(running, 2, "job")
    assert of("succeeded", running) == EarlierRun(running, 2, "job", succeeded=True)
    assert of("aborted", running) == EarlierRun(None, 4, "job", restart_reason="its job was terminated")
    assert of("failed", running) == EarlierRun(None, 4, "job", restart_reason="it had failed")
    failed = NodeState(attempt=3, ended=True, ending=Ending("failing"))
    assert of("running", failed) == EarlierRun(None, 4, "job", restart_reason="it had failed")
    aborted = NodeState(attempt=3, ended=True, ending=Ending("aborting"))
    assert of("aborted", aborted) == EarlierRun(None, 4, "job", restart_reason="its job was terminated")
    for changed in ("task", "template", "inputs"):
        assert of("succeeded", running, **{changed: "other"}).restart_reason != ""
        assert of("succeeded", running, **{changed: "other"}).attempt == 4


def test_a_record_holds_no_inputs_and_no_values_of_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.setattr("sys.argv", ["pyflyte", "run", "--env", "API_TOKEN=abcdefgh", "--key", "wJalrXUtnFEMI/K7MDENG"])
    with emulation(home, quiet=True):
        tasks.with_secret(numbers=[987654321])
    run = home / "runs" / newest(home)
    records = "".join(path.read_text() for path in run.rglob("*.json"))
    assert json.loads((run / "execution.json").read_text())["command"][3:] == ["API_TOKEN=***", "--key", "***"]
    for secret in ("wJalrXUtnFEMI", "abcdefgh", "hunter2hunter2", "987654321"):
        assert secret not in records
