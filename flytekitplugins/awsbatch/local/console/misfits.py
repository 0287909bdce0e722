"""A job that no compute environment can ever hold: where its numbers come from, and what to do. Pure."""

from __future__ import annotations

from flyteidl.core import tasks_pb2

from flytekitplugins.awsbatch.propeller.aws_array.requirements import CPU, MEMORY, ResourceRequirements

_DEFAULTS = "task_resources.defaults of the settings, or the handler's defaults"


def misfit_advice(reason: str, task: tasks_pb2.Resources, override: ResourceRequirements | None) -> str:
    """
    :param reason: AWS Batch's status reason.
    :param task: what the task itself asks for. :param override: what `with_overrides` of the call asks for.
    """
    if "vCPU" in reason:
        name, argument, setting = CPU, "cpu", "emulator.vcpus"
    elif "memory" in reason:
        name, argument, setting = MEMORY, "mem", "emulator.memory"
    else:
        return ""
    return (
        f"The number is that of {_asked_by(name, argument, task, override)}. Ask for less, or make the local compute "
        f"environment larger ({setting}; this machine's size unless it is set)."
    )


def _asked_by(name: str, argument: str, task: tasks_pb2.Resources, override: ResourceRequirements | None) -> str:
    """Where a job's number comes from: of a task the limit is sent, and the request where there is none."""
    own = ResourceRequirements.from_template(task)
    given = override or ResourceRequirements()
    for kind, of_call, of_task in (
        ("limits", given.limits, own.limits),
        ("requests", given.requests, own.requests),
    ):
        for where, asked in (("with_overrides", of_call), ("@task", of_task)):
            if name in asked:
                return f'{where}({kind}=Resources({argument}="{asked[name]}"))'
    return _DEFAULTS
