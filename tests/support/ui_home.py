"""Homes with runs of any size, without running them: real records, and jobs in the service's real database."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.execution.logs import Logs
from flytekitplugins.awsbatch.batch.emulator.job_model import (
    FAILED,
    RUNNABLE,
    RUNNING,
    SUCCEEDED,
    Attempt,
    Job,
    Unit,
)
from flytekitplugins.awsbatch.batch.emulator.job_spec import spec_of
from flytekitplugins.awsbatch.batch.emulator.store.database import Database
from flytekitplugins.awsbatch.batch.emulator.store.job_rows import JobRows, changes_of
from flytekitplugins.awsbatch.local.history.past_runs import process_mark
from flytekitplugins.awsbatch.local.history.record import RunRecord
from flytekitplugins.awsbatch.local.home import Home

WORKFLOW = "census.wf"
MIB = 1 << 20


class WrittenHome:
    """A home with one execution, whose job's children are moved by hand, as another process would.

    :ivar name: the execution's. :ivar base: when its job was created, in milliseconds since the epoch.
    """

    def __init__(self, path: Path, size: int, name: str = "a1b2c3d4e5f6g7h8i9j0", function: str = "parse") -> None:
        self.home = Home(path).prepare()
        self.name = name
        self.size = size
        self.function = function
        self.base = int(time.time() * 1000) - 600_000
        self.job_id = "5ed1a86d-4db1-4a33-b0b4-2ff1b31a7a7c"
        self._rows = JobRows(Database(self.home.database))
        self._logs = Logs(self.home.batch / "logs")
        detail = {
            "jobName": f"{name}-n1-0",
            "jobQueue": "arn:aws:batch:us-east-1:000000000000:job-queue/spot",
            "jobDefinition": "arn:aws:batch:us-east-1:000000000000:job-definition/flytekit:1",
            "container": {"command": ["true"], "vcpus": 1, "memory": 512, "environment": []},
        }
        self.job = Job(self.job_id, spec_of(detail), size if size > 1 else None, self.base, "somebody", RUNNABLE)
        self._rows.add_job(self.job)
        self.record = RunRecord(self.home.run(name))
        self.write("running", process_mark())

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
        node |= {
            "snapshot": {"attempt": 0, "plugin_state": state},
            "job_name": "j",
            "job_id": self.job_id,
            "attempt": 0,
        }
        node |= {"children": None, "output_prefix": str(self.record.folder / "meta" / "0"), "link": "", "region": "r"}
        node["request"] = {"jobName": f"{self.name}-n1-0", "arrayProperties": {"size": self.size}}
        node["queue"] = {"queue": "spot", "matching": "documented", "rules": [rule], "role": {"iam_role": "local"}}
        self.record.write_node("n1", node | more)

    def started(self, index: int, after: int) -> Unit:
        """A child's next attempt, so many milliseconds after the job was made."""
        unit = self.job.units[index]
        stream = self._logs.new("flytekit", self.base + after)
        unit.attempts.append(Attempt(len(unit.attempts) + 1, stream, "local", self.base + after))
        unit.status = RUNNING
        return unit

    def ended(self, index: int, after: int, code: int = 0, last: bool = True) -> Unit:
        unit = self.job.units[index]
        attempt = unit.current
        attempt.stopped, attempt.exit_code = self.base + after, code
        attempt.peak_memory, attempt.cpu_seconds = (60 + index % 400) * MIB, 0.5
        attempt.reason = "Essential container in task exited"
        unit.status = (SUCCEEDED if code == 0 else FAILED) if last else RUNNABLE
        unit.reason = attempt.reason if last else None
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
        folder = self.record.folder / "meta" / "0" / str(index)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "error.pb").write_bytes(document.SerializeToString())

    def commit(self, *units: Unit) -> None:
        """Writes what has changed, as the service's process does."""
        self.job.counts = {}
        for unit in self.job.units:
            self.job.counts[unit.status] = self.job.counts.get(unit.status, 0) + 1
        if len(units) == 1 and self.job.size is None:
            self.job.status, self.job.started, self.job.stopped = units[0].status, units[0].attempts[0].started, None
        self._rows.write_changes(changes_of([self.job], units))


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
