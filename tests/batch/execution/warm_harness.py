"""Runs processes by an executor alone, without a service: a script of our own, whose module an interpreter keeps."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batch_shell import eventually

from flytekitplugins.awsbatch.batch.emulator.execution import instance as instances
from flytekitplugins.awsbatch.batch.emulator.execution.executors.process import ProcessExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import (
    CannotStart,
    Event,
    Executor,
    JobProcess,
    Started,
)
from flytekitplugins.awsbatch.batch.emulator.execution.executors.warm import WarmExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.warm_plan import Planner, WarmPlan

HERE = Path(__file__).parent
SCRIPT = "#!{python}\nimport sys\nfrom {module} import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
# Only a hang takes longer, whatever else the machine does.
WAIT_SECONDS = 100.0


@dataclass
class Ended:
    """How a process ended, and what it wrote."""

    event: Event
    log: bytes

    @property
    def code(self) -> int:
        return self.event.exit_code  # type: ignore[union-attr]


@dataclass
class Runner:
    """Processes of one executor. `cwd` is theirs; each gets a log of its own."""

    executor: Executor
    root: Path
    script: Path
    inbox: queue.Queue[Event] = field(default_factory=queue.Queue)
    said: list[str] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)
    _number: int = 0

    @property
    def cwd(self) -> Path:
        return self.root / "cwd"

    def process(self, *arguments: str, environment: Mapping[str, str] | None = None, **fields: object) -> JobProcess:
        self._number += 1
        variables = {
            "PATH": f"{self.script.parent}:/usr/bin:/bin",
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
            # A dead supervisor's attempts are looked for on the whole machine: no other test may have the same.
            "AWS_BATCH_JOB_ID": f"job-{os.getpid()}:{self._number}",
            "AWS_BATCH_JOB_ATTEMPT": "1",
            "OWN_VALUE": "own",
            **(environment or {}),
        }
        values = {
            "key": f"job:{self._number}#1",
            "argv": (self.script.name, *arguments),
            "environment": variables,
            "shared": variables,
            "cwd": self.cwd,
            "log": self.root / f"{self._number}.log",
        }
        return JobProcess(**{**values, **fields})  # type: ignore[arg-type]

    def run(self, process: JobProcess) -> Ended:
        self.executor.start(process)
        return self.end(process)

    def end(self, process: JobProcess) -> Ended:
        """Waits for the end of a process that has been started."""
        while True:
            event = self.inbox.get(timeout=WAIT_SECONDS)
            if isinstance(event, Started):
                self.pids[event.key] = event.pid
            elif event.key == process.key:
                log = b"" if isinstance(event, CannotStart) else process.log.read_bytes()
                return Ended(event, log)

    def started(self, process: JobProcess, ready: bytes = b"ready\n") -> int:
        """Starts a process, waits until it says that it is ready, and returns its number."""
        self.executor.start(process)
        while process.key not in self.pids:
            event = self.inbox.get(timeout=WAIT_SECONDS)
            assert isinstance(event, Started), event
            self.pids[event.key] = event.pid
        eventually(lambda: process.log.exists() and process.log.read_bytes().endswith(ready))
        return self.pids[process.key]


def plan_of(script: Path, module: str) -> Planner:
    def plan(process: JobProcess) -> WarmPlan | None:
        if Path(process.argv[0]).name != script.name:
            return None
        found = shutil.which(process.argv[0], path=process.environment["PATH"])
        if found is None:
            return None
        return WarmPlan(sys.executable, found, process.argv[1:], preload=(module,), never_native=("FLYTE_",))

    return plan


@contextlib.contextmanager
def runner(
    root: Path,
    *,
    warm: bool,
    module: str = "warm_program",
    planner: Planner | None = None,
    isolation: str = "fork",
) -> Iterator[Runner]:
    """A runner whose script runs `main` of a module beside this one."""
    (root / "cwd").mkdir(parents=True)
    (root / "bin").mkdir()
    script = root / "bin" / "warm-script"
    script.write_text(SCRIPT.format(python=sys.executable, module=module))
    script.chmod(0o755)
    process = ProcessExecutor()
    said: list[str] = []
    executor: Executor = process
    if warm:
        executor = WarmExecutor(planner or plan_of(script, module), process, isolation=isolation, warn=said.append)
    made = Runner(executor, root, script, said=said)
    instance = instances.create_instance(root / "instances")
    executor.open_instance(instance, made.inbox.put)
    try:
        yield made
    finally:
        executor.close_instance()
        instance.remove_instance()
