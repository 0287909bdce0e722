"""Nothing outlives a forked attempt, its interpreter, or the service: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import batch_shell
import pytest
from batch_shell import alive, eventually
from warm_harness import HERE, Runner, runner

from flytekitplugins.awsbatch.batch.emulator.execution import instance, process_tree
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import Exited, Lost

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere everything is a process")


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_what_an_attempt_leaves_behind_is_gone_when_its_end_is_told(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True) as made:
        made.run(made.process("leave_grandchildren"))
        left = [int(line) for line in (made.cwd / "pids").read_text().split()]
        assert len(left) == 2
        assert [pid for pid in left if alive(pid)] == []
        assert made.run(made.process("zero")).code == 0


def test_an_attempt_killed_from_outside_ends_like_any_other(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True) as made:
        process = made.process("wait")
        os.kill(made.started(process), signal.SIGKILL)
        assert made.end(process).code == 137


def test_a_dead_interpreter_loses_what_ran_in_it_and_the_next_attempt_gets_a_new_one(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True) as made:
        process = made.process("wait")
        pid = made.started(process)
        os.kill(parent(pid), signal.SIGKILL)
        assert isinstance(made.end(process).event, Lost)
        eventually(lambda: not alive(pid))
        assert made.run(made.process("zero")).code == 0
        assert made.said == []


def test_after_three_accidents_the_attempts_become_processes(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True) as made:
        for _ in range(3):
            process = made.process("wait")
            os.kill(parent(made.started(process)), signal.SIGKILL)
            made.end(process)
        assert made.run(made.process("zero")).code == 0
        assert len(made.said) == 1


def test_closing_kills_what_runs_and_tells_so(tmp_path: Path) -> None:
    made: Runner
    with runner(tmp_path / "run", warm=True) as made:
        process = made.process("wait")
        pid = made.started(process)
    event = made.end(process).event
    assert isinstance(event, Exited)
    assert (event.exit_code, alive(pid)) == (137, False)


SERVICE = """
import sys, time
from pathlib import Path
sys.path[:0] = {here!r}
from warm_harness import runner
with runner(Path({root!r}), warm=True) as made:
    for _ in range(2):
        made.started(made.process("wait"))
    print(*made.pids.values(), flush=True)
    time.sleep(300)
"""


@pytest.mark.parametrize("moment", ["running", "importing"])
def test_killing_the_service_leaves_nothing(tmp_path: Path, moment: str) -> None:
    root = tmp_path / "run"
    folders = [str(HERE), str(Path(batch_shell.__file__).parent)]
    code = textwrap.dedent(SERVICE.format(here=folders, root=str(root)))
    if moment == "importing":
        (tmp_path / "warm_slow.py").write_text(
            "import os, time\nopen('importing', 'w').write(str(os.getpid()))\ntime.sleep(300)\n"
        )
        code = code.replace("warm=True", "warm=True, module='warm_slow'").replace(
            'made.started(made.process("wait"))',
            f'made.executor.start(made.process(environment={{"PYTHONPATH": {str(tmp_path)!r}}}))',
        )
    service = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    pids = [int(word) for word in service.stdout.readline().split()]
    if moment == "importing":
        importing = root / "cwd" / "importing"
        eventually(lambda: importing.exists() and importing.read_text() != "")
        pids = [int(importing.read_text())]
    pids += [parent(pids[0])]

    service.kill()
    service.wait()

    eventually(lambda: not any(map(alive, pids)))
    assert len(pids) == (2 if moment == "importing" else 3)


ENDS = """
import sys, time
from pathlib import Path
sys.path[:0] = {here!r}
from warm_harness import runner
with runner(Path({root!r}), warm={isolation!r} != "process", isolation={isolation!r}) as made:
    made.run(made.process("zero"))
    for _ in range(4):
        made.started(made.process("wait"))
    print(*made.pids.values(), flush=True)
    time.sleep(300)
"""


@pytest.mark.parametrize("isolation", ["process", "fork", "worker"])
@pytest.mark.parametrize("killed", ["service", "group"])
def test_an_attempt_that_dies_with_its_service_has_no_end_of_its_own(
    tmp_path: Path, isolation: str, killed: str
) -> None:
    """Whoever resumes it starts it again without the cost of an attempt; the one that had ended stays ended."""
    root = tmp_path / "run"
    code = ENDS.format(here=[str(HERE), str(Path(batch_shell.__file__).parent)], root=str(root), isolation=isolation)
    service = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    with service:
        assert service.stdout is not None
        pids = [int(word) for word in service.stdout.readline().split()]
        kill = service.kill if killed == "service" else partial(os.killpg, service.pid, signal.SIGKILL)
        if isolation == "process":
            kill()
        else:
            # The interpreter hears of the service's death before its supervisor can kill it.
            supervisor = parent(parent(pids[-1]))
            os.kill(supervisor, signal.SIGSTOP)
            kill()
            eventually(lambda: not any(map(alive, pids[1:])))
            os.kill(supervisor, signal.SIGCONT)

    (name,) = instance.instance_names_of_service(root / "instances")
    with instance.instance_folder_left_behind(root / "instances", name, 30.0) as directory:
        assert directory is not None
        ends = {key: end.exit_code for key, end in instance.exits_of_instance(directory).items()}
        assert {key: code for key, code in ends.items() if key.startswith("job")} == {"job:1#1": 0}
    assert not any(map(alive, pids[1:]))


def test_a_kill_reaches_a_child_that_leads_no_group_yet() -> None:
    pid = os.fork()
    if pid == 0:
        # As right after the fork of an attempt, before it takes its place.
        time.sleep(300)
        os._exit(0)

    process_tree.kill_process(pid, signal.SIGKILL, group=True)

    eventually(lambda: not alive(pid))
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
