"""Children that go wrong, each in its own way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from flytekit import Resources, task

from flytekitplugins.awsbatch import AWSBatchConfig


def output_folder() -> Path:
    """Where this child's outputs.pb is expected."""
    prefix = sys.argv[sys.argv.index("--output-prefix") + 1]
    return Path(prefix, os.environ["AWS_BATCH_JOB_ARRAY_INDEX"])


@task(task_config=AWSBatchConfig(), limits=Resources(mem="500Mi"), requests=Resources(mem="500Mi"))
def misbehave(how: str, folder: str) -> int:
    print(f"going to {how}", flush=True)
    if how == "exit":
        os._exit(3)
    if how == "signal":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "eat memory":
        eaten = []
        while True:
            eaten.append(b"x" * 20_000_000)
    if how == "say both":
        output_folder().mkdir(parents=True, exist_ok=True)
        (output_folder() / "error.pb").write_bytes(b"")
    if how == "say nothing":
        os._exit(0)
    if how == "write garbage":
        output_folder().mkdir(parents=True, exist_ok=True)
        (output_folder() / "outputs.pb").write_bytes(b"\xff\xfe not a protobuf")
        os._exit(0)
    if how == "shout":
        line = b"0123456789" * 100 + b"\n"
        for _ in range(100_000):
            sys.stdout.buffer.write(line)
        sys.stdout.flush()
        raise ValueError("hoarse")
    if how == "mumble":
        sys.stdout.buffer.write(b"\xff\xfe\x80 caf\xe9 \x00\n")
        raise ValueError("nobody understood")
    if how == "lose its host" or (how == "lose its host once" and os.environ["AWS_BATCH_JOB_ATTEMPT"] == "1"):
        time.sleep(300)
    if how == "leave children":
        code = "import os, time; os.setsid(); time.sleep(300)"
        child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        Path(folder, "grandchild").write_text(str(child.pid))
    if how == "fork and end":
        if os.fork() == 0:
            time.sleep(300)
            os._exit(0)
        raise ValueError("the other one sleeps")
    return 1


@task(task_config=AWSBatchConfig())
def end_without_outputs(n: int) -> int:
    print("here it went wrong", flush=True)
    os._exit(0)
    return n


@task(task_config=AWSBatchConfig())
def end_with_an_error(n: int) -> int:
    if n:
        raise ValueError("here it went wrong")
    return n
