"""The wheel that goes into an image: complete, the same each time, and able to run a child."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from flytekit.image_spec.default_builder import create_docker_context
from flytekit.image_spec.image_spec import ImageSpec

from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.cli.wheel import how_to_install_wheel
from flytekitplugins.awsbatch.local.deployment.emulation import emulation

PROGRAM = """
from flytekit import task, workflow
from flytekitplugins.awsbatch import AWSBatchConfig, map_task
import flytekitplugins.awsbatch

@task(task_config=AWSBatchConfig())
def square(n: int) -> int:
    print("made by", flytekitplugins.awsbatch.__file__)
    return n * n

@workflow
def squares(ns: list[int]) -> list[int]:
    return map_task(square)(n=ns)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    answer = CliRunner().invoke(main, ["wheel", "-o", str(folder), "--json"])
    assert answer.exit_code == 0, answer.output
    return Path(json.loads(answer.stdout)["wheel"])


def test_the_wheel_has_every_file_and_knows_its_commands(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (about,) = {name.partition("/")[0] for name in names if ".dist-info/" in name}
        recorded = archive.read(f"{about}/RECORD").decode().splitlines()
        commands = archive.read(f"{about}/entry_points.txt").decode()
    assert {"flytekitplugins/awsbatch/py.typed", "flytekitplugins_awsbatch_timeout.py"} <= set(names)
    assert sorted(line.partition(",")[0] for line in recorded) == sorted(names)
    assert "pyflyte-awsbatch-map-execute" in commands
    again = CliRunner().invoke(main, ["wheel", "-o", str(tmp_path), "--json"])
    assert Path(json.loads(again.stdout)["wheel"]).read_bytes() == wheel.read_bytes()


def test_what_is_printed_makes_an_image(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wheels").mkdir()
    place = Path(shutil.copy(wheel, "wheels")).absolute()
    line = how_to_install_wheel(place)[1].strip().replace("...", 'name="app", registry="r"')
    spec = eval(line, {"ImageSpec": ImageSpec})
    context = tmp_path / "context"
    context.mkdir()
    create_docker_context(spec, context)
    dockerfile = (context / "Dockerfile").read_text()
    assert (context / "wheels" / wheel.name).read_bytes() == wheel.read_bytes()
    assert f"COPY --chown=flytekit wheels/{wheel.name} /root/wheels/" in dockerfile
    assert f"uv pip install /root/wheels/{wheel.name}" in dockerfile


def test_a_child_runs_in_an_environment_made_of_the_wheel(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an image: nothing of the working copy is on its path, only what the wheel and flytekit bring."""
    environment = tmp_path / "image"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    target = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", target], check=True, capture_output=True, text=True).stdout.strip())
    # flytekit and what it needs, without what an editable installation adds to the path.
    (site / "flytekit.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    installing = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*installing, "--ignore-installed", wheel], check=True)
    code = tmp_path / "code"
    code.mkdir()
    (code / "wheel_program.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(str(code))
    import wheel_program  # type: ignore[import-not-found]

    with emulation(tmp_path / "home", quiet=True) as awsbatch:
        assert wheel_program.squares(ns=[3, 4]) == [9, 16]
        (request,) = awsbatch.requests
    overrides = request["containerOverrides"]
    assert overrides["command"][0] == "pyflyte-awsbatch-map-execute"
    variables = {each["name"]: each["value"] for each in overrides["environment"]}
    ran = subprocess.run(
        [environment / "bin" / overrides["command"][0], *overrides["command"][1:]],
        env={
            **variables,
            "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(code),
            "AWS_BATCH_JOB_ID": "job:1",
            "AWS_BATCH_JOB_ARRAY_INDEX": "1",
            "AWS_BATCH_JOB_ATTEMPT": "1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"made by {site}/flytekitplugins/awsbatch/__init__.py" in ran.stdout
