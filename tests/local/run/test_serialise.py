"""A task becomes the template that a registration would send, or is refused before anything is submitted."""

from __future__ import annotations

import importlib
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
from flytekit import ImageSpec, Resources, task

from flytekitplugins.awsbatch.local.run.serialise import NotLoadableError, serialise

TASKS = """
from flytekit import ImageSpec, Resources, task

@task(environment={"A": "b"}, requests=Resources(cpu="2"), retries=3)
def double(n: int) -> int:
    return 2 * n

@task(container_image=ImageSpec(name="built", registry="registry.example", packages=["numpy"], python_version="3.11"))
def imaged() -> None: ...

def wrapped(function):
    return function

renamed = double
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module `pack.tasks` that this process can import from a folder of its own."""
    package = tmp_path / "root" / "pack"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path / "root"))
    yield importlib.import_module("pack.tasks")
    for name in ("pack.tasks", "pack"):
        sys.modules.pop(name, None)


def test_the_template_is_what_a_registration_sends(module: ModuleType, tmp_path: Path) -> None:
    made = serialise(module.double, "flytesnacks", "development")
    template = made.template
    assert (template.id.project, template.id.domain, template.id.name, template.id.version) == (
        "flytesnacks",
        "development",
        "pack.tasks.double",
        "local",
    )
    assert list(template.container.args)[-4:] == ["task-module", "pack.tasks", "task-name", "double"]
    assert {pair.key: pair.value for pair in template.container.env} == {"A": "b"}
    assert template.metadata.retries.retries == 3
    assert (made.module, made.code_root) == ("pack.tasks", str(tmp_path / "root"))


def test_a_task_in_the_file_of_a_package_is_imported_from_the_folder_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_pack").mkdir()
    (tmp_path / "own_pack" / "__init__.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    package = importlib.import_module("own_pack")
    made = serialise(package.double, "p", "d")
    assert (made.module, made.code_root) == ("own_pack.__init__", str(tmp_path))
    original, package.double = package.double, 3
    with pytest.raises(NotLoadableError, match=r"in own_pack\.__init__, and that is something else"):
        serialise(original, "p", "d")
    sys.modules.pop("own_pack")


def test_a_task_whose_module_was_imported_from_within_its_package_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a project whose own folder has an `__init__.py`: its jobs have the folder around it on their path."""
    project = tmp_path / "my-project"
    project.mkdir()
    (project / "__init__.py").touch()
    (project / "own_flow.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(project))
    made = serialise(importlib.import_module("own_flow").double, "p", "d")
    assert (made.module, made.code_root) == ("my-project.own_flow", str(tmp_path))
    for name in ("own_flow", "my-project"):
        sys.modules.pop(name, None)


def test_an_image_spec_is_named_and_not_built(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from flytekit.image_spec.image_spec import ImageBuildEngine

    def built(spec: ImageSpec) -> None:
        raise AssertionError(f"{spec} would have been built")

    monkeypatch.setattr(ImageBuildEngine, "build", built)
    template = serialise(module.imaged, "p", "d").template
    assert template.container.image.startswith("registry.example/built:")
    assert module.imaged.container_image.source_root is None


def test_a_task_in_a_function_is_refused_with_the_way_out() -> None:
    @task
    def nested(n: int) -> int:
        return n

    with pytest.raises(NotLoadableError, match=r"as nested in .* does not exist\. Define it at the top level"):
        serialise(nested, "p", "d")


def test_a_task_whose_module_has_gone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    double = runpy.run_path(str(tmp_path / "tasks.py"))["double"]
    with pytest.raises(NotLoadableError, match="is in a module that Python does not know by its name"):
        serialise(double, "p", "d")


def test_a_task_whose_name_holds_something_else_is_refused(module: ModuleType) -> None:
    original, module.double = module.double, 3
    with pytest.raises(NotLoadableError, match=r"that is something else \(int\)"):
        serialise(original, "p", "d")


def test_a_script_that_is_the_main_module_is_named_as_a_child_imports_it(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent(
            """
            from flytekit import task
            from flytekitplugins.awsbatch.local.run.serialise import serialise

            @task
            def double(n: int) -> int:
                return 2 * n

            made = serialise(double, "p", "d")
            print(made.module, made.code_root, made.template.container.args[-1])
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["job", str(tmp_path), "double"]


def test_resources_reach_the_template(module: ModuleType) -> None:
    limits = serialise(module.double, "p", "d").template.container.resources
    assert [(entry.name, entry.value) for entry in limits.requests] == [(1, "2")]
    assert Resources(cpu="2") == module.double.resources.requests
