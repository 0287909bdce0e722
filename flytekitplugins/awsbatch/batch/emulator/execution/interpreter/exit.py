"""Ends a forked child as an interpreter ends: exit status, traceback, threads, atexit, files. It leaves out the tearing
down of modules, for which Python promises nothing either.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, NoReturn

# The status after a flush at the end has failed.
STATUS_FLUSH = 120
WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def interpreter_exit_status(error: BaseException | None, skip: int) -> int:
    """The exit status that the interpreter would return; flushes what the script has printed, and prints what the
    interpreter would print.

    :param skip: how many frames of the traceback are not the script's.
    """
    for stream in (sys.stderr, sys.stdout):
        if stream is not None:
            quietly_at_interpreter_exit(stream.flush)
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        code = error.code
        if code is None:
            return 0
        if isinstance(code, int):
            return code & 0xFF
        print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does
        return 1
    trace: TracebackType | None = error.__traceback__
    for _ in range(skip):
        trace = trace.tb_next if trace is not None else None
    error.__traceback__ = trace
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    try:
        sys.excepthook(type(error), error, trace)
    except SystemExit as exit_:
        return interpreter_exit_status(exit_, 0)
    except BaseException:
        sys.__excepthook__(type(error), error, trace)
    return 1


def exit_process(error: BaseException | None, skip: int) -> NoReturn:
    status = interpreter_exit_status(error, skip)
    quietly_at_interpreter_exit(threading._shutdown)  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if not flush_at_interpreter_exit():
        status = STATUS_FLUSH
    write_files_at_interpreter_exit([*files_open_at_exit(), sys.__stdout__, sys.__stderr__])
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


def quietly_at_interpreter_exit(call: Callable[[], object]) -> None:
    """Suppresses errors on the way out. (One function; `contextlib.suppress` would be three for each use.)"""
    try:  # noqa: SIM105
        call()
    except BaseException:  # noqa: S110
        pass


def flush_at_interpreter_exit() -> bool:
    """Flushes stdout and stderr; whether stdout could be flushed."""
    good = True
    out = sys.stdout
    try:
        if out is not None and not out.closed:
            out.flush()
    except Exception as error:
        good = False
        with contextlib.suppress(Exception):
            print(f"Exception ignored in: {out!r}\n{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
    if sys.stderr is not None:
        quietly_at_interpreter_exit(sys.stderr.flush)
    return good


def files_open_at_exit() -> list[Any]:
    """The files that the child opened and left open: the end of an interpreter flushes them."""
    return [each for each in gc.get_objects() if type(each) in WRITERS]


def write_files_at_interpreter_exit(files: list[Any]) -> None:
    """Flushes files, the text layer first, since it writes into the binary one."""
    for kind in WRITERS:
        for each in files:
            if type(each) is kind:
                quietly_at_interpreter_exit(each.flush)
