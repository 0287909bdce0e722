"""What importing the package brings into a process: little, since every pyflyte command of every user pays for it."""

from __future__ import annotations

import json
import subprocess
import sys

NAMESPACE = "flytekitplugins"
OWN = [
    "flytekitplugins.awsbatch",
    "flytekitplugins.awsbatch.maptask",
    "flytekitplugins.awsbatch.sdk",
    "flytekitplugins.awsbatch.sdk.emulated_calls",
    "flytekitplugins.awsbatch.sdk.errors",
    "flytekitplugins.awsbatch.sdk.key_order",
    "flytekitplugins.awsbatch.sdk.map_settings",
    "flytekitplugins.awsbatch.sdk.metadata",
    "flytekitplugins.awsbatch.sdk.raw_scheme",
    "flytekitplugins.awsbatch.sdk.refusals",
    "flytekitplugins.awsbatch.sdk.switch",
    "flytekitplugins.awsbatch.sdk.task_config",
    "flytekitplugins.awsbatch.task",
    "flytekitplugins.awsbatch.wire",
]


def modules_added(after_flytekit: str) -> list[str]:
    program = (
        "import json, sys, flytekit\n"
        "before = set(sys.modules)\n"
        f"{after_flytekit}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    added: list[str] = json.loads(done.stdout.splitlines()[-1])
    # Branch coverage of child processes brings modules of its own. The namespace is loaded at the interpreter's start
    # where a plugin of the old kind is installed too (a file `*-nspkg.pth`).
    return [name for name in added if name != NAMESPACE and not name.startswith(("coverage", "__editable__"))]


def test_the_package_brings_its_own_few_modules_and_nothing_else() -> None:
    assert modules_added("from flytekitplugins.awsbatch import AWSBatchConfig, map_task") == OWN


def test_flytekit_alone_brings_nothing_of_this_package() -> None:
    """No entry point of flytekit's leads here, so that the commands of people who do not use it stay as they are."""
    added = modules_added("import flytekit.clis.sdk_in_container.pyflyte")
    assert [name for name in added if name.startswith("flytekitplugins")] == []


def test_a_plain_call_brings_no_emulation() -> None:
    program = (
        "from flytekit import task\n"
        "from flytekitplugins.awsbatch import AWSBatchConfig\n"
        "sys.path.insert(0, 'tests/support')\n"
        "import sdk_tasks\n"
        "assert sdk_tasks.square(x=3) == 9"
    )
    added = [name for name in modules_added(program) if name.startswith("flytekitplugins")]
    inside = ["flytekitplugins.awsbatch.container", "flytekitplugins.awsbatch.container.job_attempt"]
    assert added == sorted([*OWN, *inside])
