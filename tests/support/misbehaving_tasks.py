"""Tasks that change everything they can reach, after telling what they found. The next one must find nothing of it."""

from __future__ import annotations

import atexit
import json
import os
import random
import signal
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

from flytekit import task

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

STATE = {"changed by": "nobody"}
OPENED = []


def found() -> dict[str, object]:
    """What a task can see of others that have run before, and what they have in common."""
    apart = ("FLYTE_", "AWS_BATCH_", "TMPDIR", "_F_", "COV", "BATCH_JOB_ARRAY_INDEX")
    umask = os.umask(0o22)
    os.umask(umask)
    return {
        "state": dict(STATE),
        "patched": [json.dumps.__module__, tempfile.gettempdir.__module__, textwrap.dedent(" a")],
        "environment": {name: value for name, value in os.environ.items() if not name.startswith(apart)},
        "cwd": str(Path.cwd()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": [thread.name for thread in threading.enumerate() if "MainThread" in thread.name],
        "thread_count": threading.active_count(),
        "handlers": [str(signal.getsignal(number)).split(" at ")[0] for number in (signal.SIGUSR2, signal.SIGTERM)],
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "path": sys.path[1:],
        "umask": umask,
        "recursion": sys.getrecursionlimit(),
        "nobody's module": "no_such_module" in sys.modules,
        "temporary": [path.name for path in Path(tempfile.gettempdir()).iterdir() if path.suffix]
        if "TMPDIR" in os.environ
        else [],
    }


def change_globals() -> None:
    STATE["changed by"] = "a task"
    sys.modules["no_such_module"] = sys
    sys.setrecursionlimit(999)


def patch_modules() -> None:
    json.dumps = found
    tempfile.gettempdir = found
    textwrap.dedent = lambda *_: "patched"


def change_environment() -> None:
    os.environ["LEFT_BY_A_TASK"] = "yes"
    os.environ["PATH"] = "/nowhere"
    os.environ.pop("HOME", None)


def change_directory() -> None:
    os.chdir("/")
    os.umask(0o777)


def leave_open() -> None:
    OPENED.append(tempfile.NamedTemporaryFile(suffix=".left"))  # noqa: SIM115
    OPENED.append(os.open("/dev/zero", os.O_RDONLY))


def leave_thread() -> None:
    threading.Thread(target=time.sleep, args=(300,), daemon=True, name="MainThread's friend").start()


def seed() -> None:
    random.seed(7)


def handle_signals() -> None:
    signal.signal(signal.SIGUSR2, lambda *_: None) if threading.current_thread() is threading.main_thread() else None
    signal.setitimer(signal.ITIMER_REAL, 200)


def change_path() -> None:
    sys.path.insert(0, "/nowhere")
    sys.path_importer_cache.clear()


def at_exit() -> None:
    atexit.register(os.environ.__setitem__, "LEFT_BY_A_TASK", "yes")


CHANGES = (
    *(change_globals, patch_modules, change_environment, change_directory, leave_open, leave_thread, seed),
    *(handle_signals, change_path, at_exit),
)
NAMES = [change.__name__ for change in CHANGES]


@task(task_config=AWSBatchConfig())
def misbehave(name: str) -> str:
    before = {**found(), "random": random.random()}
    text = json.dumps(before, sort_keys=True, default=str)
    globals()[name]()
    return text


misbehave_each = map_task(misbehave)
