"""kill -9 of every kind of process under every isolation, at random moments: no orphan, no hang, the right outputs, and
only children that ran at that moment start again.

The seed is printed; `RELIABILITY_SEED` repeats a run. `RELIABILITY_ROUNDS` is how many rounds `make soak` does of each
isolation, 100 unless it is set.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from terminals import eventually, execution_of, of_home, pyflyte, starts

from flytekitplugins.awsbatch.batch.emulator.execution.process_tree import child_processes
from flytekitplugins.awsbatch.local.all_settings import DEFAULT

VICTIMS = {
    "process": ("caller", "group", "supervisor", "child"),
    "fork": ("caller", "group", "supervisor", "interpreter", "child"),
    "worker": ("caller", "group", "supervisor", "interpreter", "worker"),
}
# Where each child is an interpreter started from nothing, fewer do: importing flytekit is most of the cost.
COUNT = {"process": 6, "fork": 16, "worker": 16}
VCPUS = 4
# Seconds for which one run may last: a hang is found by it.
RUN_TIMEOUT = 300
FEW = 5
ROUNDS = int(os.environ.get("RELIABILITY_ROUNDS", "100"))


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


class Run:
    """One execution of the map, resumed until it ends."""

    def __init__(self, folder: Path, isolation: str) -> None:
        self.home, self.marks, self.isolation = folder / "home", folder / "marks", isolation
        self.marks.mkdir(parents=True)
        self.settings = folder / "settings.yaml"
        self.settings.write_text(f"{DEFAULT}  isolation: {isolation}\n  vcpus: {VCPUS}\n")
        self.count = COUNT[isolation]
        self.execution = ""
        self.kills = 0

    def start(self) -> subprocess.Popen[bytes]:
        resume = {"FLYTE_AWSBATCH_RESUME": self.execution} if self.execution else {}
        inputs = ("--count", str(self.count), "--folder", str(self.marks), "--seconds", "0.2")
        settings = {"FLYTE_AWSBATCH_CONFIG": str(self.settings), "FLYTE_AWSBATCH_HOME": str(self.home), **resume}
        with (self.marks / "output").open("wb") as log:
            return subprocess.Popen(
                pyflyte("squares_with_attempts", *inputs),
                env={**os.environ, "FLYTE_AWSBATCH": "local", **settings},
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.home.parent,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return (self.marks / "output").read_text(errors="replace")

    @property
    def started(self) -> int:
        return sum(starts(self.marks).values())

    def victims(self, caller: int, kind: str) -> list[int]:
        if kind in ("caller", "group"):
            return [caller]
        supervisors = [pid for pid in child_processes(caller) if "executors.supervisor" in command(pid)]
        if kind == "supervisor":
            return supervisors
        below = [pid for each in supervisors for pid in child_processes(each)]
        interpreters = [pid for pid in below if "interpreter.fork_server" in command(pid)]
        if kind == "interpreter":
            return interpreters
        return below if self.isolation == "process" else [pid for each in interpreters for pid in child_processes(each)]

    def kill(self, kind: str, chance: random.Random) -> bool:
        """Starts the run and kills one process of a kind while children run; whether the run goes on to its end."""
        run = self.start()
        moment = self.started + chance.randint(1, self.count // 3)
        found: list[int] = []

        def ready() -> bool:
            found[:] = self.victims(run.pid, kind) if self.started >= min(moment, self.count - 4) else []
            return run.poll() is not None or bool(found)

        eventually(ready, lambda: f"{kind}: {self.output[-800:]}")
        if found:
            time.sleep(chance.uniform(0.0, 0.2))
            victim = chance.choice(found)
            self.kills += 1
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if kind == "group" else os.kill)(victim, signal.SIGKILL)
        status = run.wait(RUN_TIMEOUT)
        eventually(lambda: of_home(self.home) == [], lambda: f"left behind: {of_home(self.home)}")
        self.execution = self.execution or execution_of(self.output)
        assert status in (0, -signal.SIGKILL), f"{kind}: {self.output[-3000:]}"
        return status == 0


@pytest.mark.parametrize("isolation", VICTIMS)
@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(FEW, marks=pytest.mark.timeout(600), id="few"),
        pytest.param(ROUNDS, marks=[pytest.mark.slow, pytest.mark.timeout(7200)], id="many"),
    ],
)
def test_whichever_process_is_killed_the_run_ends_right(tmp_path: Path, isolation: str, rounds: int) -> None:
    seed = int(os.environ.get("RELIABILITY_SEED", "15" if rounds == FEW else time.time_ns() % 10**6))
    print(f"RELIABILITY_SEED={seed}")
    chance = random.Random(seed)
    kinds = [VICTIMS[isolation][number % len(VICTIMS[isolation])] for number in range(rounds)]
    chance.shuffle(kinds)
    number, run = 0, Run(tmp_path / "0", isolation)
    for kind in kinds:
        if run.kill(kind, chance):
            check(run)
            number += 1
            run = Run(tmp_path / str(number), isolation)
    if run.execution:
        assert run.start().wait(RUN_TIMEOUT) == 0, run.output[-3000:]
        check(run)


def check(run: Run) -> None:
    assert run.output.rstrip().splitlines()[-1] == str([n * n for n in range(run.count)])
    assert set(starts(run.marks)) == set(range(run.count))
    assert run.started - run.count <= VCPUS * run.kills, "started again after it had succeeded"
