"""What of a user's imports is known before a job runs."""

import dataclasses
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.local.deployment import preload

PROGRAM = """
import xml.dom.pulldom

import helper
from flytekitplugins.awsbatch.local.deployment.user_imports import installed_user_imports, user_import_sources

if __name__ == "__main__":
    print(*(name for name in installed_user_imports("flow") if name.startswith(("xml", "wave"))))
    print(*(file for file, *_ in user_import_sources("flow")))
"""


def test_a_script_is_read_as_the_module_that_jobs_import(tmp_path: Path) -> None:
    """`python flow.py`: its tasks' module is `flow`, which this process has as `__main__` alone."""
    script, helper = tmp_path / "flow.py", tmp_path / "helper.py"
    script.write_text(PROGRAM)
    helper.write_text("import wave\n")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True)
    installed, sources = done.stdout.splitlines()
    assert installed.split() == ["xml.dom.pulldom", "wave"]
    assert sources.split() == [str(script), str(helper)]


LATER = """
{imports}

from flytekit import task
from flytekitplugins.awsbatch.local.deployment.user_imports import LATE, installed_user_imports

if {is_declared}:
{declares}

if __name__ == "__main__":
    print(*(name for name in installed_user_imports("flow") if name in LATE.values()))
"""
DATACLASS = """
    @dataclass
    class Size:
        width: int

    @task
    def width(size: Size) -> int:
        return size.width
"""
MODEL = """
    class Size(BaseModel):
        width: int
"""


@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize(
    ("imports", "declares", "late"),
    [
        ("from dataclasses import dataclass", DATACLASS, "mashumaro.jsonschema"),
        ("from pydantic import BaseModel", MODEL, "pydantic.fields"),
    ],
)
def test_what_is_imported_while_a_task_is_declared_is_imported_in_advance(
    is_declared: bool, imports: str, declares: str, late: str, tmp_path: Path
) -> None:
    """Else each job imports it on its own, which takes longer than all else that it does."""
    pytest.importorskip(imports.split()[1])
    script = tmp_path / "flow.py"
    script.write_text(LATER.format(imports=imports, declares=declares, is_declared=is_declared))
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ([late] if is_declared else [])


@pytest.mark.parametrize(("everything", "there"), [(False, True), (True, False)])
def test_jobs_may_be_forked_without_their_libraries(
    monkeypatch: pytest.MonkeyPatch, everything: bool, there: bool
) -> None:
    """With `preload: everything` children share what the user's modules make, which they could not do then."""
    monkeypatch.setattr(preload, "installed_user_imports", lambda module: ("polars",))
    command = ("pyflyte-execute", "--inputs", "i", "--resolver", "a.b", "--", "task-module", "m", "task-name", "t")

    plan = preload.preload_plan.__wrapped__(
        command, sysconfig.get_path("scripts"), preload.PreloadOptions(everything=everything)
    )

    assert plan is not None
    without = dataclasses.replace(plan, preload=preload.ENTRY_MODULES, otherwise=None)
    assert plan.preload[-1] == ("m" if everything else "polars")
    assert plan.otherwise == (without if there else None)


def test_jobs_that_bring_their_code_may_be_forked_without_their_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preload, "installed_user_imports", lambda module: ("polars",))
    inner = ("pyflyte-execute", "--inputs", "i", "--resolver", "r", "--", "task-module", "of_a_code", "task-name", "t")
    command = ("python", "-m", wire.CODE_MODULE, "s3://b/x.tar.gz", "/code", *inner)

    plan = preload.preload_plan.__wrapped__(command, sysconfig.get_path("scripts"))

    assert plan is not None and plan.otherwise is not None and plan.install is not None
    assert (plan.otherwise.install, plan.otherwise.python_path) == (plan.install, ("/code",))
