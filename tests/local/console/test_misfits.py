"""A job that can never start says who asks for so much."""

from __future__ import annotations

import pytest
from flyteidl.core import tasks_pb2

from flytekitplugins.awsbatch.batch.emulator.scheduling.placement import TOO_FEW_VCPUS, TOO_LITTLE
from flytekitplugins.awsbatch.local.console.misfits import misfit_advice
from flytekitplugins.awsbatch.propeller.aws_array.requirements import ResourceRequirements

VCPUS = TOO_FEW_VCPUS.format(need=64, most=2) + " - "
MEMORY = TOO_LITTLE.format(need=9000, what="MiB of memory", most=10)


def resources(**asked: str) -> tasks_pb2.Resources:
    kinds = {"requests": tasks_pb2.Resources().requests, "limits": tasks_pb2.Resources().limits}
    found = tasks_pb2.Resources()
    for kind, value in asked.items():
        assert kind in kinds
        entries = getattr(found, kind)
        entries.add(name=tasks_pb2.Resources.CPU, value=value)
        entries.add(name=tasks_pb2.Resources.MEMORY, value=value)
    return found


@pytest.mark.parametrize(
    ("task", "override", "who"),
    [
        (resources(requests="64"), None, '@task(requests=Resources(cpu="64"))'),
        (resources(requests="1", limits="64"), None, '@task(limits=Resources(cpu="64"))'),
        (resources(requests="64"), ResourceRequirements({"cpu": "65"}), 'with_overrides(requests=Resources(cpu="65"))'),
        (resources(limits="64"), ResourceRequirements({"cpu": "1"}), '@task(limits=Resources(cpu="64"))'),
        (resources(), None, "task_resources.defaults of the settings, or the handler's defaults"),
    ],
)
def test_the_number_that_is_sent_is_traced_to_who_asks_for_it(
    task: tasks_pb2.Resources, override: ResourceRequirements | None, who: str
) -> None:
    said = misfit_advice(VCPUS, task, override)
    assert f"The number is that of {who}. Ask for less" in said
    assert "emulator.vcpus" in said


def test_memory_names_its_own_setting() -> None:
    said = misfit_advice(MEMORY, resources(limits="9Gi"), None)
    assert ('Resources(mem="9Gi")' in said, "emulator.memory" in said) == (True, True)
