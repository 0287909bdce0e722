"""The group of commands: all that it promises is there, and asking for help brings no flytekit along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from ui_home import WrittenHome

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


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [("--version", ""), ("queue --help", ""), ("runs --json", ""), ("jobs", ""), ("logs n1", ""), ("logs n1", "1")],
)
def test_a_standard_output_that_is_full_is_told_of_in_a_sentence(
    tmp_path: Path, arguments: str, unbuffered: str
) -> None:
    home = WrittenHome(tmp_path / "home", 1)
    home.started(0, 1)
    home.log(0, "said\n")
    home.commit(home.ended(0, 2))
    home.write("succeeded")
    environment = {**os.environ, "FLYTE_AWSBATCH_HOME": str(home.home.path), "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "flytekitplugins.awsbatch.cli.main", *arguments.split()]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False)

    told = "Standard output cannot be written: No space left on device.\n"
    assert (ended.returncode, ended.stderr) == (1, told)


def test_a_reader_that_has_gone_is_not_told_of() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "flytekitplugins.awsbatch.cli.main", "queue", "explain", "m.w"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (1, "")
