"""What becomes of a workflow's other nodes when one has failed: propeller aborts them, unless the workflow's
`failure_policy` is to let them end."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import failing_flows as flows
import flytekit
import pytest
import yaml
from packaging.version import Version
from terminals import eventually
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.execution.launch import launch_policy_in_clean_environment
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local import all_settings as settings_module
from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.console.progress import PlainReporter
from flytekitplugins.awsbatch.local.deployment import opening as deployments
from flytekitplugins.awsbatch.local.deployment.emulation import emulation
from flytekitplugins.awsbatch.local.deployment.opening import Deployment
from flytekitplugins.awsbatch.local.deployment.submissions import Submissions
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import Home
from flytekitplugins.awsbatch.local.run import call
from flytekitplugins.awsbatch.local.run.call import Call
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.sdk import switch
from flytekitplugins.awsbatch.testing import Emulation

FAILS = "this one fails"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEETING_PLACE", str(tmp_path))
    return tmp_path


@contextmanager
def once(right: Callable[[], bool], then: Callable[[], Any]) -> Iterator[None]:
    """Does something as soon as something is so, while the block runs."""

    def wait() -> None:
        eventually(right)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    yield
    thread.join()


def submitted(awsbatch: Emulation) -> list[str]:
    """The ids of the nodes whose jobs were submitted."""
    return sorted(request["jobName"].rsplit("-", 2)[1] for request in awsbatch.requests)


def statuses(home: Path) -> dict[str, str]:
    return {node.node: node.status for node in past_runs.past_run(Home(home)).nodes}


def is_terminated(job: Any) -> bool:
    return (job["status"], job.get("statusReason")) == ("FAILED", "Aborted")


def job_of(awsbatch: Emulation, node: str) -> Any:
    (job,) = [job for job in awsbatch.jobs if job["jobName"].rsplit("-", 2)[1] == node]
    return job


@pytest.mark.parametrize("isolation", ["fork", "process"])
def test_a_failure_terminates_what_runs_beside_it_and_a_resumed_run_runs_that_again(
    tmp_path: Path, places: Path, isolation: str
) -> None:
    settings = yaml.safe_load(settings_module.DEFAULT)
    settings["emulator"]["isolation"] = isolation
    home = tmp_path / "home"
    with emulation(home, settings=settings, quiet=True) as awsbatch:

        def one_item_has_ended() -> bool:
            jobs = awsbatch.jobs
            return len(jobs) == 2 and jobs[1]["arrayProperties"]["statusSummary"].get("SUCCEEDED") == 1

        with once(one_item_has_ended, (places / "fail").touch), pytest.raises(TaskFailedError, match=FAILS):
            flows.beside_a_map(n=[2, 1])
        eventually(lambda: job_of(awsbatch, "n1")["status"] == "FAILED")
        summary = job_of(awsbatch, "n1")["arrayProperties"]["statusSummary"]
        assert {status: count for status, count in summary.items() if count} == {"FAILED": 1, "SUCCEEDED": 1}
        (child,) = awsbatch.batch.describe_jobs(jobs=[f"{job_of(awsbatch, 'n1')['jobId']}:1"])["jobs"]
        assert is_terminated(child)
        told = 'n1 kept: aborted, because n0 failing has failed; its job was terminated with the reason "Aborted"\n'
        assert awsbatch.printed.count(told) == awsbatch.printed.count("aborted") == 1
    assert statuses(home) == {"n0": "failed", "n1": "aborted"}
    execution = past_runs.past_run(Home(home))
    assert execution.status == "failed"

    (places / "mended").touch()
    with emulation(home, settings=settings, quiet=True, resume=execution.name) as awsbatch:
        assert tuple(flows.beside_a_map(n=[2, 1])) == (0, [2, 1])
        # Nothing of the map was cached.
        assert job_of(awsbatch, "n1")["arrayProperties"]["size"] == 2
        assert "n1 kept: starts over, its job was terminated" in awsbatch.printed
    assert statuses(home) == {"n0": "succeeded", "n1": "succeeded"}


@pytest.mark.parametrize(
    ("flow", "failed", "aborted"),
    [
        (flows.beside_one_that_nobody_waits_for, "n0", "n1"),
        (flows.beside_a_subworkflow, "n0", "n1-0-n0"),
        (flows.a_subworkflow_fails, "n1-0-n0", "n0"),
        (flows.one_that_nobody_waits_for_fails, "n1", "n0"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_nodes_that_run_when_they_are_called_are_aborted_and_abort_too(
    tmp_path: Path, flow: Any, failed: str, aborted: str
) -> None:
    with emulation(tmp_path / "home", quiet=True) as awsbatch:
        with pytest.raises(TaskFailedError, match=FAILS):
            flow()
        eventually(lambda: any(is_terminated(job) for job in awsbatch.jobs))
    assert statuses(tmp_path / "home") == {failed: "failed", aborted: "aborted"}


def test_a_node_that_waits_for_an_aborted_one_does_not_start(awsbatch: Emulation, places: Path) -> None:
    with pytest.raises(TaskFailedError, match=FAILS):
        flows.before_a_waiting_node()
    assert submitted(awsbatch) == ["n0", "n1"]
    assert statuses(awsbatch.home) == {"n0": "failed", "n1": "aborted"}
    assert not (places / "marked").exists()


def test_a_job_that_is_being_submitted_is_terminated(awsbatch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    (flows.place("fail")).touch()
    aborting = threading.Event()
    submit, abort = Submissions._submit, Call.abort_beside

    def submits(self: Submissions, request: dict[str, Any]) -> dict[str, Any]:
        if "-n1-" in request["jobName"]:
            assert aborting.wait(flows.SECONDS)
        return submit(self, request)

    def aborts(self: Call, failed: str) -> None:
        aborting.set()
        abort(self, failed)

    monkeypatch.setattr(Submissions, "_submit", submits)
    monkeypatch.setattr(Call, "abort_beside", aborts)
    with pytest.raises(TaskFailedError, match=FAILS):
        flows.beside_a_gated_one()
    eventually(lambda: is_terminated(job_of(awsbatch, "n1")))
    assert statuses(awsbatch.home) == {"n0": "failed", "n1": "aborted"}


@pytest.mark.parametrize(
    ("where", "step", "found"),
    [(Call, "_check_handled", {"n0": "failed"}), (call, "resume_node", {"n0": "failed", "n1": "aborted"})],
    ids=["before it begins", "before its first round"],
)
def test_a_node_that_is_aborted_early_submits_nothing(
    awsbatch: Emulation, monkeypatch: pytest.MonkeyPatch, where: Any, step: str, found: dict[str, str]
) -> None:
    flows.place("fail").touch()
    aborted = threading.Event()
    before, abort = getattr(where, step), Call.abort_beside

    def waits(*given: Any) -> Any:
        if "node n1" in threading.current_thread().name:
            assert aborted.wait(flows.SECONDS)
        return before(*given)

    def aborts(self: Call, failed: str) -> None:
        abort(self, failed)
        aborted.set()

    monkeypatch.setattr(where, step, waits)
    monkeypatch.setattr(Call, "abort_beside", aborts)
    with pytest.raises(TaskFailedError, match=FAILS):
        flows.beside_a_gated_one()
    assert submitted(awsbatch) == ["n0"]
    assert statuses(awsbatch.home) == found


def test_of_two_that_fail_at_once_the_first_is_told(awsbatch: Emulation, places: Path) -> None:
    with once(lambda: len(awsbatch.jobs) == 2, (places / "fail").touch), pytest.raises(TaskFailedError) as told:
        flows.both_fail()
    found = statuses(awsbatch.home)
    assert set(found.values()) <= {"failed", "aborted"}
    assert told.value.node == min(node for node, status in found.items() if status == "failed")


@pytest.mark.parametrize(
    ("flow", "error", "because"),
    [(flows.cleaned_up, FAILS, "n0 failing"), (flows.cleaned_up_after_a_plain_task, "this plain one", "another task")],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_failure_node_runs_once_the_others_are_aborted(
    awsbatch: Emulation, places: Path, flow: Any, error: str, because: str
) -> None:
    with pytest.raises(Exception, match=error):
        flow()
    assert (places / "cleaned up").exists()
    assert sorted(statuses(awsbatch.home).values())[0] == "aborted"
    assert awsbatch.printed.index(f"aborted, because {because} has failed") < awsbatch.printed.index("clean_up: ")


def test_a_policy_lets_what_can_run_end(awsbatch: Emulation, places: Path) -> None:
    (places / "fail").touch()
    failed = once(lambda: "n0 failing: 1 failed" in awsbatch.printed, (places / "gate").touch)
    with failed, pytest.raises(TaskFailedError, match=FAILS):
        flows.executable_nodes_end()
    assert statuses(awsbatch.home) == {"n0": "failed", "n1": "succeeded", "n2": "succeeded"}


def test_an_error_that_a_dynamic_task_catches_ends_nothing(awsbatch: Emulation, places: Path) -> None:
    (places / "fail").touch()
    with once((places / "long 2").exists, (places / "gate").touch):
        assert tuple(flows.caught()) == (1, 2)


def test_a_job_is_terminated_once_aws_takes_the_call(awsbatch: Emulation, places: Path) -> None:
    # The first call is about the job that has failed.
    awsbatch.fault("throttle", operation="TerminateJob", every=2, times=1)
    with (
        once(lambda: len(awsbatch.jobs) == 2, (places / "fail").touch),
        pytest.raises(TaskFailedError, match=FAILS),
    ):
        flows.beside_a_gated_one()
    assert statuses(awsbatch.home) == {"n0": "failed", "n1": "aborted"}
    assert "could not be terminated" not in awsbatch.printed


def test_no_node_waits_for_the_tries_to_terminate_another_one(
    awsbatch: Emulation, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2)
    abort = Call.abort_beside

    def aborts(self: Call, failed: str) -> None:
        try:
            together.wait(timeout=20)
        except threading.BrokenBarrierError:
            (places / "gate").touch()
        abort(self, failed)

    monkeypatch.setattr(Call, "abort_beside", aborts)
    with (
        once(lambda: len(awsbatch.jobs) == 3, (places / "fail").touch),
        pytest.raises(TaskFailedError, match=FAILS),
    ):
        flows.beside_two_gated_ones()
    assert not together.broken
    assert statuses(awsbatch.home) == {"n0": "failed", "n1": "aborted", "n2": "aborted"}


def test_a_job_that_cannot_be_terminated_goes_on(
    awsbatch: Emulation, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def abort(self: NodeExecution, *_: Any) -> None:
        (places / "gate").touch()
        raise BatchError("AccessDeniedException", "no TerminateJob", 403)

    monkeypatch.setattr(NodeExecution, "abort", abort)
    with (
        once(lambda: len(awsbatch.jobs) == 2, (places / "fail").touch),
        pytest.raises(TaskFailedError, match=FAILS),
    ):
        flows.beside_a_gated_one()
    assert "n1 gated: its job could not be terminated: " in awsbatch.printed
    assert statuses(awsbatch.home) == {"n0": "failed", "n1": "succeeded"}


def test_a_job_is_left_to_a_signal_that_comes_at_the_same_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    abort = Call.abort_beside

    def aborts(self: Call, failed: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: self._deployment.closed)
        abort(self, failed)

    monkeypatch.setattr(Call, "abort_beside", aborts)
    with emulation(tmp_path / "home", quiet=True), pytest.raises(SystemExit):
        flows.beside_a_job()
    assert statuses(tmp_path / "home") == {"n0": "failed", "n1": "interrupted"}


def test_a_job_at_a_url_is_terminated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anything")
    seen = {"MEETING_PLACE": str(tmp_path), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    launch = launch_policy_in_clean_environment(seen)
    with LocalBatch(tmp_path / "elsewhere", launch=launch) as service, ThreadedServer(service) as server:
        service.ensure_queue("default")
        given = settings_module.parse_all_settings(settings_module.DEFAULT)
        one = Deployment(given, Home(tmp_path / "home"), PlainReporter(io.StringIO()), endpoint=server.url)
        with one, switch.emulation_overridden(True):
            undo = deployments.override_deployment(one)
            try:
                with pytest.raises(TaskFailedError, match=FAILS):
                    flows.beside_a_job()
            finally:
                undo()

        def has_ended() -> bool:
            jobs = service.list_jobs(jobQueue="default", jobStatus="FAILED")["jobSummaryList"]
            return sorted(job.get("statusReason") for job in jobs)[:1] == ["Aborted"]

        eventually(has_ended)
    assert statuses(tmp_path / "home") == {"n0": "failed", "n1": "aborted"}


@pytest.mark.skipif(
    Version(flytekit.__version__) < Version("1.16.10"), reason="flytekit lays every error of an input to its reader"
)
def test_the_error_is_not_laid_to_the_plain_task_that_reads_the_outputs(awsbatch: Emulation, places: Path) -> None:
    for name in ("now", "gate"):
        (places / name).touch()
    with pytest.raises(TaskFailedError, match=FAILS) as caught:
        flows.read_by_a_plain_task(after="now")
    assert "plain_reader" not in str(caught.value)
    assert caught.value.task == "failing_flows.failing"


@pytest.mark.parametrize(
    ("workflow", "inputs", "node"),
    [
        (flows.several_fail, {}, "n1"),
        # n2 comes after n0, and n1 after that.
        (flows.one_fails_further_on, {}, "n1"),
        # n2 takes an input of the workflow, so that propeller comes to it once more.
        (flows.one_with_an_input_fails_further_on, {"after": "fail"}, "n2"),
        (flows.a_subworkflow_fails_last, {}, "n1-0-n0"),
        (flows.one_that_nobody_waits_for_fails_last, {}, "n1"),
    ],
)
def test_where_others_may_end_the_error_is_that_of_the_last_failed_node_on_propellers_way(
    awsbatch: Emulation, places: Path, workflow: Any, inputs: dict[str, str], node: str
) -> None:
    for name in ("fail", "late", "gate"):
        (places / name).touch()
    with pytest.raises(TaskFailedError, match=FAILS) as caught:
        workflow(**inputs)
    # The first three as executions on FlyteAdmin and FlytePropeller 1.16.8 reported them.
    assert caught.value.node == node
