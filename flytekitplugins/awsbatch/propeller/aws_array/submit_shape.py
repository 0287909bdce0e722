"""The SubmitJob request of the AWS SDK that Flyte v1.16.8 is built with (aws-sdk-go v1.55.5): which fields it has, of
which types, and which of them its own parameter check asks for. A newer botocore has more fields, which Flyte ignores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

STRING = "string"
INTEGER = "int64"
BOOLEAN = "bool"


@dataclass(frozen=True)
class ListOf:
    item: Shape


@dataclass(frozen=True)
class MapOf:
    """Of strings to strings; `minimum` entries are needed once the map is there."""

    minimum: int = 0


@dataclass(frozen=True)
class Structure:
    """{name on the wire: shape}; `required` in the order in which the check names them."""

    fields: Mapping[str, Shape]
    required: tuple[str, ...] = field(default=())


Shape: TypeAlias = "str | ListOf | MapOf | Structure"

_PAIR = Structure({"name": STRING, "value": STRING})
_REQUIREMENT = Structure({"type": STRING, "value": STRING}, ("type", "value"))
_CONTAINER = Structure(
    {
        "command": ListOf(STRING),
        "environment": ListOf(_PAIR),
        "instanceType": STRING,
        "memory": INTEGER,
        "resourceRequirements": ListOf(_REQUIREMENT),
        "vcpus": INTEGER,
    }
)
_TASK_CONTAINER = Structure(
    {
        "command": ListOf(STRING),
        "environment": ListOf(_PAIR),
        "name": STRING,
        "resourceRequirements": ListOf(_REQUIREMENT),
    }
)
_ECS = Structure({"taskProperties": ListOf(Structure({"containers": ListOf(_TASK_CONTAINER)}))})
_EKS_CONTAINER = Structure(
    {
        "args": ListOf(STRING),
        "command": ListOf(STRING),
        "env": ListOf(Structure({"name": STRING, "value": STRING}, ("name",))),
        "image": STRING,
        "name": STRING,
        "resources": Structure({"limits": MapOf(), "requests": MapOf()}),
    }
)
_EKS = Structure(
    {
        "podProperties": Structure(
            {
                "containers": ListOf(_EKS_CONTAINER),
                "initContainers": ListOf(_EKS_CONTAINER),
                "metadata": Structure({"labels": MapOf()}),
            }
        )
    }
)
_NODE = Structure(
    {
        "containerOverrides": _CONTAINER,
        "ecsPropertiesOverride": _ECS,
        "eksPropertiesOverride": _EKS,
        "instanceTypes": ListOf(STRING),
        "targetNodes": STRING,
    },
    ("targetNodes",),
)
_EXIT = Structure({"action": STRING, "onExitCode": STRING, "onReason": STRING, "onStatusReason": STRING}, ("action",))

SUBMIT_JOB = Structure(
    {
        "arrayProperties": Structure({"size": INTEGER}),
        "containerOverrides": _CONTAINER,
        "dependsOn": ListOf(Structure({"jobId": STRING, "type": STRING})),
        "ecsPropertiesOverride": _ECS,
        "eksPropertiesOverride": _EKS,
        "jobDefinition": STRING,
        "jobName": STRING,
        "jobQueue": STRING,
        "nodeOverrides": Structure({"nodePropertyOverrides": ListOf(_NODE), "numNodes": INTEGER}),
        "parameters": MapOf(),
        "propagateTags": BOOLEAN,
        "retryStrategy": Structure({"attempts": INTEGER, "evaluateOnExit": ListOf(_EXIT)}),
        "schedulingPriorityOverride": INTEGER,
        "shareIdentifier": STRING,
        "tags": MapOf(minimum=1),
        "timeout": Structure({"attemptDurationSeconds": INTEGER}),
    },
    ("jobDefinition", "jobName", "jobQueue"),
)
