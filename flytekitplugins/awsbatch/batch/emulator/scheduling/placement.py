"""Which runnable jobs start where: queue priority over shared compute environments, capacity by vCPU, memory and GPU.
Pure.

First in, first out within a queue, as AWS Batch's queues without a scheduling policy. A job that does not fit just
now holds back what comes after it on the same compute environments, so that small jobs cannot starve a large one; a
job that can never fit holds back nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

TOO_FEW_VCPUS = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - the job needs {need:g} vCPUs and no compute environment"
    " of the queue has more than {most:g}"
)
TOO_LITTLE = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - the job needs {need} {what} and no compute environment"
    " of the queue has more than {most}"
)


@dataclass(frozen=True)
class Size:
    """:param memory: MiB."""

    vcpus: float
    memory: int
    gpus: int = 0

    def holds(self, need: Size) -> bool:
        # vCPUs come in quarters and eighths: floats hold those exactly.
        return need.vcpus <= self.vcpus and need.memory <= self.memory and need.gpus <= self.gpus

    def without(self, need: Size) -> Size:
        return Size(self.vcpus - need.vcpus, self.memory - need.memory, self.gpus - need.gpus)

    def plus(self, need: Size) -> Size:
        return Size(self.vcpus + need.vcpus, self.memory + need.memory, self.gpus + need.gpus)


class Hold(Enum):
    """Why a job is not placed."""

    WAIT = "something must end first"
    NEVER = "it can never fit"


@dataclass
class Occupancy:
    """The sizes of compute environments and how much of them is used.

    :param total: of the enabled compute environments by name.
    """

    total: Mapping[str, Size]
    used: dict[str, Size] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    def place(self, need: Size, order: Sequence[str]) -> str | Hold:
        """Takes room for a job in the first environment that has it, and returns its name.

        On `Hold.WAIT` the environments that could hold it are closed for the rest of the round.
        """
        fitting = [name for name in order if name in self.total and self.total[name].holds(need)]
        if not fitting:
            return Hold.NEVER
        for name in fitting:
            if name in self.held:
                continue
            used = self.used.get(name, Size(0, 0))
            if self.total[name].without(used).holds(need):
                self.used[name] = used.plus(need)
                return name
        self.held.update(fitting)
        return Hold.WAIT

    def give_back(self, name: str, need: Size) -> None:
        self.used[name] = self.used[name].without(need)

    def new_placement_round(self, total: Mapping[str, Size]) -> None:
        self.total = total
        self.held.clear()


def why_not_placeable(need: Size, sizes: Iterable[Size]) -> str:
    """The status reason of a job that no compute environment of its queue can ever hold."""
    known = list(sizes)
    most_vcpus = max((size.vcpus for size in known), default=0)
    most_memory = max((size.memory for size in known), default=0)
    most_gpus = max((size.gpus for size in known), default=0)
    if need.vcpus > most_vcpus:
        return TOO_FEW_VCPUS.format(need=need.vcpus, most=most_vcpus)
    if need.gpus > most_gpus:
        return TOO_LITTLE.format(need=need.gpus, what="GPUs", most=most_gpus)
    return TOO_LITTLE.format(need=need.memory, what="MiB of memory", most=most_memory)
