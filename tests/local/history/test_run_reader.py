"""A run as it is read for people: from the records alone, and from both sources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ui_home import WrittenHome

from flytekitplugins.awsbatch.local.history.children import look_at_children
from flytekitplugins.awsbatch.local.history.process_mark import process_mark
from flytekitplugins.awsbatch.local.history.record_pace import SHARE, RecordPace
from flytekitplugins.awsbatch.local.history.run_reader import RunReader
from flytekitplugins.awsbatch.local.history.run_view import CACHED, FAILED, QUEUED, RUNS, SUCCESS, NodeView
from flytekitplugins.awsbatch.propeller.aws_array.phases import Phase, TaskPhase
from flytekitplugins.awsbatch.propeller.node.node_result import Progress

ELSEWHERE = "99999999-4db1-4a33-b0b4-2ff1b31a7a7c"


def fact(original: int, phase: str, child: int | None, times: list[int | None], tries: int = 1) -> dict[str, Any]:
    about = {"original": original, "child": child, "job_id": f"{ELSEWHERE}:{child}", "phase": phase}
    return about | {"attempts": tries, "message": "", "times": times}


def read(home: WrittenHome) -> NodeView:
    with RunReader(home.home) as reader:
        (node,) = reader.execution(home.name).nodes
    return node


def test_a_job_that_ran_elsewhere_is_known_from_the_record_while_it_goes(tmp_path: Path) -> None:
    home = WrittenHome(tmp_path, 4)
    facts = [
        fact(0, "SUCCESS", 0, [10, 20, 30]),
        fact(1, "RUNNING", 1, [10, 25, None]),
        fact(2, "QUEUED", 2, [None, None, None], 0),
        fact(3, "SUCCESS", None, [None, None, None], 0),
    ]
    home.write("running", process_mark(), job_id=ELSEWHERE, children=facts)
    node = read(home)
    assert [child.state for child in node.children] == [SUCCESS, RUNS, QUEUED, CACHED]
    assert node.children[1].ran(40) == 15
    # Of a large array AWS tells how many run, and not which.
    home.write("running", process_mark(), job_id=ELSEWHERE, children=facts, counts={"running": 2, "succeeded": 1})
    assert read(home).counts == {RUNS: 2, SUCCESS: 1}
    home.write("interrupted", job_id=ELSEWHERE, children=facts, counts={"running": 2, "succeeded": 1})
    assert read(home).counts == {"interrupted": 2, SUCCESS: 1, CACHED: 1}


def test_an_answer_of_describe_jobs_is_read_as_the_local_service_is(tmp_path: Path) -> None:
    home = WrittenHome(tmp_path, 2)
    home.commit(home.started(0, 10), home.ended(0, 20, 1, last=False), home.started(0, 30), home.started(1, 10))
    with RunReader(home.home) as reader:
        here = reader.execution(home.name).nodes[0]
        batch = reader.batch
        assert batch is not None
        jobs = [home.job_id, f"{home.job_id}:0", f"{home.job_id}:1"]
        job, *children = batch.describe_jobs(jobs=jobs)["jobs"]
    with RunReader(home.home, look=lambda _: look_at_children(job, children)) as reader:
        there = reader.execution(home.name).nodes[0]

    def seen(node: NodeView) -> list[Any]:
        return [
            (child.state, [(one.number, one.started, one.stopped, one.exit_code) for one in child.attempts])
            for child in node.children
        ]

    assert seen(there) == seen(here)
    assert (there.memory, there.queue, there.array) == (here.memory, here.queue, here.array)


def test_earlier_attempts_of_a_node_keep_their_children(tmp_path: Path) -> None:
    home = WrittenHome(tmp_path, 2)
    home.commit(home.started(0, 10), home.started(1, 10))
    home.commit(home.ended(0, 20), home.ended(1, 20, 1))
    home.error(1, "ValueError: at first")
    home.again("1 of 2 children failed")
    home.commit(home.started(0, 30))
    with RunReader(home.home) as reader:
        execution = reader.execution(home.name)
        before, last = execution.attempts
        assert [child.state for child in before.children] == [SUCCESS, FAILED]
        assert "ValueError: at first" in reader.error(before, before.children[1])
        assert reader.error(last, last.children[1]) == ""
    assert (before.info.node, before.name, before.number, last.info.node) == ("n1~1", "n1", 1, "n1")
    # What is counted is how the execution stands.
    assert execution.counts == {RUNS: 1, QUEUED: 1}


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    home = WrittenHome(tmp_path, 2)
    with RunReader(home.home) as reader:
        before = reader.execution(home.name).nodes[0]
        assert reader.execution(home.name).nodes[0] is before
        home.commit(home.started(0, 10))
        assert reader.execution(home.name).nodes[0].children[0].state == RUNS
        home.write("failed")
        assert reader.execution(home.name).nodes[0].info.status == "failed"


def progress(**counts: int) -> Progress:
    phases = {TaskPhase[name]: count for name, count in counts.items()}
    return Progress(0, Phase.CHECKING_SUBTASKS, TaskPhase.RUNNING, phases, "j", "id")


def test_a_record_tells_of_children_elsewhere_as_often_as_that_costs_little() -> None:
    now = [0.0]
    pace = RecordPace(elsewhere=True, clock=lambda: now[0])
    assert pace.is_record_due(progress(QUEUED=2))
    with pace.record_writing():
        now[0] += 1
    assert not pace.is_record_due(progress(QUEUED=1, RUNNING=1))
    now[0] += SHARE
    assert pace.is_record_due(progress(QUEUED=1, RUNNING=1))
    assert not pace.is_record_due(progress(QUEUED=1, RUNNING=1))
    here = RecordPace(elsewhere=False, clock=lambda: now[0])
    assert here.is_record_due(progress(QUEUED=2))
    assert not here.is_record_due(progress(QUEUED=1, RUNNING=1))


def test_a_step_that_can_be_repeated_is_not_written_unless_it_ends_an_attempt() -> None:
    """The outputs of a job that succeeded may be what the attempt fails for."""
    pace, ended = RecordPace(elsewhere=False), replace(progress(SUCCESS=2), phase=Phase.SUCCESS)
    assert not pace.is_record_due(ended)
    assert pace.is_record_due(replace(ended, failed_attempts=1))
