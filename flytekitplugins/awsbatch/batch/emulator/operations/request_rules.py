"""AWS Batch's own rules for requests, beyond what the shapes of its service model say. Pure; each raises BatchError.

Sources: the Batch API reference (SubmitJob, RegisterJobDefinition, their structures), the user guide's "Service
quotas" and "Job definition parameters".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..job_model import ARRAY_SIZES
from ..job_spec import GPU, MEMORY, VCPU, job_spec_requirement
from ..scheduling.dependencies import N_TO_N, SEQUENTIAL
from ..settings import ENFORCE
from .batch_errors import client_error

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
RESERVED = "AWS_BATCH"
EC2 = "EC2"
FARGATE = "FARGATE"

MAX_TAGS = 50
MAX_TAG_KEY = 128
MAX_TAG_VALUE = 256
MAX_SUBMIT_BYTES = 30 * 1024
MAX_DEFINITION_BYTES = 24 * 1024
MAX_DEPENDENCIES = 20
MAX_RULES = 5
MAX_REASON = 1024
MIN_TIMEOUT = 60
MIN_MEMORY = 4
ATTEMPTS = range(1, 11)
SCHEDULING_PRIORITIES = range(10_000)
# EvaluateOnExit: a condition, and what its pattern "can contain".
PATTERNS = {
    **dict.fromkeys(
        ("onStatusReason", "onReason"), (re.compile(r"[A-Za-z0-9.:\s]*\*?"), "letters, numbers, .: and blanks")
    ),
    "onExitCode": (re.compile(r"[0-9]*\*?"), "numbers"),
}
WHOLE = re.compile(r"[0-9]{1,9}")
FRACTION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
# A word of a command that a parameter has to replace.
REFERENCE = re.compile(r"Ref::([\w.-]+)")
# ResourceRequirement: vCPUs and the MiB that go with them on Fargate.
FARGATE_MEMORY: Mapping[float, Sequence[int]] = {
    0.25: (512, 1024, 2048),
    0.5: (1024, 2048, 3072, 4096),
    1.0: range(2048, 8193, 1024),
    2.0: range(4096, 16385, 1024),
    4.0: range(8192, 30721, 1024),
    8.0: range(16384, 61441, 4096),
    16.0: range(32768, 122881, 8192),
    32.0: (61440, 122880, 249856),
}
# ContainerProperties: "Jobs that are running on Amazon EC2 resources must not specify this parameter."
FARGATE_ONLY = ("networkConfiguration", "fargatePlatformConfiguration")
# ContainerProperties, LinuxParameters: "This parameter isn't applicable to jobs that are running on Fargate resources."
CONTAINER_NOT_ON_FARGATE = ("privileged", "instanceType", "ulimits")
LINUX_NOT_ON_FARGATE = ("devices", "maxSwap", "sharedMemorySize", "swappiness", "tmpfs")


def check_request_name(what: str, value: str) -> str:
    if NAME.fullmatch(value) is None:
        raise client_error(
            f"{what} {value!r} is invalid: 1 to 128 letters, numbers, hyphens and underscores,"
            " the first a letter or a number"
        )
    return value


def checked_request_tags(values: Mapping[str, str] | None, before: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of a resource with new ones added."""
    merged = {**(before or {}), **(values or {})}
    if len(merged) > MAX_TAGS:
        raise client_error(f"tags: Member must have length less than or equal to {MAX_TAGS}, these are {len(merged)}")
    for key, value in merged.items():
        if not 1 <= len(key) <= MAX_TAG_KEY or len(value or "") > MAX_TAG_VALUE:
            raise client_error(f"tag {key!r}: a key has 1 to {MAX_TAG_KEY} characters, a value at most {MAX_TAG_VALUE}")
        if key.lower().startswith("aws:"):
            raise client_error(f"tag {key!r}: keys that begin with aws: are AWS's own")
    return {key: value or "" for key, value in merged.items()}


def _check_retry_strategy(strategy: Mapping[str, Any] | None) -> None:
    if strategy is None:
        return
    max_attempts, rules = strategy.get("attempts"), strategy.get("evaluateOnExit") or ()
    if max_attempts is None:
        raise client_error("RetryAttempts must be provided with retry strategy.")
    if max_attempts not in ATTEMPTS:
        raise client_error(f"retryStrategy.attempts is {max_attempts}: expected 1 to 10")
    if len(rules) > MAX_RULES:
        raise client_error(f"retryStrategy.evaluateOnExit has {len(rules)} rules: at most {MAX_RULES}")
    for rule in rules:
        if not any(rule.get(key) for key in PATTERNS):
            raise client_error("a rule of retryStrategy.evaluateOnExit needs onStatusReason, onReason or onExitCode")
        for key, (allowed, words) in PATTERNS.items():
            pattern = rule.get(key) or ""
            if len(pattern) > 512 or allowed.fullmatch(pattern) is None:
                raise client_error(
                    f"retryStrategy.evaluateOnExit {key} {pattern!r}: expected at most 512 {words}, and an asterisk at"
                    " the end if you like"
                )


def _check_timeout(value: Mapping[str, Any] | None) -> None:
    seconds = (value or {}).get("attemptDurationSeconds")
    if seconds is not None and seconds < MIN_TIMEOUT:
        raise client_error(f"timeout.attemptDurationSeconds is {seconds}: at least {MIN_TIMEOUT}")


def _check_consumable_resources(value: Mapping[str, Any] | None) -> None:
    if (value or {}).get("consumableResourceList"):
        raise client_error("consumable resources: not supported here")


def _check_scheduling_priority(what: str, value: int | None) -> None:
    if value is not None and value not in SCHEDULING_PRIORITIES:
        raise client_error(f"{what} is {value}: expected 0 to {SCHEDULING_PRIORITIES[-1]}")


def _check_container_properties(container: Mapping[str, Any]) -> None:
    """What holds for a definition's container and for a submission's overrides of it."""
    if "" in (container.get("command") or ()):
        raise client_error("Command field cannot have empty strings")
    for variable in container.get("environment") or ():
        if not variable.get("name"):
            raise client_error("an environment variable needs a name")
        if variable["name"].startswith(RESERVED):
            raise client_error(
                f"environment variable {variable['name']!r}: names that begin with {RESERVED} are reserved"
            )


def check_request_requirements(values: Iterable[Mapping[str, str]], fargate: bool) -> None:
    """`resourceRequirements` one by one; `check_request_resources` checks whether everything needed is there."""
    seen: set[str | None] = set()
    for each in values:
        kind, value = each.get("type"), each.get("value", "")
        if kind in seen:
            raise client_error("resourceRequirements names a type twice")
        seen.add(kind)
        if (FRACTION if kind == VCPU else WHOLE).fullmatch(value) is None:
            raise client_error(f"resourceRequirements {kind} value {value!r}: expected a number")
        if float(value) <= 0 or (kind == MEMORY and float(value) < MIN_MEMORY):
            raise client_error(f"resourceRequirements {kind} value {value}: too small")
        if kind == GPU and fargate:
            raise client_error("resourceRequirements GPU is not supported on Fargate")


def check_request_resources(container: Mapping[str, Any], fargate: bool) -> None:
    """A container must say what it needs, in one of the two spellings; on Fargate in the newer one and in sizes that
    there are.
    """
    needs = container.get("resourceRequirements") or ()
    check_request_requirements(needs, fargate)
    if fargate:
        if container.get("vcpus") or container.get("memory"):
            raise client_error(
                "vcpus and memory are not supported on Fargate: use resourceRequirements VCPU and MEMORY"
            )
        vcpus, memory = job_spec_requirement(VCPU, needs), job_spec_requirement(MEMORY, needs)
        if vcpus is None or memory is None:
            raise client_error("Fargate needs resourceRequirements of type VCPU and MEMORY")
        if int(memory) not in FARGATE_MEMORY.get(float(vcpus), ()):
            raise client_error(f"Fargate does not have {vcpus} vCPUs with {memory} MiB of memory")
        return
    for kind, old in ((VCPU, "vcpus"), (MEMORY, "memory")):
        if job_spec_requirement(kind, needs) is None and not container.get(old):
            raise client_error(f"the container needs resourceRequirements of type {kind} (or {old})")
        if job_spec_requirement(kind, needs) is not None and container.get(old):
            raise client_error(f"the container says both {old} and resourceRequirements {kind}: say one")
    if container.get("memory") and container["memory"] < MIN_MEMORY:
        raise client_error(f"memory is {container['memory']}: at least {MIN_MEMORY} MiB")


def check_definition_request(request: Mapping[str, Any], fargate_rules: str) -> None:
    """RegisterJobDefinition."""
    check_request_name("jobDefinitionName", request["jobDefinitionName"])
    if request["type"] == "multinode" or "nodeProperties" in request:
        raise client_error("multi-node parallel jobs: not supported here")
    for other in ("eksProperties", "ecsProperties"):
        if other in request:
            raise client_error(f"{other}: not supported here")
    _check_consumable_resources(request.get("consumableResourceProperties"))
    if len(json.dumps(request).encode()) > MAX_DEFINITION_BYTES:
        raise client_error(f"the job definition has more than {MAX_DEFINITION_BYTES} bytes")
    _check_retry_strategy(request.get("retryStrategy"))
    _check_timeout(request.get("timeout"))
    _check_scheduling_priority("schedulingPriority", request.get("schedulingPriority"))
    container = request.get("containerProperties")
    if container is None:
        raise client_error("a job definition of type container needs containerProperties")
    _check_container_properties(container)
    _check_defined_container(container)
    if FARGATE not in (request.get("platformCapabilities") or ()):
        _check_ec2_container(container)
    elif fargate_rules == ENFORCE:
        _check_fargate_container(container)


def _check_defined_container(container: Mapping[str, Any]) -> None:
    """What holds for a definition's container wherever it runs."""
    if not container.get("image"):
        raise client_error("containerProperties needs an image")
    if container.get("secrets") and not container.get("executionRoleArn"):
        raise client_error("executionRoleArn cannot be empty when using secrets")


def _check_ec2_container(container: Mapping[str, Any]) -> None:
    check_request_resources(container, False)
    for forbidden in FARGATE_ONLY:
        if container.get(forbidden):
            raise client_error(f"{forbidden} not applicable for EC2.")


def _check_fargate_container(container: Mapping[str, Any]) -> None:
    if not container.get("executionRoleArn"):
        raise client_error("a job definition for Fargate needs containerProperties.executionRoleArn")
    check_request_resources(container, True)
    for forbidden in CONTAINER_NOT_ON_FARGATE:
        if container.get(forbidden):
            raise client_error(f"containerProperties.{forbidden} is not supported on Fargate")
    for forbidden in LINUX_NOT_ON_FARGATE:
        if (container.get("linuxParameters") or {}).get(forbidden) not in (None, []):
            raise client_error(f"linuxParameter.{forbidden} is not allowed for Fargate.")
    if any((volume.get("host") or {}).get("sourcePath") for volume in container.get("volumes") or ()):
        raise client_error("host.sourcePath should not be set for volumes in Fargate.")


def check_submission_request(request: Mapping[str, Any], array: Mapping[str, Any], size: int | None) -> None:
    """SubmitJob, as far as it can be judged without the queue and the job definition.

    :param array: `arrayProperties`, empty for a single job.
    :param size: of the request in bytes, if it is known.
    """
    check_request_name("jobName", request["jobName"])
    if (len(json.dumps(request).encode()) if size is None else size) > MAX_SUBMIT_BYTES:
        raise client_error(f"the request has more than {MAX_SUBMIT_BYTES} bytes")
    if array and array.get("size") not in ARRAY_SIZES:
        raise client_error(f"arrayProperties.size is {array.get('size')}: expected 2 to 10000")
    for other in ("nodeOverrides", "eksPropertiesOverride", "ecsPropertiesOverride"):
        if request.get(other):
            raise client_error(f"{other}: not supported here")
    _check_consumable_resources(request.get("consumableResourcePropertiesOverride"))
    overrides = request.get("containerOverrides") or {}
    _check_container_properties(overrides)
    for old, least in (("vcpus", 1), ("memory", MIN_MEMORY)):
        # SDKs send 0 for what was not set.
        if overrides.get(old) and overrides[old] < least:
            raise client_error(f"containerOverrides.{old} is {overrides[old]}: at least {least}")
    _check_retry_strategy(request.get("retryStrategy"))
    _check_timeout(request.get("timeout"))
    _check_scheduling_priority("schedulingPriorityOverride", request.get("schedulingPriorityOverride"))
    _check_dependencies(request.get("dependsOn") or (), bool(array))


def check_request_platform(capabilities: Sequence[str] | None, fargate: bool) -> None:
    """Whether a job can run on the compute environments of its queue.

    RegisterJobDefinition.platformCapabilities: "The platform capabilities required by the job definition. If no
    value is specified, it defaults to EC2."

    :param fargate: whether the queue's compute environments are on Fargate.
    """
    required = capabilities or [EC2]
    if (FARGATE if fargate else EC2) not in required:
        raise client_error(
            f"Job Queue is attached to Compute Environment that can not run Jobs with capability {required[0]}"
        )


def _check_dependencies(values: Sequence[Mapping[str, str]], array: bool) -> None:
    if len(values) > MAX_DEPENDENCIES:
        raise client_error(f"dependsOn names {len(values)} jobs: at most {MAX_DEPENDENCIES}")
    for each in values:
        kind = each.get("type")
        if not each.get("jobId") and kind != SEQUENTIAL:
            raise client_error("dependsOn needs a jobId unless its type is SEQUENTIAL")
        if not array and (kind == N_TO_N or not each.get("jobId")):
            raise client_error(f"dependsOn type {kind} is for array jobs")


def check_request_references(command: Iterable[str], parameters: Mapping[str, str]) -> None:
    """Every `Ref::name` of a command needs a parameter, of the job or of its definition. A word that holds more than
    a reference is left alone, since AWS does not say where a name ends.
    """
    for word in command:
        reference = REFERENCE.fullmatch(word)
        if reference is not None and not reference[1].startswith(tuple(parameters)):
            raise client_error(f"Unable to substitute value. No parameter found for reference {reference[1]}")


def check_stop_request(request: Mapping[str, Any], target: str) -> None:
    """CancelJob and TerminateJob, of one job or several.

    :param target: the member that names what is to end.
    """
    for required in (target, "reason"):
        if not request[required]:
            raise client_error(f"{required} must not be empty")
    value = request["reason"]
    if len(value) > MAX_REASON:
        raise client_error(f"reason has {len(value)} characters: at most {MAX_REASON}")
