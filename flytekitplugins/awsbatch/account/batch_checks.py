"""Job queues and compute environments: whether jobs that are sent there can run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .step_findings import Fix, StepFinding, aws_cli_command, right_finding, unknown_finding, wrong_finding
from .walk import AccountWalk, TaskNeed

Described = dict[str, Any]
# What was found, what was expected, and the fix.
Fault = tuple[str, str, Fix]
DEFAULT_VCPUS = 256
# The status of queues and environments that AWS is still creating or changing.
AT_WORK = ("CREATING", "UPDATING")
# What AWS Batch chooses from for these words (AWS Batch user guide, "Instance type compute table").
CHOSEN_BY_AWS = {
    "optimal": ("c4.*", "m4.*", "r4.*", "c5.*", "m5.*", "r5.*"),
    "default_x86_64": ("c5.*", "m5.*", "r5.*", "c6i.*", "m6i.*", "r6i.*"),
    "default_arm64": ("c6g.*", "m6g.*", "r6g.*"),
}
# The largest Fargate task: vCPUs and MiB (Amazon ECS, "Task CPU and memory").
FARGATE_SIZE = (16, 122_880)


def check_queues(walk: AccountWalk) -> Iterator[StepFinding]:
    known = walk.job_queues()
    if not walk.queues:
        yield wrong_finding("queues.executionQueues", "no job queue", "a job queue", Fix(yaml=NO_QUEUES))
    for name in walk.queues:
        queue = known.get(name)
        enable = aws_cli_command("batch", "update-job-queue", job_queue=name, state="ENABLED")
        if queue is None:
            yield wrong_finding(
                name, "there is no such job queue", "a job queue of this name", _new_queue_fix(walk, name)
            )
        elif queue["state"] == "ENABLED" and queue["status"] in AT_WORK:
            yield unknown_finding(name, f"it is {queue['status']}: AWS is still at work; ask again")
        elif fault := _state_fault(queue, enable):
            yield wrong_finding(name, *fault)
        else:
            yield right_finding(name, "ENABLED, VALID")


NO_QUEUES = """queues:
  executionQueues:
    - dynamic: default
      attributes: [default]
  workflowConfigs:
    - tags: [default]"""


def _new_queue_fix(walk: AccountWalk, name: str) -> Fix:
    """The command that makes the queue, on the environments of another queue of the settings; else the template."""
    usable = [
        one
        for queue in walk.job_queues().values()
        for one in walk.environments(queue)
        if _environment_fault(one) is None
    ]
    if not usable:
        return Fix(words="No compute environment could serve it; `flyte-awsbatch account template` makes both.")
    order = [{"order": 1, "computeEnvironment": usable[0]["computeEnvironmentArn"]}]
    options = {"job_queue_name": name.rpartition("/")[2], "state": "ENABLED", "priority": "1"}
    return Fix((aws_cli_command("batch", "create-job-queue", **options, compute_environment_order=order),))


def check_compute_environments(walk: AccountWalk) -> Iterator[StepFinding]:
    """A queue's last environment decides whether jobs that found no room before it can run at all."""
    described: dict[str, Described] = {}
    queues_of: dict[str, list[str]] = {}
    last = set()
    for name, queue in walk.job_queues().items():
        order = walk.environments(queue)
        for environment in order:
            described[environment["computeEnvironmentName"]] = environment
            queues_of.setdefault(environment["computeEnvironmentName"], []).append(name)
        last |= {one["computeEnvironmentName"] for one in order[-1:]}
    for name, environment in described.items():
        subject = f"{name} (of {', '.join(queues_of[name])})"
        fault = _environment_fault(environment)
        if environment["state"] == "ENABLED" and environment["status"] in AT_WORK:
            yield unknown_finding(subject, f"it is {environment['status']}: AWS is still at work; ask again")
        elif fault is None:
            most = environment.get("computeResources", {}).get("maxvCpus")
            yield right_finding(subject, "ENABLED, VALID" + (f", at most {most} vCPUs" if most else ""))
        elif name in last:
            yield wrong_finding(subject, *fault)
        else:
            yield right_finding(subject, f"{fault[0]}; jobs go to the next environment in the order")


def _state_fault(described: Described, enable: str) -> Fault | None:
    """What keeps AWS from using a queue or an environment; `enable` is the command that updates it."""
    if described["state"] != "ENABLED":
        return f"it is {described['state']}", "ENABLED", Fix((enable,))
    if described["status"] != "VALID":
        said = f"it is {described['status']}: {described.get('statusReason', 'AWS gives no reason')}"
        return said, "VALID", Fix((enable,), words="Mend what AWS names; an update makes AWS look again.")
    return None


def _environment_fault(environment: Described) -> Fault | None:
    """Why an environment runs no jobs."""
    name = environment["computeEnvironmentName"]
    enable = aws_cli_command("batch", "update-compute-environment", compute_environment=name, state="ENABLED")
    if fault := _state_fault(environment, enable):
        return fault
    if "computeResources" in environment and int(environment["computeResources"].get("maxvCpus", 0)) <= 0:
        return "it may have 0 vCPUs", "maxvCpus above 0", _more_vcpus(name, DEFAULT_VCPUS)
    return None


def _more_vcpus(environment: str, vcpus: int) -> Fix:
    resources = f"maxvCpus={vcpus}"
    options = {"compute_environment": environment, "compute_resources": resources}
    return Fix((aws_cli_command("batch", "update-compute-environment", **options),))


def check_compute_environment_room(walk: AccountWalk) -> Iterator[StepFinding]:
    if walk.needs is None:
        yield unknown_finding("tasks", "no MODULE was named")
        return
    known = walk.job_queues()
    for need in walk.needs:
        asked = f"{need.vcpus} vCPUs and {need.memory} MiB"
        for name in need.queues:
            order = walk.environments(known[name]) if name in known else []
            usable = [one for one in order if one["status"] in AT_WORK or _environment_fault(one) is None]
            misfits = [_environment_misfit(walk, one, need) for one in usable]
            if None in misfits:
                yield right_finding(need.task, f"{asked} fit into queue {name}")
            elif misfits:
                reason, fix = next(one for one in misfits if one)
                found = f"it asks for {asked}, and in queue {name} {reason}"
                yield wrong_finding(need.task, found, "a compute environment that holds it", fix)


def _environment_misfit(walk: AccountWalk, environment: Described, need: TaskNeed) -> tuple[str, Fix] | None:
    """(the reason, the fix) when an environment can never run a task."""
    name, resources = environment["computeEnvironmentName"], environment.get("computeResources")
    if resources is None:  # UNMANAGED: its machines are the user's own.
        return None
    fargate = resources["type"].startswith("FARGATE")
    if fargate != (need.platform == "FARGATE"):
        words = f"Set platformCapabilities of the task to {'FARGATE' if fargate else 'EC2'}, or use another queue."
        return f"{name} has {resources['type']} machines, not {need.platform}", Fix(words=words)
    if int(resources["maxvCpus"]) < need.vcpus:
        return f"{name} has at most {resources['maxvCpus']} vCPUs", _more_vcpus(name, need.vcpus)
    sizes = [FARGATE_SIZE] if fargate else _instance_sizes(walk, resources.get("instanceTypes", []))
    # A machine keeps some memory for itself.
    if not sizes or any(vcpus >= need.vcpus and memory > need.memory for vcpus, memory in sizes):
        return None
    words = f"Give {name} an instance type with {need.vcpus} vCPUs and more than {need.memory} MiB, or ask for less."
    return f"no machine of {name} is that large", Fix(words=words)


def _instance_sizes(walk: AccountWalk, types: Iterable[str]) -> list[tuple[int, int]]:
    """(vCPUs, MiB) of what an environment may start; empty when AWS knows none of them."""
    names = [one for kind in types for one in CHOSEN_BY_AWS.get(kind, (kind if "." in kind else f"{kind}.*",))]
    answer = walk.account.ask_aws("ec2", "DescribeInstanceTypes", Filters=[{"Name": "instance-type", "Values": names}])
    return [(one["VCpuInfo"]["DefaultVCpus"], one["MemoryInfo"]["SizeInMiB"]) for one in answer["InstanceTypes"]]


def check_queue_scheduling(walk: AccountWalk) -> Iterator[StepFinding]:
    """A queue with a fair-share policy takes only jobs with a share identifier, another one only jobs without."""
    for name, queue in walk.job_queues().items():
        fair = bool(queue.get("schedulingPolicyArn"))
        needs = [one for one in walk.needs or () if name in one.queues]
        odd = [one for one in needs if bool(one.share_identifier) is not fair]
        for need in odd:
            line = 'AWSBatchConfig(extra={"shareIdentifier": "team"})'
            found = "it has no shareIdentifier" if fair else f"it has the shareIdentifier {need.share_identifier}"
            words = f"Say {line} in the task." if fair else "Drop it, or send the task to a queue with a policy."
            expected = f"{'one' if fair else 'none'}, since queue {name} has {'a' if fair else 'no'} scheduling policy"
            yield wrong_finding(need.task, found, expected, Fix(words=words))
        if fair and walk.needs is None:
            yield unknown_finding(
                name, "it has a scheduling policy, so tasks need a shareIdentifier; name a MODULE to check"
            )
        elif not odd:
            yield right_finding(
                name, "a scheduling policy; its tasks name their share" if fair else "first in, first out"
            )
