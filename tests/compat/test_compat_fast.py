"""Fast registration: `pyflyte package --copy all`, what is in the package unpacked, and its very commands run as jobs,
in folders where there is no other copy of the code."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compat_run import with_emulator
from flyteidl.admin import task_pb2
from flyteidl.core import literals_pb2, tasks_pb2

from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_request import ExecutionId, NodeRequest
from flytekitplugins.awsbatch.testing import Emulation, emulation

PACKAGE = {
    "shop/__init__.py": "",
    "shop/prices.py": "FACTOR = 3\n",
    "shop/flow.py": """
import os
from flytekit import task, workflow
from flytekitplugins.awsbatch import AWSBatchConfig, map_task
from .prices import FACTOR

@task(task_config=AWSBatchConfig())
def price(n: int) -> int:
    assert os.path.exists("unused.txt"), os.listdir()
    return FACTOR * n

@workflow
def wf(ns: list[int]) -> int:
    map_task(price)(n=ns)
    return price(n=1)
""",
    "unused.txt": "no module imports this; --copy all takes it along\n",
}


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    """Jobs see nothing of this process's environment."""
    settings = with_emulator(environment="clean")
    with emulation(tmp_path_factory.mktemp("batch"), settings=settings, quiet=True) as running:
        yield running


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tasks_pb2.TaskTemplate]:
    """By task type, with the package's code in the place that flytectl would have uploaded it to."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in PACKAGE.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    pyflyte = str(Path(sys.executable).parent / "pyflyte")
    words = ["--pkgs", "shop", "package", "--image", "registry.example/i:v1", "--copy", "all", "-o", "package.tgz"]
    environment = {**os.environ, "HOME": str(folder)}
    done = subprocess.run([pyflyte, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(folder / "package.tgz") as archive:
        archive.extractall(unpacked)
    (code,) = unpacked.glob("*.tar.gz")
    found = {}
    for path in unpacked.glob("*_1.pb"):
        template = task_pb2.TaskSpec.FromString(path.read_bytes()).template
        words = list(template.container.args)
        words[words.index("{{ .remote_package_path }}")] = str(code)
        # By default a folder of the image.
        words[words.index("--dest-dir") + 1] = "."
        del template.container.args[:]
        template.container.args.extend(words)
        template.container.config.add(key="child_queue", value="default")
        found[template.type] = template
    return found


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"), [("aws-batch", 5, 15), ("container_array", [1, 2], [3, 6])], ids=["single", "map"]
)
def test_the_packaged_command_brings_its_own_code(
    batch: Emulation, templates: dict[str, tasks_pb2.TaskTemplate], kind: str, inputs: Any, expected: Any
) -> None:
    template = templates[kind]
    assert template.container.args[0] == "pyflyte-fast-execute"
    request = NodeRequest(
        execution=ExecutionId("p", "d", f"fast{kind[:3]}"),
        workflow="shop.flow.wf",
        node_id="n0",
        template=template,
        inputs=literals_pb2.LiteralMap(literals={"n": literal(inputs)}),
        metadata_prefix=str(batch.home / "meta"),
        raw_output_prefix=str(batch.home / "raw"),
    )
    deployment = batch._deployment
    result = NodeExecution(request, deployment.services).run(deployment.backend.wait)
    assert result.succeeded, batch.log(str(result.job_id), 0 if kind == "container_array" else None)
    assert result.outputs is not None
    assert result.outputs.literals["o0"] == literal(expected)


def literal(value: Any) -> literals_pb2.Literal:
    made = literals_pb2.Literal()
    if isinstance(value, list):
        made.collection.literals.extend(map(literal, value))
    else:
        made.scalar.primitive.integer = value
    return made
