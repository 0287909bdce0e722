"""Kubernetes' resource requirements, the form in which Flyte passes resources about.

Quantities are Kubernetes' texts (`500m`, `1Gi`). How they become vCPUs and memory is `aws_array.resources`' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flyteidl.core import tasks_pb2

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
        raise NotImplementedError
