"""What the test script `warm-script` runs, by the name of its first argument. Imported once by a warm interpreter."""

from __future__ import annotations

import atexit
import json
import logging.handlers
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

print("imported")
print("imported too", file=sys.stderr)
SEEDED = random.Random(7)
UNSEEDED = random.Random()


def surroundings() -> None:
    main = sys.modules["__main__"]
    interesting = ("PATH", "PYTHONPATH", "AWS_BATCH_JOB_ID", "AWS_BATCH_JOB_ARRAY_INDEX", "OWN_VALUE", "EMPTY")
    found = {
        "argv": sys.argv,
        "orig_argv": sys.orig_argv[1:],
        "path": sys.path[1:],
        "script_directory": Path(sys.path[0]).name,
        "environment": {name: os.environ.get(name) for name in interesting},
        "more": sorted(set(os.environ) - {"LC_CTYPE"}),
        "child sees": subprocess.run(["printenv", "OWN_VALUE"], capture_output=True, text=True, check=False).stdout,
        "cwd": str(Path.cwd()),
        "main": [main.__name__, Path(str(main.__file__)).name, main.__spec__ is None],
        "stdin": sys.stdin.read(),
        "leads its session": (os.getsid(0), os.getpgid(0)) == (os.getpid(), os.getpid()),
        "threads": [thread.name for thread in threading.enumerate()],
        "signals": {
            name: str(signal.getsignal(getattr(signal, name)))
            for name in ("SIGINT", "SIGTERM", "SIGCHLD", "SIGPIPE", "SIGHUP", "SIGUSR1")
        },
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "streams": [[each.encoding, each.errors, each.line_buffering] for each in (sys.stdout, sys.stderr)],
        "descriptors": sorted(path.name for path in Path("/proc/self/fd").iterdir())[:3],
        "open": len(list(Path("/proc/self/fd").iterdir())),
        "umask": os.umask(0o77),
    }
    # For bytes beyond ASCII in a log.
    print(json.dumps(found, sort_keys=True, indent=1), "é")


def numbers() -> None:
    print(SEEDED.random())


def random_numbers() -> None:
    print(random.random(), UNSEEDED.random(), os.urandom(4).hex())


def fail() -> None:
    raise ValueError("no")


def chained() -> None:
    try:
        fail()
    except ValueError as error:
        raise RuntimeError("really no") from error


def interrupted() -> None:
    print("before")
    raise KeyboardInterrupt


def hook() -> None:
    sys.excepthook = lambda *_: print("my own hook")
    fail()


def say_goodbye() -> None:
    atexit.register(print, "first registered, last said")
    atexit.register(print, "last registered, first said")
    print("working")


def fail_goodbye() -> None:
    atexit.register(print, "still said")
    atexit.register(fail)


def leave_thread() -> None:
    def work() -> None:
        time.sleep(0.2)
        print("the thread has finished")

    threading.Thread(target=work).start()
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


def leave_executor() -> None:
    """Its threads wait for more work until the interpreter ends."""
    global executor  # noqa: PLW0603
    executor = ThreadPoolExecutor(2)
    print(executor.submit(pow, 2, 5).result())


def leave_process_and_log_lines() -> None:
    global handler  # noqa: PLW0603
    handler = logging.handlers.MemoryHandler(10, target=logging.StreamHandler(sys.stdout))
    handler.handle(logging.makeLogRecord({"msg": "held back", "levelno": logging.INFO}))
    multiprocessing.get_context("fork").Process(target=_say_later).start()


def leave_manager() -> None:
    """Its server ends when a finalizer tells it to."""
    global manager  # noqa: PLW0603
    manager = multiprocessing.Manager()
    print(manager.list([32])[0])


def _say_later() -> None:
    time.sleep(0.2)
    os.write(1, b"the process has finished\n")


def leave_file_open() -> None:
    global left  # noqa: PLW0603
    left = Path("left.txt").open("w")  # noqa: SIM115
    left.write("not flushed")


def both_streams() -> None:
    print("out", end="")
    print("err", end="", file=sys.stderr)
    os.write(1, b"raw\xff")


def terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def terminated_politely() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
    print("ready", flush=True)
    time.sleep(60)


def wait() -> None:
    print("ready", flush=True)
    time.sleep(60)


def leave_grandchildren() -> None:
    script = "import os, sys, time; sys.argv[1] == '1' and os.setsid(); print(os.getpid(), flush=True); time.sleep(300)"
    for own_session in "01":
        child = subprocess.Popen([sys.executable, "-c", script, own_session], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        with Path("pids").open("a") as file:
            file.write(child.stdout.readline())


def hold(megabytes: int = 80) -> None:
    """Holds memory and computes for a third of a second."""
    kept = bytearray(b"x" * (megabytes << 20))
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    assert kept


def eat() -> None:
    held = bytearray(400 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(60)


def change_everything() -> None:
    os.environ["LEFT"] = "x"
    os.environ["PATH"] = "/nowhere"
    os.environ.pop("OWN_VALUE", None)
    os.chdir("/")
    os.umask(0o777)
    sys.argv.append("more")
    sys.path.insert(0, "/nowhere")
    sys.excepthook = lambda *_: None
    sys.stderr = sys.stdout
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    vars(sys.modules["__main__"])["main"] = None
    random.seed(1)


def full_disk() -> None:
    sys.stdout = Path("/dev/full").open("w")  # noqa: SIM115
    print("lost")


def main() -> object:
    name = sys.argv[1]
    ends = {"none": None, "zero": 0, "three": 3, "large": 259, "negative": -1, "text": "a reason", "true": True}
    if name in ends:
        return ends[name]
    if name == "at_once":
        os._exit(5)
    globals()[name]()
    return None
