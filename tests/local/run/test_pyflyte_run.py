"""`pyflyte run`, as a process of its own: from any folder, for any layout of a project, on a terminal and in a pipe."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pyflyte_command import SWITCH, Shell, without_colours

HEAD = """
import os
from flytekit import ImageSpec, eager, task, workflow
from flytekitplugins.awsbatch import AWSBatchConfig, map_task
"""
FLOW = (
    HEAD
    + """
# Building it would need a docker, which is not on PATH.
IMAGE = ImageSpec(name="never-built", registry="registry.example", packages=["flytekitplugins-awsbatch"])

@task(task_config=AWSBatchConfig(), container_image=IMAGE)
def double(n: int) -> int:
    print("in job", os.environ.get("AWS_BATCH_JOB_ID"))
    return 2 * n

@task(task_config=AWSBatchConfig())
def total(ns: list[int]) -> int:
    if not ns:
        raise ValueError("nothing to add")
    return sum(ns)

@workflow
def wf(ns: list[int]) -> int:
    return total(ns=map_task(double)(n=ns))

@eager
async def eager_wf(n: int) -> int:
    return wf(ns=[n, double(n=n)])
"""
)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def runs(shell: Shell) -> int:
    return len(list(shell.home.glob("runs/*/execution.json")))


def test_a_script_in_another_folder(shell: Shell) -> None:
    shell.write("other/dir/flow.py", FLOW)
    done = shell.run("run", *SWITCH, "other/dir/flow.py", "wf", "--ns", "[1, 2]")
    assert (done.returncode, done.stdout.splitlines()) == (0, ["Running Execution on local.", "6"]), done.stderr
    lines = done.stderr.splitlines()
    told = [line for line in lines if line.startswith("Execution ") or "succeeded" in line]
    assert told[0].endswith("of other.dir.flow.wf") or told[0].endswith("of flow.wf")
    assert told[1:] == ["n0 double: 2 succeeded", "n1 total: 1 succeeded"]
    assert "\x1b" not in done.stderr
    assert runs(shell) == 1
    # The same without the switch: plain flytekit, and nothing of ours.
    plain = shell.run("run", "other/dir/flow.py", "wf", "--ns", "[1, 2]")
    assert (plain.stdout.splitlines()[-1], runs(shell)) == ("6", 1)


def test_a_package_with_init_files(shell: Shell) -> None:
    """flytekit takes the first folder without an `__init__.py` for the root, and so does a child."""
    shell.write("project/shop/__init__.py", "")
    shell.write("project/shop/jobs/__init__.py", "")
    shell.write("project/shop/jobs/tasks.py", FLOW)
    shell.write("project/shop/jobs/flows.py", "from .tasks import eager_wf, total, wf\nfrom shop.jobs import tasks\n")
    done = shell.run("run", *SWITCH, "project/shop/jobs/flows.py", "wf", "--ns", "[3, 4]")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "14"), done.stderr


@pytest.mark.slow
def test_scripts_beside_each_other_without_init_files(shell: Shell) -> None:
    shell.write("scripts/jobs/helpers.py", FLOW)
    shell.write("scripts/jobs/flows.py", "from helpers import eager_wf, wf\n")
    done = shell.run("run", *SWITCH, "jobs/flows.py", "wf", "--ns", "[5, 6]", cwd=shell.user / "scripts")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "22"), done.stderr


def test_a_task_and_an_eager_function(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    done = shell.run("run", *SWITCH, "flow.py", "double", "--n", "21")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "42"), done.stderr
    # Its calls come from another thread, where Python allows no signal handlers.
    done = shell.run("run", *SWITCH, "flow.py", "eager_wf", "--n", "5")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "30"), done.stderr
    assert runs(shell) == 3


def test_an_execution_to_resume_is_reported_as_ignored_where_the_emulation_is_off(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    shell.environment["FLYTE_AWSBATCH_RESUME"] = "abc"
    done = shell.run("run", "flow.py", "wf", "--ns", "[1, 2]")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("FLYTE_AWSBATCH_RESUME=abc is ignored: without FLYTE_AWSBATCH=local") == 1


def test_a_failure_is_explained_and_ends_the_command_with_an_error(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    done = shell.run("run", *SWITCH, "flow.py", "total", "--ns", "[]")
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "Task flow.total (node" in said
    assert "ValueError: nothing to add" in said
    assert f"Its log has nothing beyond this ({shell.home}/batch/logs/" in said
    assert "asctime" not in said


def test_a_failure_ends_with_the_command_that_resumes_it(shell: Shell) -> None:
    shell.write("flow.py", FLOW.replace("if not ns:", "if not os.path.exists('mended'):"))
    done = shell.run("run", *SWITCH, "flow.py", "wf", "--ns", "[1, 2]")
    assert done.returncode != 0
    told, command = done.stderr.splitlines()[-2:]
    assert told.endswith("once the cause is mended (what has succeeded does not run again):")
    shell.write("mended", "")
    again = shell.command("sh", "-c", command)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "6"), again.stderr
    assert "n0 double: succeeded before" in again.stderr
    assert runs(shell) == 1


def test_progress_is_live_on_a_terminal(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    status, shown = shell.on_a_terminal("run", *SWITCH, "flow.py", "wf", "--ns", "[1, 2]")
    assert status == 0, shown
    assert "\x1b[?25l" in shown  # a line that is drawn again and again hides the cursor
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")
    text = without_colours(shown)
    assert "2/2" in text
    assert text.split()[-1] == "6"


LOST = (
    HEAD
    + """
def compute(n: int) -> int:
    return n

made = task(task_config=AWSBatchConfig())(compute)

@workflow
def wf(n: int) -> int:
    return made(n=n)
"""
)


def test_a_task_that_a_child_would_not_find_is_refused_before_anything_is_submitted(shell: Shell) -> None:
    """A task in a function flytekit itself refuses, where it is declared."""
    shell.write("flow.py", LOST)
    done = shell.run("run", *SWITCH, "flow.py", "wf", "--n", "1")
    assert done.returncode != 0
    assert "top level of a module" in " ".join((done.stdout + done.stderr).split())
    assert list(shell.home.glob("runs/*/nodes")) == []


def test_a_task_of_a_notebook_is_refused(shell: Shell) -> None:
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("papermill")
    call = "try:\n    map_task(double)(n=[1, 2])\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    cell = nbformat.v4.new_code_cell(FLOW + call)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    shell.write("book.ipynb", nbformat.writes(book))
    shell.environment["FLYTE_AWSBATCH"] = "local"
    done = shell.command(sys.executable, "-m", "papermill", "book.ipynb", "out.ipynb")
    assert done.returncode == 0, done.stderr
    (output,) = nbformat.read(shell.user / "out.ipynb", 4).cells[0].outputs
    assert output.text.startswith("NotLoadableError Task double is defined in a notebook or an interactive session")
    assert list(shell.home.glob("runs/*/nodes")) == []


def test_a_script_that_is_run_by_python_itself(shell: Shell) -> None:
    shell.write("place/flow.py", FLOW + '\nif __name__ == "__main__":\n    print(wf(ns=[1, 2]))\n')
    shell.environment["FLYTE_AWSBATCH"] = "local"
    done = shell.command(sys.executable, "place/flow.py")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "6"), done.stderr


@pytest.mark.parametrize(("setting", "expected"), [("drop", "unset"), ("forward", "hello")])
def test_variables_of_an_execution_reach_jobs_only_where_that_is_asked_for(
    shell: Shell, setting: str, expected: str
) -> None:
    """FlytePropeller gives them to pods, and nil to the transformer of AWS Batch jobs."""
    shell.write("settings.yaml", f"emulator: {{execution_env: {setting}}}")
    shell.write(
        "flow.py",
        HEAD
        + """
@task(task_config=AWSBatchConfig())
def greeting() -> str:
    return os.environ.get("GREETING", "unset")
""",
    )
    switch = (*SWITCH, "--env", "FLYTE_AWSBATCH_CONFIG=settings.yaml", "--env", "GREETING=hello")
    done = shell.run("run", *switch, "flow.py", "greeting")
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, [expected]), done.stderr
    named = "greeting gets GREETING for the execution" in " ".join(done.stderr.split())
    assert named is (setting == "drop"), done.stderr
