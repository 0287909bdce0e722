"""Homes with runs of any size, without running them: real records, and jobs in the service's real database."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.execution.log_files import Logs
from flytekitplugins.awsbatch.batch.emulator.job_model import (
    FAILED,
    RUNNABLE,
    RUNNING,
    SUCCEEDED,
    Attempt,
    Job,
    Unit,
)
from flytekitplugins.awsbatch.batch.emulator.job_spec import job_spec_of
from flytekitplugins.awsbatch.batch.emulator.store.database import Database
from flytekitplugins.awsbatch.batch.emulator.store.job_rows import JobRows, job_row_changes
from flytekitplugins.awsbatch.local.history.process_mark import process_mark
from flytekitplugins.awsbatch.local.history.record import RunRecord
from flytekitplugins.awsbatch.local.home import Home

WORKFLOW = "census.wf"
MIB = 1 << 20
PHASES = {SUCCEEDED: "SUCCESS", FAILED: "RETRYABLE_FAILURE", RUNNING: "RUNNING"}


class WrittenHome:
    """A home with one execution, whose job's children are moved by hand, as another process would.

    :ivar name: the execution's. :ivar base: when its job was created, in milliseconds since the epoch.
    :ivar attempts: of the node, before the last one, as its record has them.
    """

    def __init__(self, path: Path, size: int, name: str = "a1b2c3d4e5f6g7h8i9j0", function: str = "parse") -> None:
        self.home = Home(path).prepare()
        self.name = name
        self.size = size
        self.function = function
        self.base = int(time.time() * 1000) - 600_000
        self.attempts: list[dict[str, Any]] = []
        self._database = Database(self.home.database)
        self._rows = JobRows(self._database)
        self._logs = Logs(self.home.batch / "logs")
        self.job = self._submitted()
        self.record = RunRecord(self.home.run(name))
        self.write("running", process_mark())

    def close(self) -> None:
        """Ends the process that has written it, as far as readers see."""
        self._database.close_database()

    @property
    def job_id(self) -> str:
        return self.job.id

    def _submitted(self) -> Job:
        number = len(self.attempts)
        detail = {
            "jobName": f"{self.name}-n1-{number}",
            "jobQueue": "arn:aws:batch:us-east-1:000000000000:job-queue/spot",
            "jobDefinition": "arn:aws:batch:us-east-1:000000000000:job-definition/flytekit:1",
            "container": {"command": ["true"], "vcpus": 1, "memory": 512, "environment": []},
        }
        job_id = f"{number + 5}ed1a86d-4db1-4a33-b0b4-2ff1b31a7a7c"
        job = Job(job_id, job_spec_of(detail), self.size if self.size > 1 else None, self.base, "somebody", RUNNABLE)
        self._rows.add_job(job)
        return job

    def again(self, reason: str) -> None:
        """The node's attempt has failed, and the next one begins with a job of its own."""
        units = enumerate(self.job.units)
        facts = [
            {"original": index, "child": index, "phase": PHASES.get(unit.status, "QUEUED")} for index, unit in units
        ]
        common = {"job_id": self.job_id, "attempts": 1, "message": "", "times": [None, None, None]}
        attempt = {"attempt": len(self.attempts), "job_name": self.job.spec.name, "job_id": self.job_id}
        attempt |= {"failed": True, "reason": reason, "children": [fact | common for fact in facts]}
        self.attempts.append(attempt)
        self.job = self._submitted()
        self.write("running", process_mark())

    @property
    def _folder(self) -> Path:
        """Of the files of the node's current attempt."""
        return self.record.folder / "meta" / str(len(self.attempts))

    def write(self, status: str, process: dict[str, Any] | None = None, **more: Any) -> None:
        """The execution's and the node's records."""
        base = self.base / 1000
        execution = {"execution": self.name, "launch": self.name, "project": "flytesnacks", "domain": "development"}
        execution |= {"workflow": WORKFLOW, "started": base, "process": process, "folder": str(Path.cwd())}
        execution["command"] = ["pyflyte", "run", "--env", "FLYTE_AWSBATCH=local", "census.py", "wf"]
        if status != "running":
            execution["ended"] = time.time()
        self.record.write_execution(execution)
        state = {"original_size": self.size, "execution_size": self.size, "indexes_to_run": [[0, self.size - 1]]}
        rule = {"rule": "tags: [default]", "kind": "rule", "where": {"file": "settings.yaml", "line": 6}}
        rule |= {"matched": True, "reason": "it is for every execution", "queues": ["spot"], "decided": True}
        node = {"task": "census.parse", "function": self.function, "call": 0, "status": status, "updated": time.time()}
        last = {"job_name": self.job.spec.name, "job_id": self.job_id, "failed": False, "reason": ""}
        node |= {
            "snapshot": {"attempt": 0, "plugin_state": state},
            "job_name": self.job.spec.name,
            "job_id": self.job_id,
            "attempt": 0,
            "attempts": [*self.attempts, {"attempt": len(self.attempts), **last}],
        }
        node |= {"children": None, "output_prefix": str(self._folder), "link": "", "region": "r"}
        node["request"] = {"jobName": f"{self.name}-n1-0", "arrayProperties": {"size": self.size}}
        node["queue"] = {"queue": "spot", "matching": "documented", "rules": [rule], "role": {"iam_role": "local"}}
        self.record.write_node("n1", node | more)

    def started(self, index: int, after: int) -> Unit:
        """A child's next attempt, so many milliseconds after the job was made."""
        unit = self.job.units[index]
        stream = self._logs.new("flytekit", self.base + after)
        unit.attempts.append(Attempt(len(unit.attempts) + 1, stream, "local", self.base + after))
        unit.status, unit.started, unit.stopped = RUNNING, self.base + after, None
        return unit

    def ended(self, index: int, after: int, code: int = 0, last: bool = True) -> Unit:
        unit = self.job.units[index]
        attempt = unit.current
        attempt.stopped, attempt.exit_code = self.base + after, code
        attempt.peak_memory, attempt.cpu_seconds = (60 + index % 400) * MIB, 0.5
        attempt.reason = "Essential container in task exited"
        unit.status = (SUCCEEDED if code == 0 else FAILED) if last else RUNNABLE
        unit.reason = attempt.reason if last else None
        unit.stopped = attempt.stopped if last else None
        return unit

    def log(self, index: int, text: str) -> Path:
        """Adds to the log of a child's current attempt."""
        stream = self.job.units[index].current.stream
        assert stream is not None
        path = self._logs.make(stream)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
        return path

    def error(self, index: int, message: str) -> None:
        """What the child leaves when its task raises."""
        from flyteidl.core import errors_pb2

        document = errors_pb2.ErrorDocument()
        trace = f'Traceback (most recent call last):\n      File "census.py", line 7, in parse\n    {message}'
        document.error.message = f"Trace:\n\n    {trace}\n\nMessage:\n\n    {message}"
        folder = self._folder / str(index)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "error.pb").write_bytes(document.SerializeToString())

    def commit(self, *units: Unit) -> None:
        """Writes what has changed, as the service's process does."""
        self.job.counts = {}
        for unit in self.job.units:
            self.job.counts[unit.status] = self.job.counts.get(unit.status, 0) + 1
        if len(units) == 1 and self.job.size is None:
            self.job.status, self.job.started, self.job.stopped = units[0].status, units[0].attempts[0].started, None
        self._rows.write_changes(job_row_changes([self.job], units))


def busy_home(path: Path, size: int, seed: int = 1) -> WrittenHome:
    """A run under way: most children succeeded, a few failed or were tried twice, some run, the last ones wait."""
    home = WrittenHome(path, size)
    rng = random.Random(seed)
    changed = []
    for index in range(size):
        place = index / size
        begun = int(place * 500_000) + rng.randint(20, 4000)
        if place > 0.92:
            continue
        home.started(index, begun)
        lasts = int(rng.lognormvariate(8.4, 0.6))
        if place > 0.86:
            changed.append(home.job.units[index])
            continue
        wrong = rng.random()
        if wrong < 0.02:
            home.ended(index, begun + lasts // 2, 1, last=False)
            home.started(index, begun + lasts // 2 + 400)
        changed.append(home.ended(index, begun + lasts, 1 if wrong < 0.006 else 0))
    for unit in changed[:: max(1, size // 40)]:
        home.log(unit.index or 0, f"\x1b[32mparsing\x1b[0m item {unit.index}\nfound {rng.randint(3, 900)} names\n")
    for unit in changed:
        if unit.status == FAILED:
            home.log(unit.index or 0, "\x1b[33mWARNING\x1b[0m no such chunk\n")
            home.error(unit.index or 0, f"ValueError: chunk {unit.index} is not there")
    home.commit(*changed)
    return home
