"""Kubernetes' resource requirements, the form in which Flyte passes resources about.

Quantities are Kubernetes' texts (`500m`, `1Gi`). How they become vCPUs and memory is decided in `job_resources`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flyteidl.core import tasks_pb2

from ..golang.quantity import Quantity, QuantityError, parse_quantity
from .handler_errors import HandlerError

CPU = "cpu"
MEMORY = "memory"
EPHEMERAL_STORAGE = "ephemeral-storage"
GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class ResourceRequirements:
    """`v1.ResourceRequirements`: {resource name: quantity} for requests and limits."""

    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_template(cls, resources: tasks_pb2.Resources) -> ResourceRequirements:
        """What a template's or a node's `Resources` ask for; zero quantities count as not given.

        :raises HandlerError: a quantity that Kubernetes would not parse.
        """
        return cls(requests=_quantities(resources.requests), limits=_quantities(resources.limits))


RESOURCE_NAMES = {
    tasks_pb2.Resources.CPU: CPU,
    tasks_pb2.Resources.MEMORY: MEMORY,
    tasks_pb2.Resources.GPU: GPU,
    tasks_pb2.Resources.EPHEMERAL_STORAGE: EPHEMERAL_STORAGE,
}


def requirement_quantity(text: str) -> Quantity:
    """A quantity as Kubernetes reads it. Raises HandlerError, in Flyte's words."""
    try:
        return parse_quantity(text)
    except QuantityError as error:
        raise HandlerError("", f"Failed to parse resource as a valid quantity.: {error}") from None


def _quantities(entries: Iterable[tasks_pb2.Resources.ResourceEntry]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        if not requirement_quantity(entry.value).zero and entry.name in RESOURCE_NAMES:
            found[RESOURCE_NAMES[entry.name]] = entry.value
    return found
