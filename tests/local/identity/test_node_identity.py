"""Which node a call is, from every place that a task can be called from, without running any job."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flytekit import LaunchPlan, Resources, Workflow, conditional, dynamic, eager, map_task, task, workflow

from flytekitplugins.awsbatch import map_task as batch_map_task
from flytekitplugins.awsbatch.admin.admin_settings import AdminEmulator
from flytekitplugins.awsbatch.admin.single_task import single_task_node_id
from flytekitplugins.awsbatch.local.identity.execution_identity import identified_call_has_ended, identity_of_call
from flytekitplugins.awsbatch.local.identity.executions import Executions
from flytekitplugins.awsbatch.local.identity.node_identity import Place
from flytekitplugins.awsbatch.propeller.aws_array.requirements import ResourceRequirements
from flytekitplugins.awsbatch.propeller.node.node_request import ParentNode

HERE = __name__


@dataclass
class Seen:
    workflow: str
    execution: str
    place: Place


SEEN: list[Seen] = []


class Deployment:
    executions = Executions()
    together: threading.Barrier | None = None


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    SEEN.clear()
    Deployment.executions = Executions()
    yield


def note(name: str) -> None:
    """What the composer asks when it is given a call."""
    who = identity_of_call(AdminEmulator(), f"{HERE}.{name}")
    execution, _ = Deployment.executions.of(who.root, who.project, who.domain, who.workflow)
    SEEN.append(Seen(who.workflow, execution.name, execution.nodes.place(who.calls, f"{HERE}.{name}")))
    if Deployment.together is not None:
        Deployment.together.wait(10)


def labels() -> list[str]:
    return [one.place.label for one in SEEN]


def executions() -> int:
    return len({one.execution for one in SEEN})


@task
def seen(x: int = 0) -> int:
    note("seen")
    return x


@task
def also_seen(x: int) -> int:
    note("also_seen")
    return x


@task
def unseen(x: int) -> int:
    return x


@workflow
def several(x: int) -> int:
    seen(x=x)
    unseen(x=x)
    also_seen(x=x)
    return seen(x=x)


@workflow
def nested(x: int) -> int:
    several(x=x)
    return several(x=x)


@dynamic
def loop(x: int) -> int:
    for _ in range(2):
        seen(x=x)
    return several(x=x)


@workflow
def with_loop(x: int) -> int:
    unseen(x=x)
    return loop(x=x)


written_out = Workflow(name="written_out")
noted = written_out.add_entity(seen, x=written_out.add_workflow_input("x", int))
written_out.add_workflow_output("o0", noted.outputs["o0"])


@dynamic
def loop_over_written_out(x: int) -> int:
    return written_out(x=x)


@workflow
def with_written_out(x: int) -> int:
    return loop_over_written_out(x=x)


@workflow
def branching(x: int) -> int:
    before = (
        conditional("sign")
        .if_(x > 0)
        .then(seen(x=x).with_overrides(limits=Resources(cpu="4")))
        .else_()
        .then(several(x=x))
    )
    seen(x=x)
    return before


@workflow
def branch_twice(x: int) -> int:
    conditional("a").if_(x > 0).then(several(x=x)).else_().then(unseen(x=x))
    return conditional("b").if_(x > 0).then(several(x=x)).else_().then(unseen(x=x))


@task
def breaks(x: int) -> int:
    note("breaks")
    if x:
        raise ValueError("broken")
    return x


@task
def clean_up(x: int) -> None:
    note("clean_up")


@workflow(on_failure=clean_up)
def failing(x: int) -> int:
    seen(x=x)
    return breaks(x=x)


@workflow
def around_failing(x: int) -> int:
    unseen(x=x)
    return failing(x=x)


@workflow
def overridden(x: int) -> int:
    seen(x=x)
    named = seen(x=x).with_overrides(
        node_name="the-second", requests=Resources(cpu="2"), limits=Resources(cpu="3", mem="1Gi")
    )
    return seen(x=named).with_overrides(retries=5, timeout=timedelta(minutes=3))


@workflow
def mapping(xs: list[int]) -> list[int]:
    batch_map_task(seen)(x=xs).with_overrides(requests=Resources(cpu="4"))
    map_task(unseen)(x=xs)
    return batch_map_task(seen)(x=xs)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (several, ["n0", "n2", "n3"]),
        (nested, ["n0-0-n0", "n0-0-n2", "n0-0-n3", "n1-0-n0", "n1-0-n2", "n1-0-n3"]),
        (with_loop, ["n1-0-dn0", "n1-0-dn1", "n1-0-dn2-0-dn0", "n1-0-dn2-0-dn2", "n1-0-dn2-0-dn3"]),
        # Its nodes are made where it is written, not where it is called.
        (with_written_out, ["n0-0-dn0-0-n0"]),
    ],
    ids=["workflow", "subworkflow", "dynamic", "imperative in dynamic"],
)
def test_the_kth_call_of_an_entity_is_its_kth_node(run: object, expected: list[str]) -> None:
    assert run(x=1) == 1  # type: ignore[operator]
    assert (labels(), executions()) == (expected, 1)


def test_parents_are_told_apart_from_the_node() -> None:
    with_loop(x=1)
    assert SEEN[2].place.parents == (ParentNode("n1"), ParentNode("dn2"))
    assert (SEEN[2].place.node_id, SEEN[2].place.numbered) == ("dn0", False)
    assert [one.place.call for one in SEEN] == [0, 1, 2, 3, 4]
    assert [one.place.numbered for one in SEEN] == [True, True, False, False, False]


def test_a_dynamic_task_on_its_own_is_the_node_that_flyteadmin_makes() -> None:
    loop(x=1)
    alone = single_task_node_id(f"{HERE}.loop")
    assert labels()[:2] == [f"{alone}-0-dn0", f"{alone}-0-dn1"]


def test_a_call_in_a_branch_is_the_node_of_that_branch_and_does_not_count_outside() -> None:
    branching(x=1)
    # As a FlyteAdmin and a FlytePropeller 1.16.8 named them.
    assert labels() == ["n0-0-n0-n0", "n1"]
    assert [one.place.numbered for one in SEEN] == [False, False]
    assert SEEN[0].place.resources == ResourceRequirements(limits={"cpu": "4"})


def test_a_subworkflow_in_a_branch_has_nodes_of_its_own() -> None:
    branching(x=-1)
    assert labels() == ["n0-0-n0-n1-0-n0", "n0-0-n0-n1-0-n2", "n0-0-n0-n1-0-n3", "n1"]


def test_a_subworkflow_that_several_branches_call_is_numbered() -> None:
    branch_twice(x=1)
    assert labels() == ["n2-0-n0", "n2-0-n2", "n2-0-n3", "n3-0-n0", "n3-0-n2", "n3-0-n3"]


def test_a_failure_node_belongs_to_the_workflow_that_failed() -> None:
    with pytest.raises(Exception, match="broken"):
        failing(x=1)
    assert (labels(), executions()) == (["n0", "n1", "fn0"], 1)
    assert {one.workflow for one in SEEN} == {f"{HERE}.failing"}


def test_a_failure_node_of_a_subworkflow_is_within_its_node() -> None:
    with pytest.raises(Exception, match="broken"):
        around_failing(x=1)
    assert (labels(), executions()) == (["n1-0-n0", "n1-0-n1", "n1-0-fn0"], 1)
    assert {one.workflow for one in SEEN} == {f"{HERE}.around_failing"}


def test_overrides_are_those_of_the_node() -> None:
    overridden(x=1)
    assert labels() == ["n0", "the-second", "n2"]
    assert [one.place.resources for one in SEEN] == [
        None,
        ResourceRequirements({"cpu": "2"}, {"cpu": "3", "memory": "1Gi"}),
        None,
    ]
    assert [(one.place.retries(seen), one.place.timeout(seen)) for one in SEEN] == [(0, None), (0, None), (5, 180.0)]


def test_a_map_that_the_workflow_makes_anew_is_found_by_its_name() -> None:
    assert mapping(xs=[1]) == [1]
    assert labels() == ["n0", "n2"]
    assert SEEN[0].place.resources == ResourceRequirements({"cpu": "4"}, {})


def test_imperative_workflows_and_launch_plans() -> None:
    imperative = Workflow(name=f"{HERE}.imperative")
    first = imperative.add_entity(seen, x=imperative.add_workflow_input("x", int))
    imperative.add_entity(unseen, x=first.outputs["o0"])
    second = imperative.add_entity(seen, x=first.outputs["o0"])
    imperative.add_workflow_output("y", second.outputs["o0"])
    assert imperative(x=1) == 1
    assert (labels(), executions()) == (["n0", "n2"], 1)
    SEEN.clear()
    plan = LaunchPlan.get_or_create(several, name=f"{HERE}.plan")
    assert plan(x=1) == 1
    assert labels() == ["n0", "n2", "n3"]


def test_a_task_on_its_own_is_an_execution_of_its_own() -> None:
    seen(x=1)
    seen(x=2)
    assert labels() == [single_task_node_id(f"{HERE}.seen")] * 2
    assert executions() == 2
    place = SEEN[0].place
    assert (place.numbered, place.retries(seen), place.timeout(seen)) == (False, None, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pack.tasks.my_task-2", "packtasksmytask-2"),
        ("x" * 10 + "." + "y" * 62, "y" * 62),
        ("größe.²", "größe²"),
        ("é" * 32, "é" * 31),
    ],
)
def test_flyteadmin_names_the_node_by_the_tasks_letters(name: str, expected: str) -> None:
    assert single_task_node_id(name) == expected


@eager
async def one_by_one() -> int:
    return seen(x=1) + several(x=2)


def test_each_call_of_an_eager_function_is_an_execution_of_its_own() -> None:
    assert asyncio.run(one_by_one()) == 3
    assert labels() == [single_task_node_id(f"{HERE}.seen"), "n0", "n2", "n3"]
    assert executions() == 2


def test_workflows_side_by_side_keep_their_executions_and_their_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    several.compile()  # which flytekit does not do for two threads at a time
    monkeypatch.setattr(Deployment, "together", threading.Barrier(2))
    threads = [threading.Thread(target=several, kwargs={"x": 1}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    by_execution: dict[str, list[str]] = {}
    for one in SEEN:
        by_execution.setdefault(one.execution, []).append(one.place.label)
    assert list(by_execution.values()) == [["n0", "n2", "n3"]] * 2


def test_whether_a_call_is_over_is_asked_of_its_own_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    # To walk the stacks of threads that run can crash the interpreter.
    monkeypatch.delattr(sys, "_current_frames")
    frames, begun, end = [], threading.Event(), threading.Event()

    def call() -> None:
        frames.append(sys._getframe())
        begun.set()
        end.wait(60)

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(60)
    running = identified_call_has_ended(frames[0])
    end.set()
    thread.join()
    assert (running, identified_call_has_ended(frames[0])) == (False, True)


def test_a_signals_handler_drops_nothing_that_a_call_still_holds() -> None:
    """What a frame holds may be the last of the user's objects, whose destructor is no business of a handler."""
    dropped: list[str] = []

    class Held:
        def __del__(self) -> None:
            dropped.append("held")

    executions = Executions()

    def call(number: int) -> list[str]:
        _held = Held()
        root = sys._getframe()
        executions.of(root, "p", "d", f"w{number}")
        return executions.running_at_signal(sys._getframe())

    first, second = call(1), call(2)
    assert (first, second) == (executions.names[:1], executions.names[1:])
    assert executions.running_at_signal(sys._getframe()) == []
    # That of the first went when the second execution began.
    assert dropped == ["held"]
    assert executions.running() == []
    assert dropped == ["held", "held"]


def test_a_signals_handler_counts_what_other_threads_run() -> None:
    executions, go, here = Executions(), threading.Event(), threading.Event()

    def call() -> None:
        executions.of(sys._getframe(), "p", "d", "w")
        here.set()
        go.wait(60)

    thread = threading.Thread(target=call)
    thread.start()
    assert here.wait(60)
    assert executions.running_at_signal(sys._getframe()) == executions.names
    assert executions.cut_by_signal(executions.names) == executions.names
    go.set()
    thread.join()
    assert executions.running_at_signal(sys._getframe()) == []


def test_what_has_ended_in_a_thread_that_lives_on_was_not_cut_short() -> None:
    executions = Executions()

    def call() -> None:
        executions.of(sys._getframe(), "p", "d", "w")

    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(call).result()
        found = executions.running_at_signal(sys._getframe())
        assert found == executions.names
        assert executions.cut_by_signal(found) == []


def test_calls_of_which_nothing_is_known_never_share_an_id() -> None:
    execution, _ = Deployment.executions.of(None, "p", "d", "w")
    again, new = Deployment.executions.of(None, "p", "d", "w")
    assert (again is execution, new) == (True, False)
    places = [execution.nodes.place((), "m.seen") for _ in range(3)]
    assert [place.label for place in places] == ["mseen", "mseen-2", "mseen-3"]


def test_what_ended_is_not_kept() -> None:
    several(x=1)
    loop(x=1)
    seen(x=1)
    assert len(Deployment.executions._of_roots) == 1


def test_a_label_stays_short_enough_for_a_files_name() -> None:
    deep = Place("n0", tuple(ParentNode("x" * 63) for _ in range(4)))
    assert len(deep.label) <= 20
