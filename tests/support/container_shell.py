"""Shell commands as jobs in containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from batch_shell import Shell
from container_engines import BUSYBOX, PYTHON, TestEngine

from flytekitplugins.awsbatch.batch.emulator.execution.executors.container import ContainerExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_request import Folder
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import JobProcess
from flytekitplugins.awsbatch.batch.emulator.execution.launch import launch_policy_in_image
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

NewService = Callable[..., LocalBatch]


def shell_of(service: LocalBatch, **properties: Any) -> Shell:
    service.ensure_queue("queue")
    shell = Shell(service)
    shell.define(**{"image": BUSYBOX, "memory": 64, **properties})
    return shell


class AnyImage(ContainerExecutor):
    """One that has every image: the same."""

    def start(self, process: JobProcess) -> None:
        assert process.spec is not None
        detail = process.spec.detail
        container = {**detail["container"], "image": PYTHON}
        spec = replace(process.spec, detail={**detail, "container": container})
        super().start(replace(process, spec=spec))


def in_any_image(engine: TestEngine, folder: Path) -> dict[str, Any]:
    """What LocalBatch is given to run jobs in containers, whatever image they name.

    :param folder: that all jobs see which name it.
    """
    executor = AnyImage(engine.client(), engine.settings(), folders=[Folder(folder)])
    return {"executor": executor, "launch": launch_policy_in_image()}
