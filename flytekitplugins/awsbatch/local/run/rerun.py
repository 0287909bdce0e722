"""Runs one child of a past run again, in the foreground, with its own command and inputs, for a debugger. It runs on
this machine, also if it ran in an account.

Its outputs go to a folder of their own in the run's folder, so the run stays as it was. Variables that the job took
over from its caller have the values of this shell, since a run does not keep them; the job's own are as they were. No
time limit and no memory limit apply.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator.execution.launch import Launch, compose_launch
from flytekitplugins.awsbatch.batch.emulator.job_model import Attempt, Job
from flytekitplugins.awsbatch.batch.emulator.job_spec import job_spec_of
from flytekitplugins.awsbatch.batch.emulator.private_folders import remove_folder
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

from ..console.log_rendering import LogRenderer
from ..deployment.account_client import account_client_of
from ..deployment.job_environment import INHERIT, base_job_environment
from ..deployment.job_scripts import FAST_EXECUTE, job_scripts_directories
from ..history.past_runs import NodeInfo, RunInfo, UnknownRunError
from ..history.record import RunRecord, understanding_record
from ..home import Home

# Seconds to wait for the last lines of a child.
LAST_LINES_SECONDS = 2.0
# Options of a child's command that name places to write to, and the folder that replaces each.
WRITTEN = {"--output-prefix": "outputs", "--raw-output-data-prefix": "raw", "--checkpoint-path": "checkpoint"}


@dataclass(frozen=True)
class RerunCommand:
    """What starts a child again. `output` is the folder it writes to now."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    output: Path


def prepare_rerun_of_child(home: Home, run: RunInfo, node: NodeInfo, index: int) -> RerunCommand:
    """The command of a node's child by its original index. Raises UnknownRunError, UnusableHomeError, RecordError, and
    of a run in an account BatchError, UnreachableError."""
    with understanding_record(RunRecord(home.run(run.name)).node_file(node.node)):
        return _command(home, run, node, index)


def _command(home: Home, run: RunInfo, node: NodeInfo, index: int) -> RerunCommand:
    child = child_index_to_rerun(node, index)
    assert node.job_id is not None
    job = _job(home, run, node.job_id)
    size = job.get("arrayProperties", {}).get("size")
    unit = Job(node.job_id, job_spec_of(job), size, created=0, owner="").unit(None if size is None else child)
    assert unit is not None
    unit.attempts = [Attempt(1, None, "local")]
    output = home.run(run.name) / "reruns" / f"{node.node}-{index}"
    recorded = node.record["launch"]
    mode = recorded["environment"] if run.endpoint is None else INHERIT
    launch = Launch(
        # Files in the account's storage are read with the credentials of this shell.
        environment=base_job_environment(os.environ, mode, recorded.get("image", "")),
        path=job_scripts_directories(),
        python_path=tuple(recorded["python_path"]),
    )
    folder = Path(recorded["folder"])
    if not folder.is_dir():
        raise UnknownRunError(f"The folder that the run was started in, {folder}, is not there any more.")
    return RerunCommand(_redirected(unit.job.spec.command, output), compose_launch(unit, launch), folder, output)


def rerun_child(child: RerunCommand, raw: bool = False) -> int:
    """Runs the child with this terminal as its own and returns its exit status, as a shell says it. Raises OSError.

    :param raw: whether flytekit's JSON log lines are shown as they are.
    """
    remove_folder(child.output)
    for folder in WRITTEN.values():
        (child.output / folder).mkdir(mode=0o700, parents=True)
    shown = nullcontext(None) if raw else _readable_stderr()
    # Ctrl-C is for the child; this process stays to report how the child ended.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with shown as stderr:
            process = subprocess.Popen(child.argv, env=dict(child.environment), cwd=child.cwd, stderr=stderr)
            status = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status


@contextmanager
def _readable_stderr() -> Iterator[int]:
    """A descriptor for a child's standard error, whose lines are shown on this process's, readable. It is a terminal
    where that is one, so that a child behaves as it would without this."""
    terminal = os.isatty(2)
    reading, writing = os.openpty() if terminal else os.pipe()
    if terminal:
        columns, lines = os.get_terminal_size(2)
        fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        modes = termios.tcgetattr(writing)
        modes[1] &= ~termios.OPOST
        termios.tcsetattr(writing, termios.TCSANOW, modes)
    reader = threading.Thread(target=_show, args=(reading,), daemon=True)
    reader.start()
    try:
        yield writing
    finally:
        os.close(writing)
        # A process that the child has left behind may keep it open.
        reader.join(LAST_LINES_SECONDS)


def _show(reading: int) -> None:
    renderer = LogRenderer()
    # Reading from a terminal whose other end is closed fails.
    with contextlib.suppress(OSError):
        while data := os.read(reading, 1 << 16):
            _write(renderer.render_log(data))
    _write(renderer.render_rest_of_log())
    os.close(reading)


def _write(data: bytes) -> None:
    sys.stderr.flush()
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(2, data) :]


def only_index_to_rerun(home: Home, run: RunInfo, node: NodeInfo) -> int:
    """The place of a node's only item, or of a task that is not mapped.

    Raises UnknownRunError where there are more, and RecordError.
    """
    with understanding_record(RunRecord(home.run(run.name)).node_file(node.node)):
        state = node.handler_state
        items = state.original_size if state is not None else 0
    if items > 1:
        raise UnknownRunError(
            f"Node {node.node} has {items} items, counted from 0: name one. "
            f"`flyte-awsbatch jobs --children` lists them."
        )
    return 0


def child_index_to_rerun(node: NodeInfo, index: int) -> int | None:
    """The place in the array job of an item of the user's list. Raises UnknownRunError when no job ran for it."""
    state = node.handler_state
    if state is None or not node.job_id or state.indexes_to_run is None:
        raise UnknownRunError(f"Node {node.node} submitted no job: there is nothing to run again.")
    if index >= max(state.original_size, 1):
        items = "1 item" if state.original_size == 1 else f"{state.original_size} items"
        raise UnknownRunError(f"Node {node.node} has {items}, counted from 0; there is no item {index}.")
    for child, original in enumerate(state.indexes_to_run):
        if original == index:
            return child
    if state.original_size == 0:
        return None
    raise UnknownRunError(f"Item {index} of node {node.node} came from the cache: nothing ran for it.")


def _job(home: Home, run: RunInfo, job_id: str) -> Any:
    client = account_client_of(run)
    if client is not None:
        jobs = client.describe_jobs(jobs=[job_id])["jobs"]
        unknown = f"AWS Batch does not know job {job_id} any more: it forgets ended jobs after some days."
    else:
        with contextlib.closing(LocalBatch(home.batch, reading=True)) as batch:
            jobs = batch.describe_jobs(jobs=[job_id])["jobs"]
        unknown = (
            f"The local AWS Batch of {home.path} does not know job {job_id} any more: jobs go when they have ended "
            f"emulator.retention_days ago. Resuming the run ({wire.SWITCH_RESUME}) runs what failed once more."
        )
    if not jobs:
        raise UnknownRunError(unknown)
    return jobs[0]


def _redirected(argv: Sequence[str], output: Path) -> tuple[str, ...]:
    """The command with its output folders replaced, and without its time limit. It runs the code of the working tree,
    not the distribution that was uploaded for the job."""
    words = list(argv)
    for script in (FAST_EXECUTE, wire.TIMEOUT_SCRIPT):
        if words[:1] == [script] and "--" in words:
            words = words[words.index("--") + 1 :]
    changed: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--timeout" and wire.MAP_EXECUTE_SCRIPT in changed:
            next(rest, None)
            continue
        changed.append(word)
        if word in WRITTEN and next(rest, None) is not None:
            place = str(output / WRITTEN[word])
            changed.append(place if word == "--output-prefix" else wire.awsbatch_url(place))
    return tuple(changed)
