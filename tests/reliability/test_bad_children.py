"""What children do wrong, and what a run makes of it: real processes, with the phase and message that Flyte gives."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import bad_children
import bad_import
import pytest
from shell_node import Node, World
from terminals import eventually, of_home

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.faults import Fault
from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.deployment.emulation import Emulation, emulation
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import Home

EXITED = "Essential container in task exited - "
FAILED, SUCCEEDED = "PERMANENT_FAILURE", "SUCCESS"

# What a child does: its phase, its attempts, AWS's reason with the exit code as the handler puts them, its output.
EXPECTED: dict[str, tuple[str, int, str, int | None]] = {
    "behave": (SUCCEEDED, 1, f"{EXITED} exit(0)", 1),
    "exit": (FAILED, 2, f"{EXITED} exit(3)", None),
    "signal": (FAILED, 2, f"{EXITED} exit(139)", None),
    "eat memory": (FAILED, 2, f"{EXITED}OutOfMemoryError: Container killed due to memory usage exit(137)", None),
    "say both": (SUCCEEDED, 1, f"{EXITED} exit(0)", 1),
    "shout": (FAILED, 2, f"{EXITED} exit(1)", None),
    "mumble": (FAILED, 2, f"{EXITED} exit(1)", None),
    "leave children": (SUCCEEDED, 1, f"{EXITED} exit(0)", 1),
    "fork and end": (FAILED, 2, f"{EXITED} exit(1)", None),
    "lose its host once": (SUCCEEDED, 2, f"{EXITED} exit(0)", 1),
    "lose its host": (FAILED, 2, "Host EC2 (instance i-*) terminated. -", None),
    "not start": (FAILED, 2, "Task failed to start - CannotPullContainerError: *", None),
}
HOWS = list(EXPECTED)


@dataclass(frozen=True)
class Ended:
    home: Path
    outputs: list[int | None]
    children: list[dict[str, Any]]
    emulation: Emulation
    job: str
    grown: int

    def log(self, how: str) -> str:
        return self.emulation.log(self.job, HOWS.index(how))


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    """One map over all of them, every failure tolerated."""
    home = tmp_path_factory.mktemp("bad") / "home"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with emulation(home, quiet=True) as awsbatch:
        faults = awsbatch._service.faults
        faults.add(Fault("host_lost", child=HOWS.index("lose its host once"), attempt=1))
        faults.add(Fault("host_lost", child=HOWS.index("lose its host")))
        faults.add(Fault("cannot_start", child=HOWS.index("not start")))
        work = map_task(partial(bad_children.misbehave, folder=str(home)), min_success_ratio=0.01)
        outputs = work(how=HOWS)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        (node,) = past_runs.past_run(Home(home)).nodes
        assert node.job_id is not None
        yield Ended(home, outputs, node.record["children"], awsbatch, node.job_id, grown)


@pytest.mark.parametrize("how", HOWS)
def test_each_gives_its_phase_its_reason_and_its_place_in_the_outputs(ended: Ended, how: str) -> None:
    index = HOWS.index(how)
    child = ended.children[index]
    phase, attempts, message, output = EXPECTED[how]
    assert (child["phase"], child["attempts"], ended.outputs[index]) == (phase, attempts, output)
    begins, _, ends = message.partition("*")
    assert child["message"].startswith(begins)
    assert child["message"].endswith(ends)
    assert len(child["message"]) == len(message) or "*" in message


def test_nothing_that_a_child_started_outlives_it(ended: Ended) -> None:
    grandchild = int((ended.home / "grandchild").read_text())
    eventually(lambda: not Path(f"/proc/{grandchild}").exists())


def test_a_log_of_100_megabytes_is_kept_whole_and_held_by_nobody(ended: Ended) -> None:
    streams = ended.emulation._service.log_streams(ended.job, HOWS.index("shout"))
    assert [Path(stream.path).stat().st_size > 100_000_000 for stream in streams] == [True, True]
    assert ended.grown < 100_000  # KiB
    tail = ended.emulation._service.log_tail(ended.job, HOWS.index("shout"), lines=20)
    assert "hoarse" in tail


def test_bytes_that_are_no_text_do_not_hide_the_rest(ended: Ended) -> None:
    log = ended.log("mumble")
    assert "going to mumble" in log
    assert "caf\ufffd" in log
    assert "nobody understood" in log


def assert_runs_again(error: TaskFailedError, child: int = 0) -> None:
    """The failure's last line is the command for it."""
    assert str(error).splitlines()[-1].endswith(f" rerun {error.execution} {error.node} {child}")


@pytest.mark.parametrize("how", ["exit", "signal", "eat memory", "mumble", "fork and end"])
def test_whatever_a_child_does_wrong_the_last_line_runs_it_again(awsbatch: Emulation, how: str) -> None:
    with pytest.raises(TaskFailedError) as caught:
        map_task(partial(bad_children.misbehave, folder=""))(how=["behave", how])
    assert "1 of 2 children failed" in str(caught.value)
    assert_runs_again(caught.value, 1)


@pytest.mark.parametrize(
    ("how", "words"),
    [("say nothing", "file does not exist"), ("write garbage", "not a flyteidl.core.LiteralMap")],
)
def test_a_child_that_ends_well_without_good_outputs_fails_the_node(awsbatch: Emulation, how: str, words: str) -> None:
    with pytest.raises(TaskFailedError) as caught:
        map_task(partial(bad_children.misbehave, folder=""))(how=["behave", how])
    message = str(caught.value)
    assert "failed to read data from dataDir" in message
    assert words in message
    (job,) = awsbatch.jobs
    child = f"Child 1 (Batch job {job['jobId']}:1, 1 attempt, ended well, and without outputs that can be read):"
    assert child in message
    assert f"going to {how}" in message[message.index(child) :]
    assert_runs_again(caught.value, 1)
    assert caught.value.result.attempt_count == 1


@pytest.mark.parametrize("task", [bad_children.end_without_outputs, bad_children.end_with_an_error])
def test_a_single_task_that_fails_is_run_again_by_the_last_line_too(awsbatch: Emulation, task: Any) -> None:
    with pytest.raises(TaskFailedError) as caught:
        task(n=1)
    assert "here it went wrong" in str(caught.value)
    assert_runs_again(caught.value)


def test_a_job_that_cannot_import_its_module_says_which(awsbatch: Emulation) -> None:
    with pytest.raises(TaskFailedError, match="module_that_only_the_caller_has") as caught:
        bad_import.never(n=1)
    assert_runs_again(caught.value)


def test_a_command_that_is_not_there_is_named(awsbatch: Emulation) -> None:
    with pytest.raises(TaskFailedError) as caught:
        bad_import.no_command(n=1)
    assert "CannotStartContainerError: no-such-command: No such file or directory" in str(caught.value)
    assert_runs_again(caught.value)


def test_a_child_over_its_time_limit_ends_for_good_in_awss_words(tmp_path: Path) -> None:
    # Deadlines pass a hundred times as fast here: AWS takes no limit under a minute.
    world = World(tmp_path / "home", clock=Clock(speed=100))
    node = Node(world, "execution", 2, "[ $i = 0 ] || sleep 300", limit=60)
    result = node.run()
    assert [(child.phase.name, child.attempt_count) for child in result.children] == [(SUCCEEDED, 1), (FAILED, 1)]
    assert result.children[1].message.startswith("Job attempt duration exceeded timeout")
    assert result.error is not None and "Job attempt duration exceeded timeout" in result.error.message
    world.close()


def test_nothing_is_left_of_any_of_them(ended: Ended) -> None:
    ended.emulation._deployment.close_deployment()
    eventually(lambda: of_home(ended.home) == [], lambda: str(of_home(ended.home)))
