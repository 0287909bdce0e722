"""From the unchanging part of a job's description (the wire's shape, as it is stored) to what it takes to run the
job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .job_model import JobSpec

VCPU = "VCPU"
MEMORY = "MEMORY"
GPU = "GPU"


def job_spec_requirement(kind: str, requirements: Iterable[Mapping[str, str]]) -> str | None:
    return next((each["value"] for each in requirements if each["type"] == kind), None)


def job_spec_container_size(container: Mapping[str, Any]) -> tuple[float | None, int | None]:
    """The vCPUs and the MiB that a container asks for, in either spelling; None for what it leaves open."""
    needs = container.get("resourceRequirements", ())
    vcpus, memory = job_spec_requirement(VCPU, needs), job_spec_requirement(MEMORY, needs)
    return float(vcpus) if vcpus else container.get("vcpus"), int(memory) if memory else container.get("memory")


def job_spec_of(detail: Mapping[str, Any]) -> JobSpec:
    """:param detail: DescribeJobs' answer for the job without what changes while it runs."""
    container = detail["container"]
    vcpus, memory = job_spec_container_size(container)
    retry = detail.get("retryStrategy", {})
    return JobSpec(
        name=detail["jobName"],
        queue=detail["jobQueue"].rpartition("/")[2],
        definition=detail["jobDefinition"],
        command=job_spec_command(container.get("command", ()), detail.get("parameters", {})),
        environment={each["name"]: each.get("value", "") for each in container.get("environment", ())},
        vcpus=float(vcpus or 1),
        memory=int(memory or 0),
        gpus=int(job_spec_requirement(GPU, container.get("resourceRequirements", ())) or 0),
        timeout=detail.get("timeout", {}).get("attemptDurationSeconds", 0),
        max_attempts=retry.get("attempts", 1),
        exit_rules=retry.get("evaluateOnExit", ()),
        dependencies=detail.get("dependsOn", ()),
        detail=detail,
    )


def job_spec_command(command: Sequence[str], parameters: Mapping[str, str]) -> tuple[str, ...]:
    """The command with each `Ref::name` of a known parameter replaced, once, wherever it stands; an unknown one stays.

    The AWS Batch user guide, "Job definition parameters".
    """
    if not parameters or not any("Ref::" in word for word in command):
        return tuple(command)
    # A longer name wins over one that begins it.
    names = sorted(parameters, key=len, reverse=True)
    pattern = re.compile("Ref::(" + "|".join(map(re.escape, names)) + ")")
    return tuple(pattern.sub(lambda match: parameters[match[1]], word) for word in command)
