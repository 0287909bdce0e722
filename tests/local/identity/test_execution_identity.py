"""Whom a local task call stands for, from every place that a task can be called from."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from flytekit import Annotations, LaunchPlan, dynamic, eager, task, workflow
from flytekit.clis.sdk_in_container import pyflyte
from flytekit.core.options import Options
from flytekit.models.security import Identity as RunAsIdentity
from flytekit.models.security import SecurityContext

from flytekitplugins.awsbatch.admin.admin_settings import AdminEmulator
from flytekitplugins.awsbatch.admin.role import LaunchPlan as PlanRole
from flytekitplugins.awsbatch.admin.role import RunAs
from flytekitplugins.awsbatch.local.identity.execution_identity import Identity, identity_of_call

EMULATOR = AdminEmulator(project="shop", domain="staging")
SEEN: list[Identity] = []
HERE = __name__


@pytest.fixture(autouse=True)
def seen() -> list[Identity]:
    SEEN.clear()
    return SEEN


@task
def who(x: int = 0) -> int:
    SEEN.append(identity_of_call(EMULATOR, f"{HERE}.who"))
    return x


@task
async def async_who(x: int = 0) -> int:
    SEEN.append(identity_of_call(EMULATOR, f"{HERE}.async_who"))
    return x


@workflow
def inner(x: int = 1) -> int:
    return who(x=x)


@workflow
def outer() -> int:
    return inner(x=2)


@dynamic
def yields() -> int:
    return inner(x=3)


@workflow
def with_dynamic() -> int:
    return yields()


ROLE = "arn:aws:iam::111122223333:role/plan"
PLAN = LaunchPlan.get_or_create(
    inner,
    name="plan_of_inner",
    default_inputs={"x": 5},
    security_context=SecurityContext(run_as=RunAsIdentity(iam_role=ROLE)),
)


@workflow
def with_plan() -> int:
    return PLAN(x=4)


OUTER_ROLE = "arn:aws:iam::111122223333:role/outer"
PLAN_OF_PLAN = LaunchPlan.get_or_create(
    with_plan, name="plan_of_plan", security_context=SecurityContext(run_as=RunAsIdentity(iam_role=OUTER_ROLE))
)


@dynamic
def yields_plan() -> int:
    return PLAN(x=4)


@eager
async def eager_calls_task() -> int:
    return who(x=1)


@eager
async def eager_awaits_task() -> int:
    return await async_who(x=1)


@eager
async def eager_gathers() -> int:
    return sum(await asyncio.gather(async_who(x=1), async_who(x=2)))


@eager
async def eager_calls_workflow() -> int:
    return inner(x=2)


@eager
async def eager_calls_eager() -> int:
    return await eager_calls_workflow()


@workflow(default_options=Options(annotations=Annotations({"team": "census"})))
def annotated() -> int:
    return who(x=1)


@eager
async def eager_calls_plans() -> int:
    return PLAN(x=4) + await asyncio.to_thread(PLAN, x=4) + with_plan()


def workflows() -> list[str]:
    return [one.workflow for one in SEEN]


def test_a_task_on_its_own_is_the_workflow_that_flyteadmin_makes_up() -> None:
    who(x=1)
    assert [Identity("shop", "staging", f".flytegen.{HERE}.who", "the settings; a task run on its own")] == SEEN


def test_outside_any_task_the_named_task_counts() -> None:
    assert identity_of_call(EMULATOR, "a.b").workflow == ".flytegen.a.b"


def test_without_settings_the_defaults_of_pyflyte_hold() -> None:
    found = identity_of_call(AdminEmulator(), "a.b")
    assert (found.project, found.domain) == ("flytesnacks", "development")


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (inner, "inner"),
        (outer, "outer"),
        (with_dynamic, "with_dynamic"),
        (yields, ".flytegen.yields"),
        (with_plan, "inner"),
        (PLAN, "inner"),
        (eager_calls_task, ".flytegen.who"),
        (eager_awaits_task, ".flytegen.async_who"),
        (eager_gathers, ".flytegen.async_who"),
        (eager_calls_workflow, "inner"),
        (eager_calls_eager, "inner"),
    ],
    ids=lambda value: getattr(value, "name", str(value)).rpartition(".")[2],
)
def test_the_workflow_is_the_outermost_up_to_where_a_cluster_starts_another_execution(
    run: object, expected: str
) -> None:
    result = run()  # type: ignore[operator]
    if asyncio.iscoroutine(result):
        asyncio.run(result)
    prefix, _, name = expected.rpartition(".")
    assert set(workflows()) == {f"{prefix}.{HERE}.{name}" if prefix else f"{HERE}.{name}"}


def test_a_launch_plan_brings_its_role() -> None:
    PLAN()
    assert SEEN[0].plan == PlanRole(workflow=f"{HERE}.inner", security_context=RunAs(ROLE), annotations={})


def test_a_launch_plan_knows_the_one_of_the_execution_around_it() -> None:
    for run in (PLAN, PLAN_OF_PLAN, with_plan, yields_plan):
        run()
    asyncio.run(eager_calls_plans())
    parents = [one.plan and one.plan.parent for one in SEEN]
    around = PlanRole(workflow=f"{HERE}.with_plan")
    with_role = replace(around, security_context=RunAs(OUTER_ROLE))
    assert parents == [None, with_role, around, PlanRole(), None, None, around]


def test_an_eager_function_launches_the_workflow_of_a_plan_without_its_role() -> None:
    """One of the nodes of a workflow is the plan all the same."""
    asyncio.run(eager_calls_plans())
    assert [one.plan and one.plan.security_context for one in SEEN] == [None, None, RunAs(ROLE)]


def test_a_workflow_brings_the_annotations_of_its_default_options() -> None:
    annotated()
    assert SEEN[0].plan == PlanRole(workflow=f"{HERE}.annotated", annotations={"team": "census"})


def test_a_thread_of_the_users_own_has_no_workflow_around_it() -> None:
    thread = threading.Thread(target=lambda: who(x=1))
    thread.start()
    thread.join()
    assert workflows() == [f".flytegen.{HERE}.who"]


SCRIPT = """
import json, os
from flytekit import eager, task, workflow
from flytekitplugins.awsbatch.admin.admin_settings import AdminEmulator
from flytekitplugins.awsbatch.local.identity.execution_identity import identity_of_call

@task
def who() -> int:
    settings = json.loads(os.environ["EMULATOR"])
    found = identity_of_call(AdminEmulator(**settings), "script.who")
    with open(os.environ["ANSWER"], "w") as answer:
        json.dump([found.project, found.domain, found.workflow, found.source], answer)
    return 1

@workflow
def wf() -> int:
    return who()

@eager
async def eager_wf() -> int:
    return wf()
"""


def pyflyte_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str, entity: str = "wf", **emulator: str
) -> list[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ANSWER", str(folder / "answer.json"))
    monkeypatch.setenv("EMULATOR", json.dumps(emulator))
    result = CliRunner().invoke(pyflyte.main, ["run", *arguments, str(script), entity])
    assert result.exit_code == 0, result.output
    answer: list[str] = json.loads((folder / "answer.json").read_text())
    return answer


@pytest.mark.parametrize("entity", ["wf", "eager_wf"])
def test_pyflyte_runs_own_options_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entity: str) -> None:
    found = pyflyte_run(
        tmp_path, monkeypatch, "-p", "census", "-d", "production", entity=entity, project="shop", domain="staging"
    )
    assert found == ["census", "production", "script.wf", "pyflyte run; the workflow that is running"]


@pytest.mark.parametrize("entity", ["wf", "eager_wf"])
def test_what_pyflyte_run_was_not_given_comes_from_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entity: str
) -> None:
    found = pyflyte_run(tmp_path, monkeypatch, "-d", "production", entity=entity, project="shop", domain="staging")
    assert found == [
        "shop",
        "production",
        "script.wf",
        "project: the settings, domain: pyflyte run; the workflow that is running",
    ]


def test_without_settings_pyflyte_runs_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pyflyte_run(tmp_path, monkeypatch)[:2] == ["flytesnacks", "development"]


def test_pyflyte_run_of_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pyflyte_run(tmp_path, monkeypatch, entity="who")[2] == ".flytegen.script.who"
