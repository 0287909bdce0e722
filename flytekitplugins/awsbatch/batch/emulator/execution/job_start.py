"""From a unit that may start to the process that an executor is given: log stream, environment, directory."""

from __future__ import annotations

from pathlib import Path

from ..arns import DEFINITION, name_in_arn, split_arn_revision
from ..clock import Clock
from ..job_model import Job, Unit
from ..settings import ENFORCE, BatchSettings
from .executors.protocol import JobProcess
from .launch import Launch, LaunchPolicy, own_launch_environment, shared_launch_environment
from .log_files import Logs
from .scratch import Scratch

# For how many jobs the environment is kept: as many as start attempts in turns.
REMEMBERED = 64


class Starter:
    """:ivar scratch: set when the service starts."""

    def __init__(self, launch: LaunchPolicy, logs: Logs, settings: BatchSettings, clock: Clock) -> None:
        self._launch = launch
        self._logs = logs
        self._settings = settings
        self._clock = clock
        self.scratch: Scratch | None = None
        self._temporary: dict[Path, Scratch] = {}
        self._shared: dict[str, tuple[Launch, dict[str, str]]] = {}

    def prepare(self, unit: Unit) -> tuple[JobProcess, str]:
        """Prepares the unit's current attempt; returns its log stream too. Raises whatever the launch policy raises,
        OSError."""
        spec = unit.job.spec
        definition = split_arn_revision(name_in_arn(DEFINITION, spec.definition) or "")[0]
        stream = self._logs.new(definition, self._clock.now_ms())
        launch = self._launch(spec)
        assert self.scratch is not None
        scratch = self.scratch.take() if launch.cwd is None else None
        temporary = self._temporary_below(launch.temporary).take() if launch.temporary is not None else None
        own = own_launch_environment(unit)
        if temporary is not None and "TMPDIR" not in spec.environment:
            own = own | {"TMPDIR": str(temporary)}
        shared = self._environment(unit.job, launch)
        process = JobProcess(
            key=f"{unit.id}#{unit.current.number}#{stream.rpartition('/')[2]}",
            argv=launch.command or spec.command,
            environment={**shared, **own},
            shared=shared,
            cwd=launch.cwd or scratch or Path(),
            log=self._logs.make(stream),
            memory_limit=spec.memory if self._settings.memory_limit == ENFORCE else 0,
            scratch=scratch,
            temporary=temporary,
            spec=spec,
        )
        return process, stream

    def note_start(self, process: JobProcess, at: int) -> None:
        """No line of the attempt's log is older than its start."""
        self._logs.times.note_start(process.log, at)

    def _temporary_below(self, root: Path) -> Scratch:
        if root not in self._temporary:
            self._temporary[root] = Scratch(root, outlives_service=True)
        return self._temporary[root]

    def give_back(self, process: JobProcess) -> None:
        """Removes what is in the directories of an attempt that has ended."""
        if process.scratch is not None and self.scratch is not None:
            self.scratch.give_back(process.scratch)
        if process.temporary is not None:
            self._temporary_below(process.temporary.parent).give_back(process.temporary)

    def finish_removing_scratch(self) -> None:
        """Returns when everything that was given back is gone."""
        for scratch in (*([self.scratch] if self.scratch is not None else []), *self._temporary.values()):
            scratch.finish_removing()

    def _environment(self, job: Job, launch: Launch) -> dict[str, str]:
        """The very same object for all attempts of a job, as long as the policy gives them the same launch."""
        known = self._shared.get(job.id)
        if known is None or known[0] != launch:
            if len(self._shared) >= REMEMBERED:
                self._shared.clear()
            known = self._shared[job.id] = launch, shared_launch_environment(job.spec.environment, launch)
        return known[1]
