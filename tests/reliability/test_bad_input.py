"""What people and other programs hand in: settings, switches, words on a command line, files of a home; fuzzed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.local import all_settings as settings_module
from flytekitplugins.awsbatch.local.console import interrupts, redaction
from flytekitplugins.awsbatch.local.deployment import opening
from flytekitplugins.awsbatch.local.deployment.opening import SwitchError
from flytekitplugins.awsbatch.local.history.record import RecordError, RunRecord
from flytekitplugins.awsbatch.local.home import Home, HomeError
from flytekitplugins.awsbatch.settings.problems import SettingsError

FUZZ = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates())
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)
KNOWN = {
    "emulator": ("vcpus", "memory", "kill_grace", "faults", "isolation", "keep_runs_days", "hang_limit", "role"),
    "queues": ("executionQueues", "workflowConfigs"),
    "plugins": ("aws", "k8s", "catalogCache"),
    "flyteadmin": ("roleNameKey",),
    "tasks": ("task-plugins",),
    "propeller": ("max-workflow-retries", "node-config"),
    "catalog-cache": ("type", "max-cache-age"),
}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Settings whose keys are right and whose values are anything."""
    block = draw(st.sampled_from(sorted(KNOWN)))
    return {block: draw(st.one_of(trees, st.dictionaries(st.sampled_from(KNOWN[block]), trees, max_size=3)))}


def read(text: str) -> None:
    """Reads settings to their end; all that may be raised is SettingsError with words in it."""
    try:
        settings_module.parse_all_settings(text)
    except SettingsError as error:
        assert str(error).strip()


@FUZZ
@given(document=documents())
@example({"emulator": {"faults": [{}]}})
@example({"emulator": {"faults": [{"kind": None, "every": 1}]}})
@example({"emulator": {"faults": {"kind": "flood"}}})
def test_settings_of_any_values_are_read_or_refused_with_words(document: dict[str, Any]) -> None:
    read(yaml.safe_dump(document))


@FUZZ
@given(text=st.text(max_size=60))
@example("a: b: c")
@example("\t")
@example("&a [*a]")
@example("? [")
@example("- " * 500)
@example("{" * 2000)
def test_settings_of_any_text_are_read_or_refused_with_words(text: str) -> None:
    read(text)


def test_settings_cannot_run_anything(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        settings_module.parse_all_settings(f"emulator: !!python/object/apply:os.mkdir ['{tmp_path}/made']")
    assert list(tmp_path.iterdir()) == []


COMMANDS = ["runs", "jobs", "logs", "kill", "rerun", "cache", "queue", "config", "lint", "nosuch"]
# No null: no shell can pass one; see `test_what_people_do_next` for it. No folder outside: `lint` runs what it finds.
words = st.text(st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), max_size=12)


def in_folder(folder: Path, words: list[str], environment: dict[str, str]) -> Result:
    """What the command answers in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(main, words, env=environment)
    finally:
        os.chdir(before)


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(command=st.sampled_from(COMMANDS), arguments=st.lists(st.one_of(words, st.just("--json")), max_size=4))
@example(command="logs", arguments=["../../../etc/passwd"])
@example(command="rerun", arguments=["..", "..", "0"])
@example(command="jobs", arguments=["/etc"])
@example(command="lint", arguments=[""])
@example(command="lint", arguments=["."])
@example(command="config", arguments=["check", "/dev/null"])
def test_any_words_on_the_command_line_are_answered(
    tmp_path_factory: pytest.TempPathFactory, command: str, arguments: list[str]
) -> None:
    home = tmp_path_factory.getbasetemp() / "words"
    answer = in_folder(home / "below" / "here", [command, *arguments], {"FLYTE_AWSBATCH_HOME": str(home)})
    assert answer.exit_code in (0, 1, 2), answer.output
    assert answer.exception is None or isinstance(answer.exception, SystemExit), (answer.exception, arguments)


@pytest.mark.parametrize("value", ["yes", "1", "ftp://host", "http:/x", "locale", "\N{SNOWMAN}"])
def test_a_switch_that_means_nothing_says_what_it_could_mean(value: str) -> None:
    with pytest.raises(SwitchError, match="expected 'local'"):
        opening.deployment_from_environment({"FLYTE_AWSBATCH": value})


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "../runs", "a\0b"])
def test_a_name_cannot_lead_out_of_the_home(tmp_path: Path, name: str) -> None:
    with pytest.raises(HomeError, match="is not the name of an execution"):
        Home(tmp_path).run(name)


@FUZZ
@given(data=st.binary(max_size=80))
@example(b"")
@example(b"null")
@example(b"[]")
@example(b'{"format": 1')
def test_a_damaged_record_is_named(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    record = RunRecord(tmp_path_factory.getbasetemp())
    record.execution_file.write_bytes(data)
    with pytest.raises(RecordError, match=r"execution\.json"):
        record.execution()


def test_records_are_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    record = RunRecord(tmp_path)
    record.write_node("n0", {"status": "running"})
    with pytest.raises(TypeError):
        record.write_node("n0", {"status": object()})
    assert record.node("n0") == {"format": 1, "status": "running"}
    assert [path.name for path in (tmp_path / "nodes").iterdir()] == ["n0.json"]


# Secrets.


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("AWS_SECRET_ACCESS_KEY", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("AWS_SESSION_TOKEN", True),
        ("db_password", True),
        ("PGPASSWD", True),
        ("GITHUB_PAT", True),
        ("HTTP_AUTH", True),
        ("apiKey", True),
        ("PATH", False),
        ("PWD", False),
        ("AUTHOR", False),
        ("MONKEY", False),
        ("KEYBOARD", False),
        ("FLYTE_AWSBATCH_HOME", False),
    ],
)
def test_a_variables_name_tells_whether_it_is_a_secret(name: str, secret: bool) -> None:
    assert redaction.is_name_to_redact(name) is secret


def test_secrets_are_hidden_in_texts_and_in_commands() -> None:
    environ = {"API_TOKEN": "abcdefgh", "TOKEN": "short", "LONGER_TOKEN": "abcdefghij", "HOME": "/home/someone"}
    assert redaction.redact("abcdefghij, abcdefgh, short, /home/someone", environ) == "***, ***, short, /home/someone"
    argv = ["run", "--env", "DB_PASSWORD=x=y", "--api-key", "k", "--token", "--flag", "--secret=s", "n=1", "abcdefgh"]
    assert redaction.redact_command(argv, environ) == [
        *("run", "--env", "DB_PASSWORD=***", "--api-key", "***", "--token", "--flag", "--secret=***", "n=1", "***"),
    ]


def test_leaving_at_once_is_the_status_of_the_signal() -> None:
    code = f"from {interrupts.__name__} import leave_at_interrupt; leave_at_interrupt(2)"
    assert subprocess.run([__import__("sys").executable, "-c", code], check=False).returncode == 130
