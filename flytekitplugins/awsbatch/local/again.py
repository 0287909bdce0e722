"""One child of a past run, once more in the foreground: its own command, inputs and environment, for a debugger.

Its outputs go to a scratch folder: what the run wrote stays as it was.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator.launch import LaunchRequest
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

from .history import NodeInfo, UnknownRunError
from .home import Home
from .process import LocalLaunch

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

OUTPUT_PREFIX = "--output-prefix"


@dataclass(frozen=True)
class Command:
    """What starts a child again. `output` is where it writes now."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    output: Path


def command(home: Home, node: NodeInfo, index: int, output: Path) -> Command:
    """The command of a node's child by its original index. Raises UnknownRunError."""
    if not node.job_id:
        raise UnknownRunError(f"Node {node.node} submitted no job: there is nothing to run again.")
    child = _child_of(node, index)
    batch = LocalBatch(home.batch)
    job = _describe(batch, node.job_id, child)
    container = job["container"]
    environment = {pair["name"]: pair["value"] for pair in container.get("environment", [])}
    launch = LocalLaunch(str(node.record.get("environment", "inherit")))
    launch.add_code(environment.get("FLYTE_INTERNAL_TASK_NAME", ""), node.record.get("code_root"))
    argv = tuple(container["command"])
    answer = launch(
        LaunchRequest(
            job_id=job["jobId"],
            job_name=job["jobName"],
            index=child,
            attempt=1,
            command=argv,
            environment=environment,
            queue=job["jobQueue"],
            compute_environment="local",
            tags={},
            remote=False,
        )
    )
    aws = {
        wire.AWS_JOB_ID: job["jobId"],
        wire.AWS_JOB_ATTEMPT: "1",
        wire.AWS_JOB_QUEUE: job["jobQueue"].rsplit("/", 1)[-1],
        **({wire.AWS_JOB_ARRAY_INDEX: str(child)} if child is not None else {}),
    }
    merged = {**answer.environment, **environment, **aws}
    merged["PATH"] = os.pathsep.join([*answer.path, merged.get("PATH", os.defpath)])
    merged["PYTHONPATH"] = os.pathsep.join(filter(None, [*answer.python_path, merged.get("PYTHONPATH", "")]))
    return Command(_redirected(argv, output), merged, Path(node.record.get("folder") or Path.cwd()), output)


def rerun(home: Home, node: NodeInfo, index: int) -> int:
    """Runs the child with this terminal as its own and returns its exit status. Raises UnknownRunError."""
    output = Path(tempfile.mkdtemp(prefix="flyte-awsbatch-rerun-"))
    again = command(home, node, index, output)
    done = subprocess.run(again.argv, env=dict(again.environment), cwd=again.cwd, check=False)
    return done.returncode


def _child_of(node: NodeInfo, index: int) -> int | None:
    """The child index of an original index; None where the job is no array."""
    facts = node.record.get("children")
    if not facts:
        return index
    for fact in facts:
        if fact["original"] == index:
            if fact["child"] is None:
                raise UnknownRunError(f"Item {index} of node {node.node} came from the cache: nothing ran for it.")
            return int(fact["child"]) if ":" in fact["job_id"] else None
    raise UnknownRunError(f"Node {node.node} has {len(facts)} items; there is no item {index}.")


def _describe(batch: LocalBatch, job_id: str, child: int | None) -> JobDetailTypeDef:
    wanted = [job_id] if child is None else [f"{job_id}:{child}", job_id]
    jobs = batch.describe_jobs(jobs=wanted)["jobs"]
    if not jobs:
        raise UnknownRunError(f"The local AWS Batch does not know job {wanted[0]} any more.")
    return jobs[0]


def _redirected(argv: Sequence[str], output: Path) -> tuple[str, ...]:
    """The command with its outputs sent elsewhere."""
    changed = list(argv)
    if OUTPUT_PREFIX in changed:
        changed[changed.index(OUTPUT_PREFIX) + 1] = str(output)
    return tuple(changed)
