"""Sizes at and past what is allowed, disks that are full or read only, clocks that jump, homes shared or old."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import reliability_tasks as tasks
from click.testing import CliRunner
from shell_node import Node, World
from small_disk import fill, mounted
from terminals import awsbatch as command

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.store.database import UnusableHomeError
from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.deployment.emulation import Emulation, emulation
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import Home, HomeError
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.propeller_settings import (
    AwsPluginSettings,
    BatchPluginSettings,
    HandlerSettings,
)


def allowing(size: int) -> HandlerSettings:
    return HandlerSettings(aws=AwsPluginSettings(batch=BatchPluginSettings(max_array_job_size=size)))


# Sizes.


def test_an_array_over_the_deployments_limit_is_refused_before_anything_is_submitted(tmp_path: Path) -> None:
    world = World(tmp_path / "home", handler=allowing(3))
    result = Node(world, "execution", 4).run()
    assert result.error is not None
    assert "array size > max allowed. requested [4]. allowed [3]" in result.error.message
    assert world.job_names() == []
    world.close()


def test_an_array_over_awss_own_limit_is_refused_by_aws(tmp_path: Path) -> None:
    world = World(tmp_path / "home", handler=allowing(20_000))
    node = Node(world, "execution", 10_001)
    for _ in range(20):
        node.step()
    result = node.execution.result
    assert result is not None and result.error is not None
    assert "10000" in result.error.message
    assert world.job_names() == []
    world.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_largest_array_runs_whole(tmp_path: Path) -> None:
    world = World(tmp_path / "home", handler=allowing(10_000), vcpus=8)
    node = Node(world, "execution", 10_000)
    assert node.run().outputs == node.expected
    world.close()


def test_lists_of_different_lengths_are_refused(awsbatch: Emulation) -> None:
    with pytest.raises(TaskFailedError, match="all maptask input lists must be the same length"):
        map_task(tasks.power)(n=[1, 2, 3], exponent=[1, 2])
    assert awsbatch.requests == []


def test_literals_of_five_megabytes_go_in_and_out(home: Path) -> None:
    texts = ["a" * 5_000_000, "b" * 5_000_000]
    with emulation(home, quiet=True):
        assert map_task(tasks.upper)(text=texts) == [text.upper() for text in texts]
    # What is written at every change of phase does not hold them.
    (run,) = past_runs.past_runs_of(Home(home))
    assert sum(path.stat().st_size for path in (home / "runs" / run.name / "nodes").iterdir()) < 100_000


def test_a_thousand_describes_at_once_are_answered_while_an_array_runs(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    node = Node(world, "execution", 100)
    runs = threading.Thread(target=node.run)
    runs.start()
    while node.execution.snapshot()["plugin_state"]["external_job_id"] is None:
        runs.join(0.01)
    job_id = node.execution.snapshot()["plugin_state"]["external_job_id"]
    ids = [f"{job_id}:{index}" for index in range(100)]
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: world.batch.describe_jobs(jobs=ids)["jobs"], range(1000)))
    runs.join()
    assert {len(answer) for answer in answers} == {100}
    result = node.execution.result
    assert result is not None and result.outputs == node.expected
    world.close()


# Disks and permissions.


def test_a_full_disk_is_named_and_the_next_run_is_well(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "16m") as disk, emulation(disk / "home", quiet=True):
        assert tasks.total(numbers=[1]) == 1
        filler = fill(disk)
        with pytest.raises(HomeError, match="No space left on device"):
            tasks.total(numbers=[2])
        filler.unlink()
        assert tasks.total(numbers=[3]) == 3


@pytest.mark.slow
def test_a_disk_that_fills_up_in_a_run_ends_it_with_its_name(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "16m") as disk, emulation(disk / "home", quiet=True):
        with pytest.raises(TaskFailedError) as caught:
            tasks.upper(text="x" * 12_000_000)
        said = str(caught.value)
        assert "No space left on device" in said or "disk is full" in said, said[-2000:]


def test_a_home_on_a_read_only_disk_is_refused_with_words(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "4m") as disk:
        Home(disk / "home").prepare()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with (
            pytest.raises(HomeError, match=r"may not write\. Set FLYTE_AWSBATCH_HOME to a folder that can be written"),
            emulation(disk / "home"),
        ):
            pass
        with pytest.raises(HomeError, match="Read-only file system"), emulation(disk / "other"):
            pass
        answer = CliRunner().invoke(main, ["runs"], env={"FLYTE_AWSBATCH_HOME": str(disk / "home")})
        assert (answer.exit_code, answer.output) == (0, f"No runs in {disk / 'home'} yet.\n")


OPEN_HOME = """
import sys
from pathlib import Path
from flytekitplugins.awsbatch.local.home import Home, HomeError
try:
    Home(Path(sys.argv[1])).prepare()
except HomeError as error:
    print(error)
"""


def with_permissions(*argv: str) -> str:
    """What a Python prints for which permissions hold, also where root runs it."""
    command = [sys.executable, "-c", *argv]
    if os.getuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_home_without_permission_is_refused_with_words(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    said = with_permissions(OPEN_HOME, str(closed / "home"))
    assert "cannot be used: Permission denied. Set FLYTE_AWSBATCH_HOME" in said


LOOK_AT_RUNS = """
import sys
from pathlib import Path
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import Home
home = Home(Path(sys.argv[1]))
print(past_runs.prune_past_runs(home, days=0))
past_runs.remove_past_files_kept_for_cache(home)
print([run.name for run in past_runs.past_runs_of(home, print)])
"""


def test_a_run_of_another_user_in_the_home_is_named_and_left_alone(home: Path) -> None:
    """As one that sudo, or root in a container, has left there."""
    with emulation(home, quiet=True):
        tasks.total(numbers=[1])
    (run,) = (home / "runs").iterdir()
    run.chmod(0)
    said = with_permissions(LOOK_AT_RUNS, str(home)).splitlines()
    assert (said[0], said[2]) == ("[]", "[]")
    assert "execution.json cannot be read: [Errno 13] Permission denied" in said[1]
    assert run.exists()
    run.chmod(0o700)


def test_a_home_is_for_its_user_only(home: Path) -> None:
    before = os.umask(0o000)
    try:
        with emulation(home, quiet=True):
            tasks.total(numbers=[1])
    finally:
        os.umask(before)
    open_folders = [path for path in (home, *home.glob("*")) if stat.S_IMODE(path.stat().st_mode) != 0o700]
    ours = [*home.rglob("*.json"), *home.rglob("*.log"), *home.rglob("inputs.pb"), *home.glob("batch/*.sqlite3*")]
    open_files = [path for path in ours if stat.S_IMODE(path.stat().st_mode) != 0o600]
    assert (open_folders, open_files, len(ours) >= 5) == ([], [], True)


# Clocks, neighbours, other versions.


class JumpingClock(Clock):
    """Ahead by an hour, behind by an hour, at every look."""

    def __init__(self) -> None:
        super().__init__()
        self._jumps = itertools.cycle([0, 3_600_000, -3_600_000])

    def now_ms(self) -> int:
        return super().now_ms() + next(self._jumps)


def test_a_clock_that_jumps_changes_nothing_in_the_end(tmp_path: Path) -> None:
    world = World(tmp_path / "home", clock=JumpingClock())
    node = Node(world, "execution", 5, "sleep 0.02")
    assert node.run().outputs == node.expected
    world.close()


class LaterClock(Clock):
    """Nine days on: later than AWS remembers a job that has ended."""

    def now_ms(self) -> int:
        return super().now_ms() + 9 * 86_400_000


def test_a_job_that_was_kept_from_ending_outlives_those_that_have_ended(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    done, waits = Node(world, "done", 1), Node(world, "waits", 2, '[ $i = 0 ] || [ -e "$1/gate" ] || sleep 300')
    done.run()
    while waits.execution.snapshot()["plugin_state"]["summary"].get(TaskPhase.SUCCESS.name) != 1:
        waits.step()
        time.sleep(0.02)
    world.close()

    (tmp_path / "home" / "gate").touch()
    later = World(tmp_path / "home", clock=LaterClock())
    waits.move_to(later)
    assert later.job_names() == ["waits-n0-0"]
    assert waits.run().outputs == waits.expected
    # The first of `done`, and the two of `waits`, of which one began again.
    assert sorted((tmp_path / "home" / "started").read_text().split()) == ["0", "0", "1", "1"]
    later.close()


SHARE = """
import sys
from pathlib import Path
here = Path(sys.argv[1])
sys.path[:0] = [str(here), str(here.parent / "support")]
from shell_node import Node, World
world = World(Path(sys.argv[2]))
node = Node(world, sys.argv[3], 6)
assert node.run().outputs == node.expected
world.close()
"""


def test_runs_share_a_home_from_its_very_first_moment(tmp_path: Path) -> None:
    home, here = tmp_path / "home", str(Path(__file__).parent)
    runs = [
        subprocess.Popen([sys.executable, "-c", SHARE, here, str(home), f"execution{number}"]) for number in range(4)
    ]
    assert [run.wait(60) for run in runs] == [0, 0, 0, 0]
    world = World(home)
    assert world.job_names() == [f"execution{number}-n0-0" for number in range(4)]
    world.close()


def test_a_home_of_another_version_is_refused_with_words(home: Path) -> None:
    with emulation(home, quiet=True):
        pass
    with contextlib.closing(sqlite3.connect(home / "batch" / "batch.sqlite3")) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(UnusableHomeError, match="written by another version of this package"), emulation(home):
        pass
    answer = CliRunner().invoke(main, ["logs", "job"], env={"FLYTE_AWSBATCH_HOME": str(home)})
    assert answer.exit_code == 1
    assert "written by another version" in " ".join(answer.output.split())
    # What it says to type helps.
    subprocess.run(answer.output[answer.output.index("mv ") :], shell=True, check=True)
    with emulation(home, quiet=True) as anew:
        assert anew.jobs == []


def test_records_of_another_version_or_damaged_ones_are_left_alone(home: Path) -> None:
    for name, text in {"older": '{"format": 0}', "torn": '{"format": 1, "exec', "empty": "", "list": "[]"}.items():
        folder = home / "runs" / name
        folder.mkdir(parents=True)
        (folder / "execution.json").write_text(text)
        done = subprocess.run(
            command("jobs", name), env={"FLYTE_AWSBATCH_HOME": str(home)}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert "execution.json" in done.stderr.replace("\n", "")
        listed = CliRunner().invoke(main, ["runs"], env={"FLYTE_AWSBATCH_HOME": str(home)})
        assert f"Left out: {folder / 'execution.json'} " in listed.stderr
    assert past_runs.past_runs_of(Home(home)) == []
    assert past_runs.prune_past_runs(Home(home), days=0) == []
