"""What a job's process sees: the caller's policy (base environment, directory, search paths), and how it is put
together with the job's own environment and AWS's. Decides only; starting the process is an executor's business.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flytekitplugins.awsbatch import wire

from ..job_model import JobSpec, Unit


@dataclass(frozen=True)
class Launch:
    """The policy's answer.

    :param environment: lies below the job's own; AWS's variables lie on top of both.
    :param cwd: None gives the attempt a scratch directory of its own, removed when it has ended.
    :param path: directories put first on PATH, whoever set it.
    :param python_path: directories put first on PYTHONPATH, whoever set it.
    :param command: what is started instead of the job's own command; empty: that.
    :param temporary: gives each attempt a directory of its own below this one as TMPDIR, emptied when it has ended.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    temporary: Path | None = None
    path: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


LaunchPolicy = Callable[[JobSpec], Launch]

# The variables without which no command runs; a container's image would bring them.
AMBIENT = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


def launch_policy_in_clean_environment(
    extra: Mapping[str, str] | None = None,
    temporary: Path | None = None,
    path: tuple[str, ...] = (sysconfig.get_path("scripts"),),
) -> LaunchPolicy:
    """The policy for anybody's jobs: what the machine needs, `extra`, a scratch directory, this installation's
    scripts.

    :param temporary: as for `Launch`, like `path`.
    """
    base = {name: os.environ[name] for name in AMBIENT if name in os.environ}
    return _on_ecs(extra, lambda more: Launch(environment={**base, **more}, temporary=temporary, path=path))


def launch_policy_in_image(extra: Mapping[str, str] | None = None) -> LaunchPolicy:
    """The policy for jobs in containers of their own images: nothing of this machine, and `extra`."""
    # An image says itself which directory a command starts in.
    return _on_ecs(extra, lambda more: Launch(environment=more, cwd=Path("/")))


def _on_ecs(extra: Mapping[str, str] | None, launch: Callable[[dict[str, str]], Launch]) -> LaunchPolicy:
    """With the variable by which programs know where they run (ECS developer guide, "Amazon ECS environment
    variables")."""
    ec2, fargate = (launch({"AWS_EXECUTION_ENV": f"AWS_ECS_{kind}", **(extra or {})}) for kind in ("EC2", "FARGATE"))
    return lambda spec: fargate if spec.on_fargate else ec2


def compose_launch(unit: Unit, launch: Launch) -> dict[str, str]:
    """The environment of the process of a unit's current attempt."""
    return {**shared_launch_environment(unit.job.spec.environment, launch), **own_launch_environment(unit)}


def shared_launch_environment(environment: Mapping[str, str], launch: Launch) -> dict[str, str]:
    """The part of the environment that all attempts of a job have in common.

    :param environment: the job's own.
    """
    shared = {**launch.environment, **environment}
    for name, first in (("PATH", launch.path), ("PYTHONPATH", launch.python_path)):
        if first:
            rest = shared.get(name) or (os.defpath if name == "PATH" else "")
            shared[name] = os.pathsep.join([*first, *([rest] if rest else [])])
    return shared


def own_launch_environment(unit: Unit) -> dict[str, str]:
    """What AWS Batch sets for a unit's current attempt: the user guide's "AWS Batch job environment variables"."""
    own = {
        wire.AWS_JOB_ID: unit.id,
        wire.AWS_JOB_ATTEMPT: str(unit.current.number),
        wire.AWS_JOB_QUEUE: unit.job.spec.queue,
        wire.AWS_COMPUTE_ENVIRONMENT: unit.current.environment or "",
    }
    if unit.index is not None:
        own |= {wire.AWS_JOB_ARRAY_INDEX: str(unit.index), wire.AWS_JOB_ARRAY_SIZE: str(unit.job.size)}
    return own
