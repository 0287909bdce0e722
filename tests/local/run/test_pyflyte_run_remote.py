"""`pyflyte run --remote` with the switch, which then travels to the cluster: nothing is emulated, here or there."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from admin_server import Received, admin_server
from flyteidl.core import literals_pb2
from pyflyte_command import SCRIPTS, SWITCH, Shell

FLOW = """
from flytekit import task
from flytekitplugins.awsbatch import AWSBatchConfig

@task(task_config=AWSBatchConfig())
def double(n: int) -> int:
    return 2 * n

@task(task_config=AWSBatchConfig())
def outer(n: int) -> int:
    return double(n=n) + 1
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def run_remote(shell: Shell, received: Received) -> None:
    shell.write("flow.py", FLOW)
    shell.environment |= {"FLYTE_PLATFORM_URL": received.address, "FLYTE_PLATFORM_INSECURE": "true"}
    done = shell.run("run", "--remote", "--image", "registry.example/i:v1", *SWITCH, "flow.py", "outer", "--n", "3")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_switch_of_a_remote_run_emulates_nothing(shell: Shell, tmp_path: Path) -> None:
    with admin_server() as received:
        run_remote(shell, received)
    (execution,) = received.executions
    assert {pair.key: pair.value for pair in execution.spec.envs.values} == {"FLYTE_AWSBATCH": "local"}
    (task,) = received.tasks
    assert task.spec.template.type == "aws-batch"
    assert not shell.home.exists()

    # The container there: the registered command with what propeller fills in, on the code that was uploaded.
    code = tmp_path / "container"
    with tarfile.open(fileobj=io.BytesIO(received.uploads[0])) as archive:
        archive.extractall(code)
    inputs = literals_pb2.LiteralMap()
    inputs.literals["n"].scalar.primitive.integer = 3
    (tmp_path / "inputs.pb").write_bytes(inputs.SerializeToString())
    filled = {"{{.input}}": "inputs.pb", "{{.outputPrefix}}/0": "out", "{{.rawOutputDataPrefix}}": "raw"}
    command = [
        str(tmp_path / filled[word]) if word in filled else "" if word.startswith("{{") else word
        for word in list(task.spec.template.container.args)
    ]
    command = command[command.index("--") + 1 :]
    shell.environment |= {"FLYTE_AWSBATCH": "local", "FLYTE_INTERNAL_EXECUTION_ID": "f0123456789"}
    done = shell.command(str(SCRIPTS / command[0]), *command[1:], cwd=code)
    assert done.returncode == 0, done.stderr
    outputs = literals_pb2.LiteralMap.FromString((tmp_path / "out" / "outputs.pb").read_bytes())
    assert outputs.literals["o0"].scalar.primitive.integer == 7
    assert not shell.home.exists()
