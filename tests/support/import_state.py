"""Tasks of a module that makes things while it is imported, as users' modules do."""

from __future__ import annotations

import os
import random
import socket
import tempfile
import threading
import time
import uuid
from pathlib import Path

import import_state_helper as helper
from flytekit import task

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

NAME = uuid.uuid4().hex
PID = os.getpid()
SCRATCH = Path(tempfile.mkdtemp())
LOCK = threading.Lock()
NOTES = (SCRATCH / "notes.txt").open("w+")
NEAR, FAR = socket.socketpair()
STARTED = time.monotonic()
CACHE: dict[str, int] = {}
DRAWN = random.Random().random()
INDEX = os.environ.get("AWS_BATCH_JOB_ARRAY_INDEX", "")
ALIVE = threading.Thread(target=threading.Event().wait, daemon=True)
ALIVE.start()


@task(task_config=AWSBatchConfig(), retries=1)
def describe(i: int) -> list[str]:
    """What a child finds in its module, and whether it is its own."""
    CACHE[str(i)] = i
    NOTES.write(str(i))
    NEAR.send(str(i).encode())
    NOTES.seek(0)
    return [
        NAME,
        str(SCRATCH),
        str(DRAWN),
        helper.TOKEN,
        str(PID == os.getpid() == helper.PID),
        f"lock {LOCK.acquire(blocking=False)}",
        f"index {os.environ['AWS_BATCH_JOB_ARRAY_INDEX'] == INDEX}",
        f"cache {sorted(CACHE) == [str(i)]}",
        f"file {NOTES.read() == str(i)}",
        f"socket {FAR.recv(10).decode() == str(i)}",
        f"thread {ALIVE.is_alive()}",
        f"young {time.monotonic() - STARTED >= 0}",
    ]


describe_all = map_task(describe)
