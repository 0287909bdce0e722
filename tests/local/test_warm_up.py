"""An interpreter is started as soon as it is known that jobs will need it, and never otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from inner_sessions import pytest_command

import flytekitplugins_awsbatch_pytest
from flytekitplugins.awsbatch.sdk import switch

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere everything is a process")

SUPERVISORS = """
    import time
    from pathlib import Path

    def command(pid):
        # Empty for a moment where the shell before it becomes the supervisor.
        while not (found := Path(f"/proc/{pid}/cmdline").read_text()):
            time.sleep(0.001)
        return found

    def supervisors():
        children = Path("/proc/self/task").glob("*/children")
        found = [pid for file in children for pid in file.read_text().split()]
        return [pid for pid in found if "executors.supervisor" in command(pid)]
"""
SESSION = """
    from conftest import supervisors

    {first_line}

    def test_before_the_fixture():
        assert len(supervisors()) == {started}

    def test_uses({fixture}):
        import sys

        assert {started} or "flytekit" not in sys.modules
"""


def run_session(folder: Path, first_line: str, *options: str, fixture: str = "awsbatch", started: int = 1) -> None:
    session = SESSION.format(first_line=first_line, fixture=fixture, started=started)
    (folder / "conftest.py").write_text(textwrap.dedent(SUPERVISORS))
    (folder / "test_session.py").write_text(textwrap.dedent(session))
    done = subprocess.run(pytest_command(folder, *options), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("fixture", "options", "started"),
    [("awsbatch", (), 1), ("awsbatch_factory", (), 1), ("tmp_path", (), 0), ("awsbatch", ("-k", "before"), 0)],
    ids=["the fixture", "the factory", "neither", "deselected"],
)
def test_a_session_starts_one_when_it_collects_the_first_test_that_asks_for_the_fixture(
    tmp_path: Path, fixture: str, options: tuple[str, ...], started: int
) -> None:
    run_session(tmp_path, "", *options, fixture=fixture, started=started)


def test_it_is_started_before_the_file_is_imported_that_has_such_a_test(tmp_path: Path) -> None:
    run_session(tmp_path, "assert len(supervisors()) == 1")


def test_a_coroutine_that_asks_for_the_fixture_counts(tmp_path: Path) -> None:
    (tmp_path / "test_coroutine.py").write_text("async def test_it(awsbatch): ...")
    assert flytekitplugins_awsbatch_pytest.asks_for_fixture(tmp_path / "test_coroutine.py")


@pytest.mark.parametrize(
    ("first_line", "options"),
    [
        ("assert len(supervisors()) == 0", ("-k", "uses")),
        ("import pytest; assert len(supervisors()) == 0; pytest.importorskip('os')", ()),
    ],
    ids=["some tests are chosen", "the file may be skipped"],
)
def test_it_is_not_started_before_the_file_is_imported_where_its_tests_may_be_left_out(
    tmp_path: Path, first_line: str, options: tuple[str, ...]
) -> None:
    run_session(tmp_path, first_line, *options)


@pytest.mark.parametrize(
    ("argv", "variables", "expected"),
    [
        (["script.py"], {"FLYTE_AWSBATCH": "local"}, True),
        (["script.py"], {"FLYTE_AWSBATCH_CONFIG": "settings.yaml"}, True),
        (["script.py"], {}, False),
        (["script.py"], {"FLYTE_AWSBATCH": "off", "FLYTE_AWSBATCH_CONFIG": "settings.yaml"}, False),
        (["script.py"], {"FLYTE_AWSBATCH": "http://127.0.0.1:8044"}, False),
        (["script.py"], {"FLYTE_AWSBATCH": "local", "AWS_BATCH_JOB_ID": "a-job"}, False),
        (["bin/pyflyte", "run", "flow.py", "flow"], {"FLYTE_AWSBATCH": "local"}, True),
        (["bin/pyflyte", "run", "--env", "FLYTE_AWSBATCH=local", "flow.py", "flow"], {}, True),
        (["bin/pyflyte", "run", "--envvars=FLYTE_AWSBATCH=local", "flow.py", "flow"], {}, True),
        (["bin/pyflyte", "run", "--env", "FLYTE_AWSBATCH=off", "flow.py", "f"], {"FLYTE_AWSBATCH": "local"}, False),
        (["bin/pyflyte", "run", "--env", "FLYTE_AWSBATCH_CONFIG=settings.yaml", "flow.py", "flow"], {}, False),
        (["bin/pyflyte", "run", "--remote", "flow.py", "flow"], {"FLYTE_AWSBATCH": "local"}, False),
        (["script.py", "--env", "FLYTE_AWSBATCH=local"], {}, False),
        (["bin/pyflyte", "run", "flow.py", "flow", "--help"], {"FLYTE_AWSBATCH": "local"}, False),
        (["bin/pyflyte", "register", "flow.py"], {"FLYTE_AWSBATCH": "local"}, False),
        (["bin/flyte-awsbatch", "lint", "flow.py"], {"FLYTE_AWSBATCH": "local"}, False),
    ],
)
def test_calls_are_expected_where_tasks_that_are_declared_run_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], variables: dict[str, str], expected: bool
) -> None:
    for name in ("FLYTE_AWSBATCH", "FLYTE_AWSBATCH_CONFIG", "AWS_BATCH_JOB_ID", "FLYTE_INTERNAL_EXECUTION_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", argv)
    assert switch.emulation_expected() is expected


PROGRAM = """
from flytekit import task, workflow
from flytekitplugins.awsbatch import AWSBatchConfig
from flytekitplugins.awsbatch.batch.emulator.execution.executors import interpreters

started = list(interpreters.interpreters_of_this_process()._alive)

@task(task_config=AWSBatchConfig())
def double(x: int) -> int:
    return 2 * x

@task
def check(x: int) -> int:
    # In the process of the caller.
    (used,) = interpreters.interpreters_of_this_process()._alive
    assert started == [used]
    return x

@workflow
def flow() -> int:
    return check(x=double(x=2))

if __name__ == "__main__":
    assert flow() == 4
"""


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (["python", "script.py"], {"FLYTE_AWSBATCH": "local"}),
        (["pyflyte", "run", "script.py", "flow"], {"FLYTE_AWSBATCH": "local"}),
        (["pyflyte", "run", "--env", "FLYTE_AWSBATCH=local", "script.py", "flow"], {}),
    ],
)
def test_one_is_started_before_a_task_for_jobs_is_declared(
    tmp_path: Path, command: list[str], variables: dict[str, str]
) -> None:
    (tmp_path / "script.py").write_text(PROGRAM)
    environment = {**os.environ, **variables, "FLYTE_AWSBATCH_HOME": str(tmp_path / "home")}
    program = str(Path(sys.executable).with_name(command[0]))
    done = subprocess.run(
        [program, *command[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
