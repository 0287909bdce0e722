"""What a job of a local run sees of the machine: its folder, its import path, its environment.

The caller's working tree stands for the container image: a job runs in the caller's folder, finds the caller's modules
and this installation's scripts, and inherits the caller's environment less what would make it emulate in turn.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator.execution.launch import AMBIENT, Launch
from flytekitplugins.awsbatch.batch.emulator.job_model import JobSpec

from .job_scripts import FAST_EXECUTE, job_scripts_directories

INHERIT, CLEAN = "inherit", "clean"
DROP = "drop"

# The variables that a process needs to run at all; none of them says who started it.
CLEAN_NAMES = frozenset({*AMBIENT, "LOGNAME", "SHELL", "LANGUAGE"})
CLEAN_PREFIXES = ("LC_",)

# Variables by which a job would take itself for the caller, or for another job. pytest's variable changes with every
# test, and a warm interpreter serves jobs of one environment only.
NEVER_INHERITED = (
    "FLYTE_AWSBATCH",
    "FLYTE_INTERNAL_",
    "AWS_BATCH_",
    "BATCH_JOB_ARRAY_INDEX",
    wire.FAKE_ARRAY_INDEX,
    "PYTEST_CURRENT_TEST",
    wire.IMAGE_ID,
)

# The caller's variables that a container gets, in place of the credentials of its job role on AWS.
ROLE_NAMES = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"}
)
ROLE_PREFIXES = ("AWS_ENDPOINT_URL", "FLYTE_AWS_")


@dataclass
class LocalLaunch:
    """A LaunchPolicy for the jobs of this process's tasks.

    :param environment: `inherit` or `clean` (`emulator.environment`).
    :param execution_env: `drop` or `forward` (`emulator.execution_env`).
    :param temporary: each attempt gets a directory below it as TMPDIR; None leaves the caller's. A container's `/tmp`
        goes with it, and flytekit leaves its downloads there.
    :param in_images: whether jobs run in containers of their images, which have all of that already.
    """

    environment: str = INHERIT
    execution_env: str = DROP
    temporary: Path | None = None
    in_images: bool = False
    _launches: dict[str, Launch] = field(default_factory=dict)
    _execution_env: Mapping[str, str] = field(default_factory=dict)

    def add_code(
        self, task_name: str, root: str | None, execution_env: Mapping[str, str], image_id: str = ""
    ) -> dict[str, Any]:
        """Sets the folder that has to be on the import path of a task's jobs. They see this process as it is now: all
        children of an array the same, whenever they start.

        :param execution_env: the variables of `pyflyte run --env`, which flytekit has put into this process.
        :param image_id: of the task's ImageSpec, by which `is_container()` knows the image.
        :returns: what another process needs to start the jobs again; it holds no variable's value.
        """
        self._execution_env = execution_env
        launch = self.launch_now(root, image_id)
        self._launches[task_name] = launch
        folder, python_path = launch.cwd, launch.python_path
        if self.in_images:
            folder, python_path = Path.cwd(), _import_path(root, sys.path)
        return {
            "environment": self.environment,
            "folder": str(folder),
            "python_path": list(python_path),
            "image": image_id,
        }

    def __call__(self, spec: JobSpec) -> Launch:
        task_name = spec.environment.get("FLYTE_INTERNAL_TASK_NAME", "")
        launch = self._launches.get(task_name) or self.launch_now()
        return replace(launch, cwd=None) if spec.command[:1] == (FAST_EXECUTE,) else launch

    def launch_now(self, root: str | None = None, image_id: str = "") -> Launch:
        """The launch of a job from this process as it is now. For the parameters see `add_code`."""
        temporary = {"TMPDIR": str(self.temporary)} if self.temporary is not None else {}
        given = self._execution_env
        inherited = {name: value for name, value in os.environ.items() if name not in given}
        forwarded = (
            {}
            if self.execution_env == DROP
            else {name: value for name, value in given.items() if not name.startswith(NEVER_INHERITED)}
        )
        if self.in_images:
            return Launch(environment=_job_credentials(os.environ) | forwarded, cwd=Path("/"))
        return Launch(
            environment=base_job_environment(inherited, self.environment, image_id) | forwarded | temporary,
            cwd=Path.cwd(),
            temporary=self.temporary,
            path=job_scripts_directories(),
            python_path=_import_path(root, sys.path),
        )


def _job_credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that replace the job's role in a container, and say where AWS is."""
    return {name: value for name, value in environ.items() if name in ROLE_NAMES or name.startswith(ROLE_PREFIXES)}


def base_job_environment(environ: Mapping[str, str], mode: str, image_id: str) -> dict[str, str]:
    """The variables that a job has before its own are set.

    :param image_id: of its task's ImageSpec, as the image that flytekit builds has it; "" where there is none.
    """
    image = {wire.IMAGE_ID: image_id} if image_id else {}
    if mode == CLEAN:
        chosen = (name for name in environ if name in CLEAN_NAMES or name.startswith(CLEAN_PREFIXES))
    else:
        chosen = (name for name in environ if not name.startswith(NEVER_INHERITED))
    return {name: environ[name] for name in chosen} | image


def _import_path(code_root: str | None, paths: Iterable[str]) -> tuple[str, ...]:
    """The root of the task's module, then the caller's path without what every interpreter of this installation has."""
    # flytekit may put the same folder on the path again with each call.
    return _path_for_jobs(code_root, tuple(dict.fromkeys(paths)), str(Path.cwd()))


@functools.lru_cache(maxsize=64)
def _path_for_jobs(code_root: str | None, paths: tuple[str, ...], folder: str) -> tuple[str, ...]:
    """Cached, since it is asked for with every attempt of thousands of children."""
    own = {
        os.path.realpath(path) for name, path in sysconfig.get_paths().items() if name not in {"include", "platinclude"}
    }
    own.add(os.path.realpath(Path(sysconfig.get_path("stdlib")) / "lib-dynload"))
    chosen: dict[str, None] = {}
    for path in [*([code_root] if code_root else []), *(path or folder for path in paths)]:
        absolute = str(Path(path).absolute())
        if os.path.realpath(absolute) not in own and Path(absolute).exists():
            chosen[absolute] = None
    return tuple(chosen)
