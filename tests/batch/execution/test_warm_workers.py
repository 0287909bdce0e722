"""Workers run many attempts each: what an attempt is given, and what is put back after it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_shell import eventually
from test_warm_matrix import told
from warm_harness import Runner, runner

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere everything is a process")


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with runner(tmp_path_factory.mktemp("run"), warm=True, isolation="worker") as made:
        yield made


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with runner(tmp_path_factory.mktemp("run"), warm=False) as made:
        yield made


def worker_of(made: Runner) -> int:
    process = made.process("zero")
    made.run(process)
    return made.pids[process.key]


@pytest.mark.parametrize("end", ["none", "zero", "three", "large", "negative", "text", "true", "at_once"])
def test_exit_codes_are_those_of_a_process(workers: Runner, cold: Runner, end: str) -> None:
    assert told(workers, workers.run(workers.process(end))) == told(cold, cold.run(cold.process(end)))


@pytest.mark.parametrize(
    "what", ["surroundings", "numbers", "fail", "chained", "interrupted", "hook", "both_streams", "terminated"]
)
def test_code_and_log_are_those_of_a_process_after_any_attempt_before(workers: Runner, cold: Runner, what: str) -> None:
    extra = {"EMPTY": "", "AWS_BATCH_JOB_ARRAY_INDEX": "4", "FLYTE_SOMETHING": "set"}
    expected = told(cold, cold.run(cold.process(what, "é", environment=extra)))
    for before in ("none", "change_everything", "full_disk", "fail"):
        workers.run(workers.process(before))
        code, log = told(workers, workers.run(workers.process(what, "é", environment=extra)))
        if what == "surroundings":
            # A worker holds its channel.
            log, open_before = log.replace('"open": 5', '"open": 4'), '"open": 4'
            assert open_before in expected[1]
        assert (code, log) == expected, before


@pytest.mark.parametrize("what", ["leave_executor", "leave_process_and_log_lines", "leave_manager"])
def test_what_an_attempt_leaves_to_the_end_of_its_interpreter_is_finished_with_it(
    workers: Runner, cold: Runner, what: str
) -> None:
    expected = told(cold, cold.run(cold.process(what)))
    assert expected[1].splitlines()[-1] in {"32", "held back"}
    assert [told(workers, workers.run(workers.process(what))) for _ in range(2)] == [expected, expected]


def test_exit_handlers_run_with_their_attempt(workers: Runner, cold: Runner) -> None:
    expected = told(cold, cold.run(cold.process("say_goodbye")))
    assert [told(workers, workers.run(workers.process("say_goodbye"))) for _ in range(2)] == [expected, expected]
    assert workers.run(workers.process("zero")).log.count(b"said") == 0


def test_attempts_share_a_worker_until_one_takes_it_along(workers: Runner) -> None:
    first = worker_of(workers)
    assert worker_of(workers) == first
    assert workers.run(workers.process("at_once")).code == 5
    second = worker_of(workers)
    assert second != first
    process = workers.process("wait")
    workers.started(process)
    workers.executor.signal(process.key, signal.SIGTERM)
    assert workers.end(process).code == 143
    assert worker_of(workers) != second
    assert workers.said == []


def test_random_numbers_differ_between_attempts(workers: Runner) -> None:
    drawn = [workers.run(workers.process("random_numbers")).log.split()[-3:] for _ in range(4)]
    assert len({number for numbers in drawn for number in numbers}) == 12


def test_what_an_attempt_leaves_behind_is_gone_when_its_end_is_told(workers: Runner) -> None:
    workers.run(workers.process("leave_grandchildren"))
    left = [int(line) for line in (workers.cwd / "pids").read_text().split()]
    assert len(left) == 2
    assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []


def test_a_log_that_cannot_be_written_is_an_attempt_that_cannot_start(workers: Runner) -> None:
    process = workers.process("zero", log=workers.root / "nowhere" / "log")
    workers.executor.start(process)
    event = workers.inbox.get(timeout=30)
    while event.key != process.key or not hasattr(event, "message"):
        event = workers.inbox.get(timeout=30)
    assert event.message == f"{workers.root}/nowhere/log: No such file or directory"
    assert worker_of(workers)


def test_idle_workers_end_with_their_executor(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True, isolation="worker") as made:
        pid = worker_of(made)
        os.kill(pid, 0)
    assert not Path(f"/proc/{pid}").exists()


def test_a_worker_that_was_sent_a_signal_runs_nothing_more(workers: Runner) -> None:
    process = workers.process("terminated_politely")
    worker = workers.started(process)
    workers.executor.signal(process.key, signal.SIGTERM)
    workers.end(process)
    assert worker_of(workers) != worker


def test_the_place_of_an_idle_worker_that_died_is_taken_by_another(workers: Runner) -> None:
    worker = worker_of(workers)
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{worker}").exists())
    assert worker_of(workers) != worker
    assert workers.run(workers.process("zero")).code == 0
