"""A map task over many items through the emulated AWS Batch: what a child costs, against what a fork costs at the
least.

    python benchmarks/map_scale.py --n 1000 --isolation fork --json

Everything is counted: the warm interpreter and its start, the children, the supervisor, the service, the handler, and
the call itself, but not what the caller imported before the call. The two floors are measured in the same run, before
and after. `handler_s` is the CPU of the calling thread, `emulator_s` that of the other threads of the calling
process.
"""

from __future__ import annotations

import argparse
import compileall
import inspect
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BEFORE_IMPORTS = time.time()

import map_scale_tasks as tasks  # noqa: E402 - the import is part of what is measured
from flytekit.core.context_manager import FlyteContextManager  # noqa: E402
from peak_memory import peak_mb  # noqa: E402

from flytekitplugins.awsbatch import AWSBatchConfig, emulation  # noqa: E402
from flytekitplugins.awsbatch.batch.emulator.execution.executors import supervision  # noqa: E402

IMPORTS = time.time() - BEFORE_IMPORTS
HERE = Path(__file__).parent
FLOOR_FORKS = 200


def floors(n: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as root:
        script = HERE / "map_scale_floor.py"
        answer = subprocess.run(
            [sys.executable, str(script), str(FLOOR_FORKS), root, str(n)],
            # flytekit's own children leave two folders each.
            env={**os.environ, "TMPDIR": root},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    # The forks share the stream.
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def measure(options: argparse.Namespace, home: Path) -> dict[str, float]:
    settings = {
        "queues": {
            "executionQueues": [{"dynamic": "default", "attributes": ["default"]}],
            "workflowConfigs": [{"tags": ["default"]}],
        },
        "plugins": {"aws": {"batch": {"maxArrayJobSize": 10000}}},
        "emulator": {
            "role": "arn:aws:iam::000000000000:role/local",
            "isolation": options.isolation,
            "preload": options.preload,
            **({"vcpus": options.vcpus} if options.vcpus else {}),
        },
    }
    if options.item_bytes:
        task, expected_of = tasks.reverse_all, tasks.reverse.task_function
        given: list[Any] = [f"{index:0{options.item_bytes}}" for index in range(options.n)]
    else:
        task, expected_of = tasks.add_one_to_all, tasks.add_one.task_function
        given = list(range(options.n))
    with peak_mb() as peak:
        self_before, children_before = cpu(resource.RUSAGE_SELF), cpu(resource.RUSAGE_CHILDREN)
        thread_before, called = time.thread_time(), time.time()
        with emulation(home, settings=settings, quiet=True):
            outputs = task(x=given)
            returned = time.time()
            thread = time.thread_time() - thread_before
        own = cpu(resource.RUSAGE_SELF) - self_before
        # What the interpreters used is known when they have ended: they outlive the emulation.
        supervision.supervision_of_this_process().end_supervisor()
        children = cpu(resource.RUSAGE_CHILDREN) - children_before
    assert len(outputs) == options.n, "there are too few outputs"
    assert all(output == expected_of(item) for output, item in zip(outputs, given, strict=True)), "they are wrong"
    first = min(path.stat().st_mtime for path in home.glob("runs/*/meta/**/outputs.pb"))
    return {
        "wall_s": returned - called,
        "with_imports_s": IMPORTS + returned - called,
        "cpu_per_child_ms": (own + children) * 1000 / options.n,
        "children_ms": children * 1000 / options.n,
        "first_child_s": first - called,
        "peak_rss_mb": peak[0],
        "handler_s": thread,
        "emulator_s": own - thread,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--isolation", choices=("fork", "worker", "process"), default="fork")
    parser.add_argument("--preload", choices=("installed", "everything"), default="installed")
    parser.add_argument("--vcpus", type=int, default=0, help="of the compute environment; 0: this machine's")
    parser.add_argument("--item-bytes", type=int, default=0, help="the size of an item and of an output; 0: a number")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    FlyteContextManager.current_context()
    # As an installer and the first import do: where PYTHONDONTWRITEBYTECODE is set each process would compile anew.
    compileall.compile_dir(Path(inspect.getfile(AWSBatchConfig)).parent, quiet=1)
    compileall.compile_file(Path(tasks.__file__), quiet=1)
    lowest = [floors(options.n)]
    with tempfile.TemporaryDirectory(prefix="map-scale-") as home:
        found = measure(options, Path(home))
    lowest.append(floors(options.n))
    found["floor_cpu_per_child_ms"] = statistics.mean(each["bare"] for each in lowest)
    found["flytekit_cpu_per_child_ms"] = statistics.mean(each["flytekit"] for each in lowest)
    found["cpu_per_child_over_floor"] = found["cpu_per_child_ms"] / found["floor_cpu_per_child_ms"]
    rounded = {name: round(value, 3) for name, value in found.items()}
    if options.json:
        print(json.dumps({"n": options.n, "isolation": options.isolation, "preload": options.preload, **rounded}))
    else:
        for name, value in rounded.items():
            print(f"{name:28} {value:10.3f}")


if __name__ == "__main__":
    main()
