"""A task's resources as a job's vCPUs and memory (`flytek8s/container_helper.go`, `awsbatch/transformer.go`).

The limit is what is sent, whatever the request; GPUs and ephemeral storage are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from flyteidl.core import tasks_pb2

from ..golang.quantity import MEGA, Quantity
from ..propeller_settings import K8sPluginSettings
from .requirements import CPU, MEMORY, ResourceRequirements, requirement_quantity


@dataclass(frozen=True)
class JobResources:
    """`memory` in MB (10^6 bytes), rounded up, as the handler sends it; Batch reads the number as MiB."""

    vcpus: int
    memory: int


def job_resources(
    resources: tasks_pb2.Resources,
    override: ResourceRequirements | None,
    platform: ResourceRequirements | None,
    k8s: K8sPluginSettings,
) -> JobResources:
    """What a job asks for.

    :param override: the node's, which beat the task's, name by name.
    :param platform: FlyteAdmin's defaults (its requests) and upper bounds (its limits); a zero in them counts.
    :raises HandlerError: a quantity that Kubernetes would not parse.
    """
    asked = ResourceRequirements.from_template(resources)
    requests, limits = _parsed(asked.requests), _parsed(asked.limits)
    if override is not None:
        requests.update(_parsed(override.requests))
        limits.update(_parsed(override.limits))
    platform = platform or ResourceRequirements()
    defaults, bounds = _parsed(platform.requests), _parsed(platform.limits)
    cpu = _limit(requests, limits, {CPU: requirement_quantity(k8s.default_cpus), **defaults}, bounds, CPU)
    memory = _limit(requests, limits, {MEMORY: requirement_quantity(k8s.default_memory), **defaults}, bounds, MEMORY)
    return JobResources(cpu.scaled(0), memory.scaled(MEGA))


def _limit(
    requests: Mapping[str, Quantity],
    limits: Mapping[str, Quantity],
    defaults: Mapping[str, Quantity],
    bounds: Mapping[str, Quantity],
    name: str,
) -> Quantity:
    """The limit of one resource: what is given, else the request, else the default; never above the bound."""
    nothing = Quantity()
    request, limit = requests.get(name, nothing), limits.get(name, nothing)
    bound = bounds.get(name, nothing)
    if limit.zero:
        limit = defaults.get(name, nothing) if request.zero else request
    if limit.zero or bound.zero:
        return limit
    # Comparing with a decimal makes a decimal of the other side too, which rounds in its own way.
    return bound if limit > bound else limit if bound.small else replace(limit, small=False)


def _parsed(quantities: Mapping[str, str]) -> dict[str, Quantity]:
    return {name: requirement_quantity(text) for name, text in quantities.items()}
