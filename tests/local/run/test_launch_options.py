"""What the options of a `pyflyte run` that launches say about its jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flytekit.clis.sdk_in_container import pyflyte
from flytekit.clis.sdk_in_container.run import RunLevelParams

FLOW = """
from flytekit import LaunchPlan, Resources, task, workflow
from flytekit.models.security import Identity, SecurityContext
from flytekitplugins.awsbatch import AWSBatchConfig, map_task

@task(task_config=AWSBatchConfig())
def silent(n: int) -> int:
    return n

@task(task_config=AWSBatchConfig(), limits=Resources(cpu="1", mem="300M"))
def asking(n: int) -> int:
    return n

@workflow
def inner() -> int:
    return asking(n=1)

PLAN = LaunchPlan.get_or_create(
    inner, name="launched.plan", security_context=SecurityContext(run_as=Identity(iam_role="arn:aws:iam::1:role/plan"))
)

@workflow
def given(n: int = 1, m: int = 2, ks: list[int] = [0], ls: list[int] = [0]) -> int:
    return asking(n=n)

FIXED = LaunchPlan.get_or_create(given, name="launched.fixed", fixed_inputs={"n": 8, "m": 3, "ks": [5], "ls": [6]})

@workflow
def other() -> int:
    return FIXED(n=9, m=3, ks=[5], ls=[asking(n=6)])

@workflow
def same() -> int:
    return FIXED(n=8)

@workflow
def wf() -> list[int]:
    return map_task(silent)(n=[asking(n=1), PLAN()])
"""


@pytest.mark.parametrize(
    ("options", "roles", "silent"),
    [
        ((), ["", "arn:aws:iam::1:role/plan", ""], (1, 500)),
        (
            ("--annotations", "eks.amazonaws.com/role-arn=arn:aws:iam::1:role/launch"),
            ["arn:aws:iam::1:role/launch", "arn:aws:iam::1:role/plan", "arn:aws:iam::1:role/launch"],
            (1, 500),
        ),
        # A service account is all that FlyteAdmin looks at then, of the plan's execution too; AWS Batch cannot use it.
        (("--service-account", "jobs"), ["", "", ""], (1, 500)),
        pytest.param(
            ("--resource-limits", "cpu=2,mem=700M"),
            ["", "arn:aws:iam::1:role/plan", ""],
            (2, 700),
            marks=pytest.mark.skipif(
                "resource_limits" not in RunLevelParams.__dataclass_fields__,
                reason="flytekit 1.16.0 cannot",
            ),
        ),
    ],
)
@pytest.mark.awsbatch(
    settings="""
        queues: {executionQueues: [{dynamic: q, attributes: [default]}], workflowConfigs: [{tags: [default]}]}
        plugins: {aws: {batch: {roleAnnotationKey: eks.amazonaws.com/role-arn}}}
        task_resources: {defaults: {cpu: 1, memory: 500M}, limits: {cpu: 4, memory: 1G}}
    """
)
def test_role_and_resources_are_those_of_the_jobs(
    awsbatch: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    roles: list[str],
    silent: tuple[int, int],
) -> None:
    (tmp_path / "launched.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(pyflyte.main, ["run", *options, "launched.py", "wf"])
    assert done.exit_code == 0, done.output
    containers = [job["container"] for job in awsbatch.jobs]
    assert [one["jobRoleArn"] for one in containers] == roles
    assert [(one["vcpus"], one["memory"]) for one in containers] == [(1, 300), (1, 300), silent]


def test_a_value_for_an_input_that_a_plan_fixes_is_told_of(
    awsbatch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flyte 1.16.8 takes the plan's without a word."""
    (tmp_path / "fixing.py").write_text(FLOW.replace("launched.", "fixing."))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("fixing")
    assert (module.same(), module.FIXED()) == (8, 8)
    assert "fixes" not in awsbatch.printed
    assert module.other() == 9
    if not hasattr(module.FIXED, "raw_fixed_inputs"):
        pytest.skip("flytekit 1.16.0 does not tell")
    assert awsbatch.printed.count("The launch plan fixing.fixed fixes ls, n, and a cluster runs it with its own") == 1
