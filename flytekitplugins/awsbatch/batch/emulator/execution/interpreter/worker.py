"""A forked process that runs attempt after attempt, for those who want speed more than isolation. Between two it puts
back what a script is given and may change: arguments, environment, directory, streams, signal handlers, `__main__`,
random numbers; it runs the exit handlers that the attempt registered and kills the processes that it left. What the
attempt did to imported modules stays.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import atexit
import contextlib
import gc
import io
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any, NoReturn

from ..channel import Channel
from ..process_tree import kill_descendant_processes
from .exit import (
    STATUS_FLUSH,
    files_open_at_exit,
    flush_at_interpreter_exit,
    interpreter_exit_status,
    quietly_at_interpreter_exit,
    write_files_at_interpreter_exit,
)
from .forked_child import (
    OWN_FRAMES,
    ForkContext,
    copy_into_forked_child,
    detach_child,
    forget_temporary_folder_in_forked_child,
)

# A worker that has run this many attempts is replaced: what attempts leave in memory adds up.
MOST_ATTEMPTS = 1000
HANDLED = tuple(
    int(getattr(signal, name))
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD", "SIGPIPE", "SIGALRM", "SIGUSR1", "SIGUSR2")
)


class ExitHandlers:
    """Stands in for `atexit` while an attempt runs."""

    def __init__(self) -> None:
        self._registered: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        atexit.register = self.register
        atexit.unregister = self.unregister

    def register(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Callable[..., Any]:
        self._registered.append((function, arguments, options))
        return function

    def unregister(self, function: Callable[..., Any], /) -> None:
        self._registered = [each for each in self._registered if each[0] != function]

    def run(self) -> None:
        while self._registered:
            function, arguments, options = self._registered.pop()
            try:
                function(*arguments, **options)
            except BaseException:
                print(f"Exception ignored in atexit callback: {function!r}", file=sys.stderr)  # noqa: T201
                sys.excepthook(*sys.exc_info())


class Worker:
    """:param held: what the imports left in the stream's buffer: every attempt begins with it.
    :ivar reusable: whether another attempt may follow.
    """

    def __init__(self, context: ForkContext, code: CodeType, held: str) -> None:
        self._context = context
        self._code = code
        self._held = held
        self.reusable = True
        self._exits = ExitHandlers()
        self._main = dict(context.main.__dict__)
        self._streams = sys.stdin, sys.stdout, sys.stderr
        self._hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
        self._arguments = list(sys.argv)
        self._path = list(sys.path)
        # The dictionary behind `os.environ`, as it was when the last attempt began: comparing two costs a tenth of
        # asking for each name.
        self._environment: dict[Any, Any] = dict(os.environ._data)  # type: ignore[attr-defined]
        self._own: Mapping[str, str] = {}
        self._writers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._settled = False
        self._umask = os.umask(0o22)
        os.umask(self._umask)
        self._handlers = {number: _signal.getsignal(number) for number in HANDLED}

    def run(self, environment: Mapping[str, str], cwd: str, log: str, copies: list[tuple[str, str]]) -> int:
        """The attempt's exit code. Raises OSError when it cannot start."""
        os.chdir(cwd)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        if self._context.import_output:
            os.write(1, self._context.import_output)
        if self._held:
            sys.stdout.write(self._held)
        self._set_own(environment)
        self._context.random_state.reseed_before_next_attempt()
        error: BaseException | None = None
        try:
            if copies:
                copy_into_forked_child(copies)
            exec(self._code, self._context.main.__dict__)  # noqa: S102 - the job's own command
        except BaseException as raised:
            error = raised
        status = self._finish(error)
        error = None
        self._put_back()
        return status

    def _set_own(self, environment: Mapping[str, str]) -> None:
        """The attempt's own variables instead of those of the one before."""
        before = self._own
        for name in before.keys() - environment.keys():
            del os.environ[name]
        for name, value in environment.items():
            if before.get(name) != value:
                os.environ[name] = value
        self._own = environment
        forget_temporary_folder_in_forked_child()
        self._environment = dict(os.environ._data)  # type: ignore[attr-defined]

    def _finish(self, error: BaseException | None) -> int:
        """Ends an attempt as `exit.exit_process` does, but the process runs on."""
        status = interpreter_exit_status(error, OWN_FRAMES)
        if any(each is not threading.main_thread() and not each.daemon for each in threading.enumerate()):
            # An executor's threads (`concurrent.futures`) wait for work until they are told that the interpreter ends.
            # They take none after that, nor does any other executor.
            self.reusable = False
            quietly_at_interpreter_exit(threading._shutdown)  # type: ignore[attr-defined]
        self._exits.run()
        self.reusable = not _finish_processes() and self.reusable
        _write_held_log_lines()
        if not flush_at_interpreter_exit():
            status = STATUS_FLUSH
        self._write_out()
        return 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else status

    def _write_out(self) -> None:
        """Flushes the attempt's files. It may have left them open, or write into one that an earlier attempt opened."""
        self._writers.update(files_open_at_exit())
        write_files_at_interpreter_exit([*self._writers, sys.__stdout__, sys.__stderr__])
        if not self._settled:
            # Objects of earlier attempts, modules above all, are not looked through again after each further one.
            self._settled = True
            gc.collect()
            gc.freeze()

    def _put_back(self) -> None:
        kill_descendant_processes()
        if (sys.stdin, sys.stdout, sys.stderr) != self._streams:
            sys.stdin, sys.stdout, sys.stderr = self._streams
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        sys.argv[:] = self._arguments
        sys.path[:] = self._path
        data = os.environ._data  # type: ignore[attr-defined]
        if data != self._environment:
            for name in data.keys() - self._environment.keys():
                del os.environb[name]
            os.environb.update(self._environment)
        os.umask(self._umask)
        for number, handler in self._handlers.items():
            if _signal.getsignal(number) != handler:
                _signal.signal(number, handler)
        main = self._context.main.__dict__
        main.clear()
        main.update(self._main)


def _finish_processes() -> bool:
    """Does what the exit function of `multiprocessing` does, which was registered when that was imported: runs
    finalizers, which end a manager's server, and waits for processes that are no daemons. Whether there were any
    processes.
    """
    util: Any = sys.modules.get("multiprocessing.util")
    multiprocessing: Any = sys.modules.get("multiprocessing")
    left = multiprocessing.active_children() if multiprocessing is not None else ()
    if util is not None:
        quietly_at_interpreter_exit(lambda: util._run_finalizers(0))
    for process in left:
        if not process.daemon:
            quietly_at_interpreter_exit(process.join)
    return bool(left)


def _write_held_log_lines() -> None:
    """Has logging handlers write what they hold back, as the exit function of `logging` does."""
    logging: Any = sys.modules.get("logging")
    for reference in reversed(logging._handlerList) if logging is not None else ():
        handler = reference()
        if handler is not None:
            quietly_at_interpreter_exit(handler.flush)


def _held_back() -> str:
    """Takes what the imports left in the buffer of stdout."""
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper):
        return ""
    reading, writing = os.memfd_create("held"), os.dup(1)
    os.dup2(reading, 1)
    quietly_at_interpreter_exit(stream.flush)
    os.dup2(writing, 1)
    os.close(writing)
    with open(reading, encoding=stream.encoding, errors=stream.errors) as file:
        file.seek(0)
        return file.read()


def _forget_peak() -> None:
    """Resets the kernel's peak: what this process held before does not count for the next attempt."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "wb", buffering=0) as file:
        file.write(b"5")


def _worker_peak_bytes() -> int:
    """The most memory that this process has held since then."""
    with contextlib.suppress(OSError), open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _computed_seconds() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def serve_as_worker(context: ForkContext, code: CodeType, channel: Channel) -> NoReturn:
    """Called in the child, right after the fork; runs attempts until the interpreter closes the channel."""
    detach_child(context)
    worker = Worker(context, code, _held_back())
    run = 0
    while True:
        messages = channel.receive()
        if not messages:
            break
        ((environment, cwd, log, copies),) = messages
        run += 1
        _forget_peak()
        computed = _computed_seconds()
        answer: tuple[str, int | str, bool, int, float]
        try:
            status = worker.run(environment, cwd, log, copies)
            # A thread that an attempt left would run in the next one, and later code may wait for what exit functions
            # stopped.
            reusable = worker.reusable and run < MOST_ATTEMPTS and threading.active_count() == 1
            answer = ("done", status, reusable, _worker_peak_bytes(), _computed_seconds() - computed)
        except OSError as error:
            answer = ("cannot", f"{error.filename or log}: {error.strerror}", True, 0, 0.0)
        channel.send(answer)
    atexit._run_exitfuncs()
    os._exit(0)
