"""FlyteAdmin's `task_resources`, with what a FlyteAdmin and a FlytePropeller 1.16.8 made of the same tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from flyteidl.core import tasks_pb2
from flytekit import Resources, task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig, emulation, map_task
from flytekitplugins.awsbatch.admin.admin_settings import DefaultResources, LimitResources, TaskResources
from flytekitplugins.awsbatch.local.all_settings import DEFAULT, parse_all_settings
from flytekitplugins.awsbatch.local.task_resources import (
    RefusedError,
    check_task_resources,
    handler_resource_requirements,
    settle_task_resources,
)
from flytekitplugins.awsbatch.propeller.aws_array.job_resources import job_resources
from flytekitplugins.awsbatch.propeller.aws_array.requirements import ResourceRequirements
from flytekitplugins.awsbatch.propeller.propeller_settings import K8sPluginSettings
from flytekitplugins.awsbatch.settings.problems import SettingsError

SEEN = "task_resources: {defaults: {cpu: 500m, memory: 500Mi}, limits: {cpu: 4, memory: 4Gi}}\n"
PLATFORM = TaskResources(DefaultResources("500m", "500Mi"), LimitResources("4", "4Gi"))
NAMES = tasks_pb2.Resources
BY_NAME = {
    "cpu": NAMES.CPU,
    "memory": NAMES.MEMORY,
    "gpu": NAMES.GPU,
    "ephemeral-storage": NAMES.EPHEMERAL_STORAGE,
}


def resources(requests: dict[str, str] | None = None, limits: dict[str, str] | None = None) -> tasks_pb2.Resources:
    found = tasks_pb2.Resources()
    for group, given in ((found.requests, requests), (found.limits, limits)):
        for name, value in (given or {}).items():
            group.add(name=BY_NAME[name], value=value)
    return found


def template(requests: dict[str, str], limits: dict[str, str] | None = None) -> tasks_pb2.TaskTemplate:
    found = tasks_pb2.TaskTemplate(container=tasks_pb2.Container(resources=resources(requests, limits)))
    found.id.name = "module.task"
    return found


@pytest.mark.parametrize(
    ("asked", "override", "sent"),
    [
        (resources(), None, (1, 525)),
        (resources(), ResourceRequirements(limits={"cpu": "2", "memory": "400Mi"}), (2, 420)),
        # The limit that was filled in for the task stands above a node's request.
        (resources(), ResourceRequirements(requests={"cpu": "3", "memory": "1Gi"}), (1, 525)),
        (resources(), ResourceRequirements(limits={"cpu": "8", "memory": "16Gi"}), (4, 4295)),
        (resources(limits={"memory": "8Gi"}), None, (1, 4295)),
        (resources({"cpu": "1500m", "memory": "1Gi", "ephemeral-storage": "1Gi"}), None, (2, 1074)),
    ],
)
def test_a_job_gets_what_a_real_server_and_propeller_gave_it(
    asked: tasks_pb2.Resources, override: ResourceRequirements | None, sent: tuple[int, int]
) -> None:
    settle_task_resources(asked, PLATFORM)
    job = job_resources(
        asked,
        override,
        handler_resource_requirements(PLATFORM),
        K8sPluginSettings(default_cpus="100m", default_memory="100Mi"),
    )
    assert (job.vcpus, job.memory) == sent


def test_requests_and_limits_are_filled_in_and_cut() -> None:
    asked = resources({"cpu": "6", "gpu": "1"}, {"memory": "8Gi", "cpu": "no quantity"})
    settle_task_resources(asked, PLATFORM)
    assert asked == resources({"cpu": "4", "memory": "4Gi", "gpu": "1"}, {"cpu": "4", "memory": "4Gi", "gpu": "1"})


def test_what_nobody_speaks_of_is_nothing() -> None:
    asked = resources()
    settle_task_resources(asked, TaskResources(DefaultResources("", ""), LimitResources("", "", "")))
    assert asked == resources({"cpu": "0", "memory": "0"}, {"cpu": "0", "memory": "0"})


@pytest.mark.parametrize(
    ("given", "objection"),
    [
        (template({"memory": "8Gi"}), "for MEMORY, a request of 8Gi is more than task_resources.limits allows, 4Gi"),
        (template({"cpu": "1"}, {"cpu": "5"}), "for CPU, a limit of 5 is more than task_resources.limits allows, 4"),
        (template({"cpu": "3"}, {"cpu": "2"}), "for CPU, a request of 3 is more than the task's own limit of 2"),
    ],
)
def test_what_a_server_would_not_register_is_refused(given: tasks_pb2.TaskTemplate, objection: str) -> None:
    with pytest.raises(RefusedError) as error:
        check_task_resources(given, PLATFORM)
    assert str(error.value) == f"FlyteAdmin would not register module.task: {objection}."


@pytest.mark.parametrize(
    "given",
    [
        template({}, {"memory": "8Gi"}),
        template({"cpu": "3500m"}, {"cpu": "4"}),
        # Both are four when rounded up.
        template({"cpu": "3900m"}, {"cpu": "3100m"}),
        template({"ephemeral-storage": "900Gi"}),
    ],
)
def test_what_a_server_registers_is_not_refused(given: tasks_pb2.TaskTemplate) -> None:
    check_task_resources(given, PLATFORM)


def test_settings_lie_over_what_the_server_has_built_in() -> None:
    assert parse_all_settings(DEFAULT).admin.task_resources is None
    assert parse_all_settings(DEFAULT + SEEN).admin.task_resources == PLATFORM
    some = parse_all_settings(DEFAULT + "task_resources: {defaults: {memory: 1Gi}}\n").admin.task_resources
    assert some == TaskResources(DefaultResources("2", "1Gi"), LimitResources("2", "1Gi", "1"))


def test_what_is_no_quantity_is_told_with_its_place() -> None:
    with pytest.raises(SettingsError) as error:
        parse_all_settings(
            "task_resources:\n  limits:\n    memory: 4 GB\n  defaults: {cpu: 500m}\n" + DEFAULT, "flyte.yaml"
        )
    (problem,) = error.value.problems
    assert str(problem) == (
        "flyte.yaml:3: task_resources.limits.memory: got '4 GB', expected a quantity such as 500m or 1Gi"
    )


@task(task_config=AWSBatchConfig(), retries=1)
def small(n: int) -> int:
    return n


@task(task_config=AWSBatchConfig(lint_ignore=["AB112"]), requests=Resources(mem="8Gi"), retries=1)
def large(n: int) -> int:
    return n


@workflow
def overridden(numbers: list[int]) -> list[int]:
    return map_task(small)(n=numbers).with_overrides(requests=Resources(cpu="3", mem="1Gi"))


@workflow
def plain(numbers: list[int]) -> list[int]:
    return map_task(small)(n=numbers).with_overrides(limits=Resources(cpu="2", mem="400Mi"))


def test_an_emulated_run_asks_for_the_same_and_refuses_the_same(tmp_path: Path) -> None:
    with emulation(tmp_path, settings=DEFAULT + "  vcpus: 2\n" + SEEN, quiet=True) as running:
        assert overridden(numbers=[1, 2]) == plain(numbers=[1, 2]) == [1, 2]
        with pytest.raises(RefusedError):
            large(n=1)
        sent = [request["containerOverrides"] for request in running.requests]
    assert [(one["vcpus"], one["memory"]) for one in sent] == [(1, 525), (2, 420)]
