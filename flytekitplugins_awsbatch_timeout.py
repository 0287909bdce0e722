"""Ends an attempt of a job shortly before AWS Batch would, so that the attempt counts as one that failed.

A job that Batch itself times out is not tried again and ends with fewer attempts than its retry strategy has; Flyte's
aws_array handler then waits for more for ever. An attempt that ends on its own, with an error.pb and a status other
than 0, is tried again, and when none are left the handler sees the end.

Outside the package, and with the standard library only until the time is up: this is the first thing in a job's
container, and importing the package would import flytekit a second time beside the command's own.
"""

from __future__ import annotations

import argparse
import contextlib
import contextvars
import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

FAST_EXECUTE = b"pyflyte-fast-execute"
ERROR_CODE = "AttemptTimedOut"
# How long a command has to print where it is once it is told that the time is up.
LAST_WORDS_SECONDS = 0.5


def margin(limit: float) -> float:
    """Seconds before Batch's limit at which an attempt ends itself: room to import flytekit and write an error.pb.

    A twentieth of the limit, at least 10 and at most 30 seconds, and never more than half of it.
    """
    return min(max(10.0, limit / 20), 30.0, limit / 2)


def seconds_left(limit: float) -> float:
    return max(0.0, limit - margin(limit) - seconds_since_start())


def seconds_since_start() -> float:
    """How long the attempt has been running: this process, or the fast registration that started it. 0 where the kernel
    does not tell (anything but Linux)."""
    parent = os.getppid()
    try:
        fast = FAST_EXECUTE in Path(f"/proc/{parent}/cmdline").read_bytes()
        # proc(5): the 22nd field, counted here from behind the command's name, which may hold anything.
        fields = Path(f"/proc/{parent if fast else os.getpid()}/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0


def message(limit: float) -> str:
    return (
        f"The attempt was ended {margin(limit):.0f} s before its time limit of {limit:.0f} s. Give the task more time "
        "with timeout=..., or less to do."
    )


def write_error(output_prefix: str, text: str) -> None:
    """error.pb below a prefix, local or remote, as flytekit would write it for an exception that may be tried again."""
    from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument
    from flyteidl.core.execution_pb2 import ExecutionError

    error = ContainerError(
        code=ERROR_CODE, message=text, kind=ContainerError.RECOVERABLE, origin=ExecutionError.ErrorKind.USER
    )
    error.timestamp.GetCurrentTime()
    data = ErrorDocument(error=error).SerializeToString()
    path = output_prefix.removeprefix("file://").rstrip("/") + "/error.pb"
    if "://" not in path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(data)
        return
    from flytekit.core.context_manager import FlyteContextManager

    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "error.pb"
        local.write_bytes(data)
        FlyteContextManager.current_context().file_access.put_data(str(local), path)


@contextlib.contextmanager
def watched(limit: float, output_prefix: str) -> Iterator[None]:
    """Runs the block in this process; when its time is up, the process ends with status 1 and an error.pb.

    A thread does it, whatever the block is doing. Code that never lets go of the interpreter's lock is ended by
    faulthandler, half the margin later and without an error.pb: the handler then writes one.
    """
    finished = threading.Lock()
    main_thread = threading.get_ident()

    def end() -> None:
        # Once taken here the block cannot finish any more, and the other way round.
        if not finished.acquire(blocking=False):
            return
        frame = sys._current_frames().get(main_thread)
        place = "".join(traceback.format_stack(frame)) if frame else ""
        # The message last, as in a traceback: that is the end which people are shown.
        text = f"Where it was:\n{place}{message(limit)}"
        sys.stderr.write(f"{text}\n")
        try:
            write_error(output_prefix, text)
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)

    left = seconds_left(limit)
    timer = threading.Timer(left, contextvars.copy_context().run, args=[end])
    timer.daemon = True
    timer.start()
    faulthandler.dump_traceback_later(left + margin(limit) / 2, exit=True)
    try:
        yield
    finally:
        finished.acquire()
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()


def run(command: Sequence[str], limit: float, output_prefix: str) -> int:
    """Runs a command; when its time is up, kills it and writes an error.pb. The exit status to hand on."""
    left = seconds_left(limit)
    process = subprocess.Popen(command)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: process.send_signal(received))
    try:
        return exit_status(process.wait(left))
    except subprocess.TimeoutExpired:
        # flytekit's commands answer this one with the stacks of all threads, which go to the job's log.
        process.send_signal(signal.SIGUSR1)
    with contextlib.suppress(subprocess.TimeoutExpired):
        if process.wait(LAST_WORDS_SECONDS) == 0:
            return 0
    process.kill()
    process.wait()
    sys.stderr.write(f"{message(limit)}\n")
    write_error(output_prefix, message(limit))
    return 1


def exit_status(code: int) -> int:
    """A shell's convention for a command that a signal ended."""
    return 128 - code if code < 0 else code


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("pyflyte-awsbatch-timeout", description="Ends a command before AWS Batch would.")
    parser.add_argument(
        "--timeout", type=float, required=True, help="the time limit that AWS Batch was given, in seconds"
    )
    parser.add_argument("--output-prefix", required=True, help="where error.pb goes when the time is up")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    return run(options.command, options.timeout, options.output_prefix)


if __name__ == "__main__":
    sys.exit(main())
