"""pyflyte serialize, package and register of the examples, plain and fast: the messages are compared whole."""

from __future__ import annotations

import shutil
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from admin_server import NATIVE_URL, Received, admin_server
from flyteidl.admin import launch_plan_pb2, task_pb2, workflow_pb2
from google.protobuf import json_format
from google.protobuf.message import Message
from sdk_golden import Expected
from sdk_pyflyte import IMAGE, pyflyte_process

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
MODULES = ("hello_batch", "stdlib_census")
TEMPLATED = (
    "pyflyte-fast-execute",
    "--additional-distribution",
    "{{ .remote_package_path }}",
    "--dest-dir",
    "{{ .dest_dir }}",
    "--",
)
PACKAGED = (*TEMPLATED[:4], "/root", "--")
UPLOADED = ("pyflyte-fast-execute", "--additional-distribution", NATIVE_URL, "--dest-dir", "/root", "--")
KINDS: dict[str, tuple[str, type[Message]]] = {
    "1": ("task", task_pb2.TaskSpec),
    "2": ("workflow", workflow_pb2.WorkflowSpec),
    "3": ("launch plan", launch_plan_pb2.LaunchPlan),
}

Entities = dict[tuple[str, str], Message]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's directory with the two examples in it and nothing else."""
    project = tmp_path / "project"
    project.mkdir()
    for module in MODULES:
        shutil.copy(EXAMPLES / f"{module}.py", project)
    return project


def pyflyte(project: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    done = pyflyte_process(project, *arguments, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def packages() -> list[str]:
    return [part for module in MODULES for part in ("--pkgs", module)]


def read(files: Iterable[tuple[str, bytes]]) -> Entities:
    """Entities from the files that pyflyte names `<n>_<name>_<kind>.pb`."""
    found: Entities = {}
    for name, data in files:
        if name.endswith(".pb"):
            kind, message = KINDS[name[-4]]
            found[kind, name.split("_", 1)[1][:-5]] = message.FromString(data)
    return found


def expected(prefix: tuple[str, ...] = (), **identity: str) -> Entities:
    sys.path.insert(0, str(EXAMPLES))
    try:
        import stdlib_census
    finally:
        sys.path.remove(str(EXAMPLES))
    return Expected(IMAGE, identity, prefix).entities(stdlib_census.Count)


def assert_same(found: Entities, wanted: Entities) -> None:
    assert sorted(found) == sorted(wanted)
    for key, message in wanted.items():
        assert json_format.MessageToDict(found[key]) == json_format.MessageToDict(message), key


@pytest.mark.parametrize(("mode", "prefix"), [([], ()), (["fast"], TEMPLATED)], ids=["plain", "fast"])
def test_pyflyte_serialize(project: Path, mode: list[str], prefix: tuple[str, ...]) -> None:
    out = project.parent / "out"
    out.mkdir()
    pyflyte(project, *packages(), "serialize", "--image", IMAGE, *mode, "workflows", "-f", str(out))
    assert_same(read((path.name, path.read_bytes()) for path in out.iterdir()), expected(prefix))


@pytest.mark.parametrize(("copy", "prefix"), [("none", ()), ("all", PACKAGED)], ids=["plain", "fast"])
def test_pyflyte_package(project: Path, copy: str, prefix: tuple[str, ...]) -> None:
    archive = project.parent / "package.tgz"
    pyflyte(project, *packages(), "package", "--image", IMAGE, "--copy", copy, "--output", str(archive))
    with tarfile.open(archive) as tar:
        files = [(member.name, tar.extractfile(member)) for member in tar.getmembers()]
        found = read((name, file.read()) for name, file in files if file is not None)
    assert_same(found, expected(prefix))


def registered_entities(registered: Received) -> Entities:
    """What admin was sent; a registration has no closures, so the launch plans get the empty ones of a file."""
    found: Entities = {("task", one.id.name): one.spec for one in registered.tasks}
    found |= {("workflow", one.id.name): one.spec for one in registered.workflows}
    for one in registered.launch_plans:
        plan = launch_plan_pb2.LaunchPlan(id=one.id, spec=one.spec)
        plan.closure.expected_inputs.SetInParent()
        plan.closure.expected_outputs.SetInParent()
        found["launch plan", one.id.name] = plan
    return found


@pytest.mark.parametrize(("copy", "prefix"), [("none", ()), ("all", UPLOADED)], ids=["plain", "fast"])
def test_pyflyte_register(project: Path, copy: str, prefix: tuple[str, ...]) -> None:
    with admin_server() as registered:
        pyflyte(
            project,
            *("register", "--project", "proj", "--domain", "development", "--version", "v7", "--image", IMAGE),
            *("--copy", copy, *(f"{module}.py" for module in MODULES)),
            environment={"FLYTE_PLATFORM_URL": registered.address, "FLYTE_PLATFORM_INSECURE": "true"},
        )
    assert_same(registered_entities(registered), expected(prefix, project="proj", domain="development", version="v7"))
    assert len(registered.uploads) == (0 if copy == "none" else 1)
