"""`flyte-awsbatch lint --image IMAGE --run` against images that are right and wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import image_tasks
import pytest
from container_engines import BUSYBOX, PYTHON, TestEngine

from flytekitplugins.awsbatch.lint.image_needs import FAST_EXECUTE, ImageNeed, ImageReport, findings_of_image_needs

TASKS = Path(__file__).with_name("image_tasks.py")


def lint(engine: TestEngine, folder: Path, image: str, file: Path = TASKS, *more: str) -> list[tuple[str, str, str]]:
    """(code, task, message) of what is found in the container of an image."""
    settings = folder / "settings.yaml"
    settings.write_text(json.dumps({"emulator": {"container": engine.keys()}}))
    command = [sys.executable, "-m", "flytekitplugins.awsbatch.cli.main", "lint", str(file), "--image", image, "--run"]
    done = subprocess.run(
        [*command, "--config", str(settings), "--json", *more], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)["findings"]
    return [(one["code"], one["function"].rpartition(".")[2], one["message"]) for one in found]


def test_an_image_with_everything_is_right(container_engine: TestEngine, tmp_path: Path) -> None:
    assert lint(container_engine, tmp_path, PYTHON) == []


def test_an_image_without_python_cannot_start(container_engine: TestEngine, tmp_path: Path) -> None:
    found = lint(container_engine, tmp_path, BUSYBOX)

    assert {(code, task) for code, task, _ in found} == {("AB013", "one"), ("AB013", "each")}
    assert all("executable file not found in $PATH" in message for _, _, message in found)


def test_an_image_that_cannot_be_pulled_is_said(container_engine: TestEngine, tmp_path: Path) -> None:
    found = lint(container_engine, tmp_path, "localhost/nobody/has:this")

    assert all("CannotPullContainerError" in message for _, _, message in found)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("ENV PATH=/usr/local/bin:/usr/bin", "needs pyflyte-fast-execute pyflyte-execute on PATH"),
        ('ENTRYPOINT ["echo"]', "its entrypoint does not run the command"),
    ],
)
def test_what_is_wrong_with_an_image_is_said(
    container_engine: TestEngine, tmp_path: Path, change: str, expected: str
) -> None:
    image = container_engine.variant(PYTHON, change)

    (message,) = (message for _, task, message in lint(container_engine, tmp_path, image) if task == "one")
    assert expected in message


def test_a_module_that_needs_more_than_the_image_has_is_said(container_engine: TestEngine, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "tasks.py").write_text(
        "import sys\n"
        "if sys.argv[0].endswith('flyte_awsbatch_probe.py'):\n"
        "    import nothing_has_this\n" + TASKS.read_text().replace("from __future__ import annotations\n", "")
    )

    found = lint(container_engine, tmp_path, PYTHON, here / "tasks.py")

    assert {task for _, task, _ in found} == {"one", "each"}
    assert all("ModuleNotFoundError: No module named 'nothing_has_this'" in message for _, _, message in found)


@pytest.mark.parametrize(
    ("there", "then"),
    [
        ({}, "The job cannot start, leaves no log"),
        ({FAST_EXECUTE: "/bin/x"}, f"A job that is sent with its code fails in {FAST_EXECUTE}; with `--copy none` it"),
    ],
)
def test_what_follows_depends_on_whether_flytekit_is_there(there: dict[str, str], then: str) -> None:
    need = ImageNeed(image_tasks.one, image_tasks.one, "image:1", (FAST_EXECUTE, "pyflyte-execute"), "", None)

    (finding,) = findings_of_image_needs([need], ImageReport(commands=there))

    assert then in finding.message


def test_no_engine_is_said_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flytekitplugins.awsbatch.cli.main", "lint", str(TASKS), "--image", "x:1", "--run"]

    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"DOCKER_HOST": f"unix://{tmp_path}/nothing"}
    )

    assert done.returncode == 1
    assert "No container engine answers." in done.stderr
