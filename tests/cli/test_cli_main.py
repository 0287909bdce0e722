"""The group of commands: all that it promises is there, and asking for help brings no flytekit along."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from flytekitplugins.awsbatch.cli.main import COMMANDS, main


def test_every_command_listed_can_be_asked_for_help() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0, (name, result.output)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_the_command_itself_answers(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 0


@pytest.mark.parametrize(("typed", "meant"), [("job", "jobs"), ("log", "logs"), ("run", "runs"), ("server", "serve")])
def test_a_command_that_is_almost_right_is_answered_with_the_right_one(typed: str, meant: str) -> None:
    result = CliRunner().invoke(main, [typed], env={"COLUMNS": "200"})
    assert (result.exit_code, f"No such command '{typed}'. Did you mean '{meant}'?" in result.output) == (2, True)


def test_explaining_a_queue_does_not_import_flytekit() -> None:
    code = (
        "import sys; from flytekitplugins.awsbatch.cli.main import main; "
        "main(['queue', 'explain', 'm.w'], standalone_mode=False)"
    )
    watched = f"try:\n    exec({code!r})\nexcept SystemExit:\n    pass\nassert 'flytekit' not in sys.modules\n"
    subprocess.run([sys.executable, "-c", "import sys\n" + watched], check=True, capture_output=True)
