"""A process forked from a warm interpreter is what one started from nothing is: the same program, run both ways."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from warm_harness import Ended, Runner, runner

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere everything is a process")


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with runner(tmp_path_factory.mktemp("run"), warm=True) as made:
        yield made


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with runner(tmp_path_factory.mktemp("run"), warm=False) as made:
        yield made


def told(by: Runner, ended: Ended) -> tuple[int, str]:
    """The exit code and the log, with what has to differ made the same."""
    text = ended.log.decode(errors="backslashreplace").replace(str(by.root), "ROOT")
    return ended.code, re.sub(r"0x[0-9a-f]+", "0xN", re.sub(r"job-\d+:\d+", "job:N", text))


@pytest.mark.parametrize("end", ["none", "zero", "three", "large", "negative", "text", "true", "at_once"])
def test_exit_codes_are_the_same(warm: Runner, cold: Runner, end: str) -> None:
    assert told(warm, warm.run(warm.process(end))) == told(cold, cold.run(cold.process(end)))


@pytest.mark.parametrize(
    "what",
    [
        "surroundings",
        "numbers",
        "fail",
        "chained",
        "interrupted",
        "hook",
        "say_goodbye",
        "fail_goodbye",
        "leave_thread",
        "both_streams",
        "terminated",
        "full_disk",
    ],
)
def test_exit_code_and_log_are_the_same(warm: Runner, cold: Runner, what: str) -> None:
    extra = {"EMPTY": "", "AWS_BATCH_JOB_ARRAY_INDEX": "4", "FLYTE_SOMETHING": "set"}

    forked = told(warm, warm.run(warm.process(what, "--flag", "é", environment=extra)))

    assert forked == told(cold, cold.run(cold.process(what, "--flag", "é", environment=extra)))
    assert forked[1].startswith("imported")
    assert warm.said == []


def test_a_file_left_open_is_written(warm: Runner, cold: Runner) -> None:
    for each in (warm, cold):
        each.run(each.process("leave_file_open"))
        assert (each.cwd / "left.txt").read_text() == "not flushed"


def test_random_numbers_differ_between_children(warm: Runner) -> None:
    drawn = [warm.run(warm.process("random_numbers")).log.split()[-3:] for _ in range(4)]
    assert len({number for numbers in drawn for number in numbers}) == 12


def test_an_attempt_has_its_own_environment_and_folder(warm: Runner) -> None:
    other = warm.root / "other"
    other.mkdir(exist_ok=True)
    first = warm.run(warm.process("surroundings", environment={"FLYTE_A": "1", "AWS_BATCH_X": "1"}))
    second = warm.run(warm.process("surroundings", environment={"FLYTE_B": "1"}, cwd=other))
    assert b'"FLYTE_A"' in first.log
    assert b'"FLYTE_A"' not in second.log
    assert b'"AWS_BATCH_X"' not in second.log
    assert b'"FLYTE_B"' in second.log
    assert f'"cwd": "{other}"'.encode() in second.log


def test_scratch_directories_are_made_and_shared_by_no_one(warm: Runner) -> None:
    for name in ("one", "two"):
        scratch = warm.root / "scratch" / name
        warm.run(warm.process("leave_file_open", cwd=scratch, scratch=scratch))
    made = sorted(path.relative_to(warm.root / "scratch") for path in (warm.root / "scratch").rglob("*.txt"))
    assert made == [Path("one/left.txt"), Path("two/left.txt")]
    assert warm.said == []


@pytest.mark.parametrize("what", ["wait", "terminated_politely"])
def test_signals_do_the_same(warm: Runner, cold: Runner, what: str) -> None:
    results = []
    for each in (warm, cold):
        process = each.process(what)
        each.started(process)
        each.executor.signal(process.key, 15)
        results.append(told(each, each.end(process)))
    assert results[0] == results[1]
    assert results[0][0] == (143 if what == "wait" else 9)


def test_a_command_or_a_folder_that_is_not_there_says_the_same(warm: Runner, cold: Runner) -> None:
    results = []
    for each in (warm, cold):
        process = each.process("none", cwd=each.root / "nowhere")
        results.append(each.run(process).event.message.replace(str(each.root), "ROOT"))  # type: ignore[union-attr]
        process = each.process(argv=("no-such-command",))
        results.append(each.run(process).event.message)  # type: ignore[union-attr]
    assert results[:2] == results[2:]


def test_memory_over_the_limit_kills_in_both(warm: Runner, cold: Runner) -> None:
    for each in (warm, cold):
        event = each.run(each.process("eat", memory_limit=200)).event
        assert (event.exit_code, event.out_of_memory) == (137, True)  # type: ignore[union-attr]
