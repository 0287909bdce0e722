"""The floors of `map_scale.py`, in a fresh interpreter: what a fork of the same preloaded interpreter costs that writes
one small file, and what one costs that runs flytekit's own map entry point as it is.

Prints CPU milliseconds a child, parent included, as JSON. Arguments: forks, a directory, how many items the inputs
have.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import flytekit.bin.entrypoint
import map_scale_tasks  # noqa: F401 - preloaded
from flyteidl.core.literals_pb2 import LiteralMap

from flytekitplugins.awsbatch.local.deployment.preload_hooks import preload_hook_settle

RESOLVER = "flytekit.core.python_auto_container.default_task_resolver"


def cpu() -> float:
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def forks(count: int, body: Callable[[int], None]) -> float:
    """CPU milliseconds of each."""
    before = cpu()
    for index in range(count):
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(SystemExit):
                body(index)
            os._exit(0)
        os.waitpid(pid, 0)
    return (cpu() - before) * 1000 / count


def main() -> None:
    count, root, items = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    message = LiteralMap()
    for value in range(items):
        message.literals["x"].collection.literals.add().scalar.primitive.integer = value
    (root / "inputs.pb").write_bytes(message.SerializeToString())
    os.environ["BATCH_JOB_ARRAY_INDEX_VAR_NAME"] = "AWS_BATCH_JOB_ARRAY_INDEX"
    paths = ["--inputs", f"{root}/inputs.pb", "--output-prefix", f"{root}/out"]
    paths += ["--raw-output-data-prefix", f"{root}/raw"]
    maps = ["--resolver", "flytekit.core.legacy_map_task.MapTaskResolver", "--", "vars", "", "resolver", RESOLVER]
    command = [*paths, *maps, "task-module", "map_scale_tasks", "task-name", "add_one"]

    def bare(index: int) -> None:
        with open(f"{root}/{index}", "w") as file:  # noqa: PTH123 - as little as possible
            file.write("a small file\n")

    def flytekits(index: int) -> None:
        os.environ["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
        flytekit.bin.entrypoint.map_execute_task_cmd.main(list(command))

    preload_hook_settle()
    gc.collect()
    gc.freeze()
    forks(count // 4, bare)
    print(json.dumps({"bare": forks(count, bare), "flytekit": forks(max(10, min(count, 20000 // items)), flytekits)}))


if __name__ == "__main__":
    main()
