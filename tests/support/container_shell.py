"""Shell commands as jobs in containers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batch_shell import Shell
from container_engines import BUSYBOX

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

NewService = Callable[..., LocalBatch]


def shell_of(service: LocalBatch, **properties: Any) -> Shell:
    service.ensure_queue("queue")
    shell = Shell(service)
    shell.define(**{"image": BUSYBOX, "memory": 64, **properties})
    return shell
