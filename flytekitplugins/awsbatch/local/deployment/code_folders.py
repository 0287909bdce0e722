"""The folders in which fast-registered jobs find their code: one for each distribution, in place of an absolute
destination.

`pyflyte register` lets jobs unpack their code into `/root` unless it is told otherwise, which each container has for
itself. Jobs here are processes of one machine: they would write into its `/root`, all at once and over each other's
versions. `container.code_distribution` does the unpacking, in the job.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator import private_folders
from flytekitplugins.awsbatch.batch.emulator.execution.launch import Launch, LaunchPolicy
from flytekitplugins.awsbatch.batch.emulator.job_model import JobSpec
from flytekitplugins.awsbatch.container import code_distribution

from ... import machine_time
from .job_scripts import FAST_EXECUTE
from .preload import preload_split_fast, preload_with_distribution

SECONDS_A_DAY = 86_400
# Commands whose folder is known: as many as start attempts in turns.
REMEMBERED = 64


class CodeFolders:
    """A LaunchPolicy over another one.

    :param root: holds the folders; made when it is needed.
    :param keep_days: folders that no job has asked for so long are removed now; at least one day.
    """

    def __init__(self, policy: LaunchPolicy, root: Path, keep_days: float) -> None:
        self._policy = policy
        self._command = functools.lru_cache(REMEMBERED)(functools.partial(shared_code_folder, root=root))
        oldest = machine_time.wall() - max(keep_days, 1) * SECONDS_A_DAY
        with contextlib.suppress(OSError):
            for path in root.glob("*"):
                if path.is_dir() and path.stat().st_mtime < oldest:
                    code_distribution.remove_distribution(path)

    def __call__(self, spec: JobSpec) -> Launch:
        """Raises OSError where the folder cannot be made."""
        launch, command = self._policy(spec), self._command(spec.command)
        return replace(launch, command=command) if command else launch


def shared_code_folder(command: tuple[str, ...], root: Path) -> tuple[str, ...]:
    """The command that starts a job with its distribution's folder; empty where the job's own is right as it is."""
    options, inner = preload_split_fast(command[1:]) if command[:1] == (FAST_EXECUTE,) else ({}, ())
    distribution, destination = options.get("--additional-distribution", ""), options.get("--dest-dir", "")
    if not inner or not distribution.endswith(".tar.gz") or not destination.startswith(("/", "~")):
        return ()
    folder = private_folders.make_private_folder(root) / hashlib.sha256(distribution.encode()).hexdigest()[:32]
    # A dynamic task passes the destination on to tasks that may run elsewhere.
    words = preload_with_distribution(inner, distribution, destination)
    return (sys.executable, "-m", wire.CODE_MODULE, distribution, str(folder), *words)
