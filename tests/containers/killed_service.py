"""A service in a process of its own, to be killed: runs jobs in containers and says when they run. They see the folder
in which the home lies, if they name a path there.

Arguments: the engine's URL, the home, the job's command.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from batch_shell import Shell
from container_engines import BUSYBOX, TestEngine

from flytekitplugins.awsbatch.batch.emulator.execution.executors.container import ContainerExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_request import Folder
from flytekitplugins.awsbatch.batch.emulator.execution.launch import launch_policy_in_image
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.settings import BatchSettings


def main(url: str, home: str, *scripts: str) -> None:
    engine = TestEngine(url, Path())
    container = engine.settings()
    settings = BatchSettings(vcpus=4, memory=8192, kill_grace=1, container=container)
    beside = Folder(Path(home).parent)
    executor = ContainerExecutor(engine.client(), container, folders=[beside])
    service = LocalBatch(Path(home), settings, executor=executor, launch=launch_policy_in_image())
    service.start()
    service.ensure_queue("queue")
    shell = Shell(service)
    shell.define(image=BUSYBOX, memory=64)
    jobs = [shell.submit(script) for script in scripts]
    for job in jobs:
        shell.until(job, lambda job: job["status"] in ("RUNNING", "SUCCEEDED", "FAILED"))
    print(*jobs, flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
