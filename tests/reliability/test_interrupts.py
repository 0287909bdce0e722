"""Ctrl-C, SIGTERM, a closed terminal: through a real one, with real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminals import TASKS, OpenTerminal, awsbatch, eventually, execution_of, of_home, pyflyte, starts

from flytekitplugins.awsbatch.local.console.interrupts import SIGNALS, BetweenCalls, Interrupted, Interrupts
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import Home

pytestmark = pytest.mark.usefixtures("signals_of_a_terminal")


def test_ctrl_c_stops_the_jobs_and_the_same_command_goes_on(
    terminal: OpenTerminal, home: Path, marks: Path, tmp_path: Path
) -> None:
    command = pyflyte("gated", "--count", "4", "--folder", str(marks))
    first = terminal([*command[:2], "--env", "FLYTE_AWSBATCH_REPORT=out/run.html", *command[2:]])
    first.expect("2 running, 2 succeeded")
    # That they run does not mean that their code has begun.
    eventually(lambda: starts(marks) == dict.fromkeys(range(4), 1))
    first.type("\x03")
    assert first.ended() == 1

    execution = execution_of(first.plain)
    assert "Stopping n1 wait_at_the_gate" in first.plain
    assert f"Stopped execution {execution}" in first.plain
    assert "n1 wait_at_the_gate until then: 2 running, 2 succeeded" in first.plain
    assert f"To resume: FLYTE_AWSBATCH_RESUME={execution} " in first.plain
    assert "Traceback" not in first.plain
    assert of_home(home) == []
    # Neither the modes of the terminal nor a hidden cursor stay behind.
    assert first.modes_now() == first.modes
    assert first.text.count("\x1b[?25l") == first.text.count("\x1b[?25h")
    # What there was when it was stopped can be sent to somebody.
    report = (tmp_path / "out" / "run.html").read_text(encoding="utf-8")
    assert f"interrupted · {execution}" in report
    assert "2 succeeded" in report

    (marks / "gate").touch()
    second = terminal(command, FLYTE_AWSBATCH_RESUME=execution)
    assert second.ended() == 0, second.plain[-800:]
    assert second.plain.rstrip().endswith("14")
    assert starts(marks) == {0: 1, 1: 2, 2: 1, 3: 2}


def test_a_second_ctrl_c_leaves_at_once_and_leaves_nothing(terminal: OpenTerminal, home: Path, marks: Path) -> None:
    command = pyflyte("stubborn", "--folder", str(marks))
    first = terminal(command)
    eventually(lambda: starts(marks) == {0: 1}, lambda: first.plain[-800:])
    first.type("\x03")
    first.expect("Press Ctrl-C again to quit now")
    first.type("\x03")

    assert first.ended() == 128 + signal.SIGINT
    assert first.modes_now() == first.modes
    eventually(lambda: of_home(home) == [])

    # Nor has the half-finished stop made the job fail.
    (marks / "gate").touch()
    second = terminal(command, FLYTE_AWSBATCH_RESUME=execution_of(first.plain))
    assert second.ended() == 0, second.plain[-800:]
    assert starts(marks) == {0: 2}


@pytest.mark.parametrize("how", ["SIGTERM", "a closed terminal"])
def test_other_ways_to_end_it_leave_nothing_either(terminal: OpenTerminal, home: Path, marks: Path, how: str) -> None:
    run = terminal(pyflyte("gated", "--count", "2", "--folder", str(marks)))
    eventually(lambda: starts(marks) == {0: 1, 1: 1}, lambda: run.plain[-800:])
    if how == "SIGTERM":
        run.process.send_signal(signal.SIGTERM)
        assert run.ended() == 128 + signal.SIGTERM
        assert "To resume: " in run.plain
    else:
        run.hang_up()
        assert run.process.wait(60) == 128 + signal.SIGHUP
    assert of_home(home) == []
    (shown,) = subprocess.run(
        awsbatch("runs"), env={"FLYTE_AWSBATCH_HOME": str(home)}, capture_output=True, text=True, check=True
    ).stdout.splitlines()[1:]
    assert "interrupted" in shown


STATUSES = {"Ctrl-C": 1, "SIGTERM": 128 + signal.SIGTERM, "a closed terminal": 128 + signal.SIGHUP}


@pytest.mark.parametrize("how", STATUSES)
def test_a_workflow_that_is_ended_between_two_jobs_says_how_to_go_on(
    terminal: OpenTerminal, home: Path, marks: Path, how: str
) -> None:
    command = pyflyte("lingering", "--folder", str(marks))
    first = terminal(command)
    eventually((marks / "lingers").exists, lambda: first.plain[-800:])
    if how == "Ctrl-C":
        first.type("\x03")
    elif how == "SIGTERM":
        first.process.send_signal(signal.SIGTERM)
    else:
        first.hang_up()
    assert first.ended() == STATUSES[how]
    assert of_home(home) == []
    execution = execution_of(first.plain)
    if how != "a closed terminal":
        assert f"\nTo resume: FLYTE_AWSBATCH_RESUME={execution} " in first.plain
        assert "Traceback" not in first.plain
    assert past_runs.past_run(Home(home)).status == "interrupted"
    if how != "Ctrl-C":
        return

    (marks / "gate").touch()
    second = terminal(command, FLYTE_AWSBATCH_RESUME=execution)
    assert second.ended() == 0, second.plain[-800:]
    assert second.plain.rstrip().endswith("64")
    assert "n0 power: succeeded before" in second.plain
    assert past_runs.past_run(Home(home)).status == "succeeded"


def test_a_call_off_the_main_thread_is_stopped_as_the_process_ends(
    terminal: OpenTerminal, home: Path, marks: Path
) -> None:
    run = terminal(pyflyte("eagerly", "--folder", str(marks)))
    eventually(lambda: starts(marks) == {1: 1}, lambda: run.plain[-800:])
    run.type("\x03")

    assert run.ended() == 1
    assert "To resume: FLYTE_AWSBATCH_RESUME=" in run.plain
    assert of_home(home) == []


ON_THREADS = """
import threading

import reliability_tasks

from flytekitplugins.awsbatch.testing import emulation

threads = [
    threading.Thread(target=reliability_tasks.wait_at_the_gate, kwargs={{"n": n, "folder": {folder!r}}}) for n in (1, 3)
]
with emulation({home}):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.parametrize("is_kept", [True, False])
def test_calls_on_threads_of_a_program_end_without_tracebacks(
    terminal: OpenTerminal, home: Path, marks: Path, tmp_path: Path, is_kept: bool
) -> None:
    (tmp_path / "on_threads.py").write_text(ON_THREADS.format(folder=str(marks), home=f"{str(home)!r}" * is_kept))
    path = os.pathsep.join([str(TASKS.parent), os.environ.get("PYTHONPATH", "")])
    run = terminal([sys.executable, "on_threads.py"], PYTHONPATH=path)
    eventually(lambda: starts(marks) == {1: 1, 3: 1}, lambda: run.plain[-800:])
    run.type("\x03")
    assert run.ended() == 1
    assert run.plain.count("wait_at_the_gate until then: 1 running") == 2
    assert "Traceback" not in run.plain
    # The variable of a command says nothing to a block, and a temporary home has gone.
    ways = [line for line in run.plain.splitlines() if line.startswith("To resume: ")]
    assert [way.startswith(f"To resume: emulation({str(home)!r}, resume=") for way in ways] == [True] * is_kept
    assert of_home(home) == []


def test_ctrl_c_keeps_pythons_prompt_although_flytekits_handler_would_end_it(
    terminal: OpenTerminal, home: Path, marks: Path
) -> None:
    path = os.pathsep.join([str(TASKS.parent), os.environ.get("PYTHONPATH", "")])
    switches = {"FLYTE_AWSBATCH": "local", "FLYTE_AWSBATCH_HOME": str(home), "PYTHONPATH": path}
    run = terminal([sys.executable, "-q", "-i", "-c", "import reliability_tasks as tasks"], **switches)
    run.expect(">>> ")
    run.type(f"tasks.wait_at_the_gate(n=1, folder={str(marks)!r})\n")
    eventually(lambda: starts(marks) == {1: 1}, lambda: run.plain[-800:])
    run.type("\x03")
    run.expect("To resume: os.environ['FLYTE_AWSBATCH_RESUME'] = ")
    run.expect("\nKeyboardInterrupt\n>>> ")
    run.type("print(6 * 7)\n")
    run.expect("\n42\n")
    run.type("exit()\n")
    assert run.ended() == 0
    assert of_home(home) == []


@pytest.fixture
def pythons_own_handlers() -> Iterator[None]:
    """flytekit puts a handler of its own before SIGINT's."""
    own = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("pythons_own_handlers")
def test_handlers_are_put_back_and_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts():
        during = {number: signal.getsignal(number) for number in SIGNALS}
    after = {number: signal.getsignal(number) for number in SIGNALS}
    assert during[signal.SIGHUP] is signal.SIG_IGN
    assert during[signal.SIGINT] is not signal.default_int_handler
    assert after == {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_IGN,
    }


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The signals for which this process would have left at once."""
    numbers: list[int] = []
    monkeypatch.setattr("flytekitplugins.awsbatch.local.console.interrupts.leave_at_interrupt", numbers.append)
    return numbers


@pytest.mark.usefixtures("pythons_own_handlers")
def test_a_signal_between_two_waits_is_acted_on_at_the_next(left: list[int]) -> None:
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)
        waited: list[float] = []
        wait = interrupts.interruptible_wait(lambda job_id, **_: waited.append(time.time()))
        with pytest.raises(Interrupted) as caught:
            wait("job", round_seconds=0.0, error=False, timeout=None)
        # Closing a terminal sends more than one: that is no second wish.
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGINT)
    assert (caught.value.number, waited, left) == (signal.SIGTERM, [], [signal.SIGINT])
    assert isinstance(interrupts.as_before(signal.SIGTERM), SystemExit)
    assert isinstance(interrupts.as_before(signal.SIGINT), KeyboardInterrupt)


@pytest.mark.usefixtures("pythons_own_handlers")
def test_ctrl_c_never_ends_an_interactive_session(left: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds what a person has computed, and Ctrl-C means the command: press it twice in a notebook, or again for
    the next command."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            interrupts.raise_if_interrupted()
        assert left == []
        signal.raise_signal(signal.SIGTERM)
    between = BetweenCalls(lambda _: ["execution"])
    between.watch_interrupts()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert left == [signal.SIGTERM]
    signal.raise_signal(signal.SIGTERM)
    assert left == [signal.SIGTERM] * 2
    between.release()


@pytest.mark.usefixtures("pythons_own_handlers")
@pytest.mark.parametrize("error", [SystemExit(1), NameError("name 'exit' is not defined")])
def test_a_handler_that_exits_ends_the_command_of_an_interactive_session_only(
    left: list[int], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """flytekit's calls `exit`, which IPython takes away."""

    def exits(number: int, frame: object) -> None:
        raise error

    signal.signal(signal.SIGINT, exits)
    with Interrupts() as interrupts:
        with pytest.raises(type(error)):
            interrupts.as_before(signal.SIGINT)
        monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
        with pytest.raises(KeyboardInterrupt):
            interrupts.as_before(signal.SIGINT)
    between = BetweenCalls(lambda _: ["execution"])
    between.watch_interrupts()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    between.release()
    assert left == []


@pytest.mark.usefixtures("pythons_own_handlers")
def test_between_calls_a_signal_does_what_it_would_have_done_and_a_second_leaves_at_once(left: list[int]) -> None:
    names = ["execution"]
    between = BetweenCalls(lambda _: list(names))
    between.watch_interrupts()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert between.cut == ["execution"]
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGTERM)
    assert left == [signal.SIGTERM]
    between.note_call_between()
    with pytest.raises(SystemExit) as caught:
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 128 + signal.SIGTERM
    between.note_call_between()
    names.clear()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert between.cut == []
    between.release()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_programs_own_handler_still_has_its_say() -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGTERM)
        interrupts.as_before(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == [signal.SIGTERM]
