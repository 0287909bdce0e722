"""Ctrl-C, SIGTERM, a closed terminal: through a real one, with real signals to real process groups."""

from __future__ import annotations

import termios
from pathlib import Path

from conftest import OpenTerminal
from terminals import eventually, execution_of, of_home, pyflyte, starts


def test_ctrl_c_stops_the_jobs_and_the_same_command_goes_on(terminal: OpenTerminal, home: Path, marks: Path) -> None:
    command = pyflyte("gated", "--count", "4", "--folder", str(marks))
    first = terminal(command)
    eventually(lambda: starts(marks) == {0: 1, 1: 1, 2: 1, 3: 1}, lambda: first.plain)
    first.type("\x03")
    assert first.ended() == 1
    print(first.plain)

    execution = execution_of(first.plain)
    assert "Stopping n0 wait_at_the_gate" in first.plain
    assert f"Stopped execution {execution}" in first.plain
    assert f"FLYTE_AWSBATCH_RESUME={execution}" in first.plain
    assert "Traceback" not in first.plain
    assert of_home(home) == []
    # Neither the modes of the terminal nor a hidden cursor stay behind.
    assert termios.tcgetattr(first._slave) == first.modes
    assert first.text.count("\x1b[?25l") == first.text.count("\x1b[?25h")

    (marks / "gate").touch()
    second = terminal(command, FLYTE_AWSBATCH_RESUME=execution)
    assert second.ended() == 0, second.plain
    assert second.plain.rstrip().endswith("14")
    assert starts(marks) == {0: 1, 1: 2, 2: 1, 3: 2}
