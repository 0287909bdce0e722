"""What a user may say about the local AWS Batch service: keys of the `emulator` section of the settings.

The service takes these as values; where they were written is the reader's business.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from flytekitplugins.awsbatch.settings.section import setting

from .faults import Fault

ENFORCE = "enforce"
IGNORE = "ignore"
# When an image is pulled.
PULL_MISSING, PULL_ALWAYS, PULL_NEVER = "missing", "always", "never"
NETWORKS = ("host", "bridge", "none")
# The largest sizes, in vCPUs and MiB.
LARGEST = 10**9


@dataclass(frozen=True)
class ContainerSettings:
    """`emulator.container`: how jobs run in containers, where `emulator.isolation` is `container`.

    :param engine: the URL of an engine that answers Docker's API (`unix:///run/podman/podman.sock`). Empty: that of
        `DOCKER_HOST`, of the docker context, or the first of the usual sockets that answers.
    :param pull: when an image is pulled: if it is `missing`; `always`, as AWS does it, with the image that is there
        where the registry cannot be reached; `never`.
    :param network: every job's network: `host`, which AWS Batch gives to jobs on EC2; `bridge`; `none`.
    :param runtime: Docker's name for the OCI runtime. Empty: its own default. Podman takes its runtime from its
        own command line only.
    :param ulimits: soft and hard limit by name, for jobs whose definition does not set that one (`nofile: 1024`).
    """

    engine: str = setting("engine", "")
    pull: str = setting("pull", PULL_MISSING, choices=(PULL_MISSING, PULL_ALWAYS, PULL_NEVER))
    network: str = setting("network", "host", choices=NETWORKS)
    runtime: str = setting("runtime", "")
    ulimits: dict[str, int] = setting("ulimits", factory=dict)


@dataclass(frozen=True)
class BatchSettings:
    """The `emulator` keys that the local AWS Batch reads.

    :param vcpus: the size of a compute environment that says nothing of its own; 0: this machine's.
    :param memory: the memory of such a compute environment; 0: this machine's.
    :param kill_grace: the time between SIGTERM and SIGKILL; the default is ECS's.
    :param memory_limit: whether a job that takes more memory than it asked for is killed.
    :param fargate_rules: `ignore` accepts Fargate job definitions as Flyte sends them, without an execution role and
        with plain `vcpus` and `memory`, and jobs on queues of the other platform. AWS refuses both.
    :param retention_days: ended jobs and their logs are forgotten after that, at a start; AWS keeps them for at least
        seven days.
    :param faults: what is to go wrong on purpose.
    :param container: how jobs run in containers, where `isolation` is `container`.
    """

    # Not keys of `emulator`: a deployment says both under `plugins.aws`.
    region: str = "us-east-1"
    account_id: str = "000000000000"
    vcpus: float = setting("vcpus", 0, minimum=0, maximum=LARGEST, unit="vCPUs")
    memory: int = setting("memory", 0, minimum=0, maximum=LARGEST, unit="MiB")
    kill_grace: float = setting("kill_grace", 30.0, minimum=0, maximum=86_400, unit="seconds")
    memory_limit: str = setting("memory_limit", ENFORCE, choices=(ENFORCE, IGNORE))
    fargate_rules: str = setting("fargate_rules", ENFORCE, choices=(ENFORCE, IGNORE))
    retention_days: float = setting("retention_days", 7.0, minimum=0, maximum=36_500, unit="days")
    faults: tuple[Fault, ...] = setting("faults", ())
    container: ContainerSettings = setting("container", factory=ContainerSettings)

    @property
    def machine_vcpus(self) -> float:
        return self.vcpus or float(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )

    @property
    def machine_memory(self) -> int:
        """MiB."""
        return self.memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
