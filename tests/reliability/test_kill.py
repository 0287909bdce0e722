"""kill -9 at random moments: nothing is left behind, nothing that had succeeded runs again, nothing is submitted twice.

The seed is printed; `RELIABILITY_SEED` repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from terminals import awsbatch, eventually, execution_of, of_home, pyflyte, starts

from flytekitplugins.awsbatch.batch.emulator.execution import instance
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local.all_settings import DEFAULT

NAMED = re.compile(r"Execution [a-z0-9]{20} ")
STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")


@dataclass
class Victim:
    """A run of a map of so many children, to be killed and taken up until it ends."""

    home: Path
    marks: Path
    count: int
    seconds: float
    execution: str = ""
    succeeded: dict[int, int] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[bytes]:
        log = (self.marks / "output").open("wb")
        resume = {"FLYTE_AWSBATCH_RESUME": self.execution} if self.execution else {}
        inputs = ("--count", str(self.count), "--folder", str(self.marks), "--seconds", str(self.seconds))
        return subprocess.Popen(
            pyflyte("squares", *inputs),
            env={**os.environ, "FLYTE_AWSBATCH": "local", "FLYTE_AWSBATCH_HOME": str(self.home), **resume},
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self.home.parent,
        )

    @property
    def started(self) -> int:
        return sum(starts(self.marks).values())

    @property
    def output(self) -> str:
        return (self.marks / "output").read_text(errors="replace")

    def kill_after(self, started: int, pause: float) -> bool:
        """Kills the run once so many children have started in all; False: it ended before."""
        run = self.start()
        try:
            eventually(
                lambda: run.poll() is not None or bool(NAMED.search(self.output) and self.started >= started),
                lambda: self.output[-800:],
            )
            time.sleep(pause)
        finally:
            run.kill()
        self.execution = self.execution or execution_of(self.output)
        if run.wait() >= 0:
            assert run.returncode == 0, self.output[-2000:]
            return False
        eventually(lambda: of_home(self.home) == [], lambda: f"left behind: {of_home(self.home)}")
        return True

    def finish(self) -> str:
        run = self.start()
        assert run.wait(600) == 0, self.output[-2000:]
        return self.output.rstrip().splitlines()[-1]

    def look(self) -> None:
        """What had succeeded the last time has not started since."""
        now = starts(self.marks)
        again = {child: now[child] for child, before in self.succeeded.items() if now[child] != before}
        assert again == {}, "started again after it had succeeded"
        self.succeeded = {child: now[child] for child in self._successes()}

    def _successes(self) -> set[int]:
        """By the database, and by the journals of what had died before the database was written."""
        batch = LocalBatch(self.home / "batch")
        try:
            (array,) = [job for job in self.jobs(batch) if "arrayProperties" in job] or [None]
            if array is None:
                return set()
            ids = [f"{array['jobId']}:{index}" for index in range(self.count)]
            found = set()
            for first in range(0, self.count, 100):
                for job in batch.describe_jobs(jobs=ids[first : first + 100])["jobs"]:
                    if job["status"] == "SUCCEEDED":
                        found.add(int(job["jobId"].partition(":")[2]))
            for directory in (self.home / "batch" / "instances").glob("*"):
                for key, end in instance.exits_of_instance(directory).items():
                    known = re.fullmatch(rf"{array['jobId']}:(\d+)#.*", key)
                    if known and end.exit_code == 0:
                        found.add(int(known[1]))
            return found
        finally:
            batch.close()

    def jobs(self, batch: LocalBatch) -> list[dict[str, object]]:
        listed = [
            job
            for status in STATUSES
            for job in batch.list_jobs(jobQueue="default", jobStatus=status)["jobSummaryList"]  # type: ignore[arg-type]
        ]
        ids = [job["jobId"] for job in listed]
        return [dict(job) for job in batch.describe_jobs(jobs=ids)["jobs"]] if ids else []

    def names(self) -> list[str]:
        batch = LocalBatch(self.home / "batch")
        try:
            return sorted(str(job["jobName"]) for job in self.jobs(batch))
        finally:
            batch.close()


def moments(count: int, rounds: int, chance: random.Random) -> list[tuple[int, float]]:
    """(children started so far, seconds after that) at which to kill, in order: each round adds a few starts."""
    found, started = [], 0
    for _ in range(rounds):
        started += chance.randint(0, max(2 * count // rounds, 1))
        found.append((min(started, count - 1), chance.uniform(0.0, 0.3)))
    return found


LONG = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(
    ("isolation", "count", "rounds"),
    [("fork", 16, 3), pytest.param("fork", 200, 50, marks=LONG), pytest.param("process", 60, 10, marks=LONG)],
)
def test_a_map_that_is_killed_again_and_again_ends_right(
    home: Path,
    marks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    isolation: str,
    count: int,
    rounds: int,
    isolation_keys: dict[str, Any],
) -> None:
    seed = int(os.environ.get("RELIABILITY_SEED", time.time_ns() % 10**6))
    print(f"RELIABILITY_SEED={seed}")
    settings = tmp_path / "settings.yaml"
    keys = {"isolation": isolation, **isolation_keys, "vcpus": 4}
    settings.write_text(DEFAULT + "".join(f"  {name}: {json.dumps(value)}\n" for name, value in keys.items()))
    monkeypatch.setenv("FLYTE_AWSBATCH_CONFIG", str(settings))
    victim = Victim(home, marks, count, seconds=0.05)

    killed = 0
    for started, pause in moments(count, rounds, random.Random(seed)):
        killed += victim.kill_after(started, pause)
        victim.look()

    assert victim.finish() == str(sum(n * n for n in range(count)))
    victim.look()
    assert killed > 0
    assert set(starts(marks)) == set(range(count))
    assert victim.names() == [f"{victim.execution}-n1-0", f"{victim.execution}-n2-0"]
    shown = subprocess.run(
        awsbatch("runs"), env={"FLYTE_AWSBATCH_HOME": str(home)}, capture_output=True, text=True, check=True
    )
    assert [line.split()[:2] for line in shown.stdout.splitlines()[1:]] == [[victim.execution, "succeeded"]]
