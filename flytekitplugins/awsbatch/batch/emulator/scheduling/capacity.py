"""What compute environments can hold and which queue may use which: the scheduler's view of the resources. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..arns import ENVIRONMENT, name_in_arn
from ..settings import BatchSettings
from .placement import Size

ENABLED = "ENABLED"


@dataclass(frozen=True)
class Capacity:
    """:param sizes: of the enabled compute environments; `disabled` of the others.
    :param by_priority: queue names, the highest priority first.
    :param orders: a queue's compute environments, the preferred first.
    :param time_limits: `jobStateTimeLimitActions` of the queues that have some.
    """

    sizes: Mapping[str, Size]
    by_priority: Sequence[str]
    orders: Mapping[str, Sequence[str]]
    time_limits: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    disabled: Mapping[str, Size] = field(default_factory=dict)


def capacity_of(
    queues: Mapping[str, Mapping[str, Any]], environments: Mapping[str, Mapping[str, Any]], settings: BatchSettings
) -> Capacity:
    sizes = {name: _size_of(body, settings) for name, body in environments.items()}
    enabled = {name for name, body in environments.items() if body.get("state") == ENABLED}
    return Capacity(
        sizes={name: size for name, size in sizes.items() if name in enabled},
        disabled={name: size for name, size in sizes.items() if name not in enabled},
        by_priority=sorted(queues, key=lambda name: (-queues[name]["priority"], name)),
        orders={name: capacity_order(body) for name, body in queues.items()},
        time_limits={name: limits for name, body in queues.items() if (limits := body.get("jobStateTimeLimitActions"))},
    )


def _size_of(environment: Mapping[str, Any], settings: BatchSettings) -> Size:
    """maxvCpus of them, and as much memory as this machine has: AWS would add instances, here there is one."""
    resources = environment.get("computeResources", {})
    vcpus = resources.get("maxvCpus")
    if vcpus is None:
        vcpus = environment.get("unmanagedvCpus") or settings.machine_vcpus
    return Size(float(vcpus), settings.machine_memory)


def capacity_order(queue: Mapping[str, Any]) -> list[str]:
    entries = sorted(queue.get("computeEnvironmentOrder", ()), key=lambda entry: entry["order"])
    return [name_in_arn(ENVIRONMENT, entry["computeEnvironment"]) or entry["computeEnvironment"] for entry in entries]
