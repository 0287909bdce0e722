"""The process between the service and the processes of its jobs: it starts them, reaps them, enforces their memory
limits, and kills all of them when the service goes away, however that happens.

It is started by `__main__.py` with the standard library alone, so that it is small and starts in milliseconds. It
decides nothing: no retries, no timeouts, no reasons.

Arguments: the descriptor of a stream socket, the path of the journal, a descriptor to be kept open.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time

from ..channel import Channel, Message
from ..reaper import Reaper, adopt_orphans, end_with_parent

COMMAND_NOT_FOUND = 127
DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD)


def watch_parent() -> int:
    """A descriptor that becomes readable when our parent ends, -1 where there is no such thing."""
    if not hasattr(os, "pidfd_open"):
        return -1
    parent = os.getppid()
    try:
        descriptor = os.pidfd_open(parent)
    except OSError:
        return -1
    if os.getppid() != parent:
        sys.exit(0)
    return descriptor


class Supervisor:
    def __init__(self, channel: Channel, journal: int) -> None:
        self.channel = channel
        self.reaper = Reaper(journal)
        self.environments: dict[int, dict[str, str]] = {}
        self.null = os.open(os.devnull, os.O_RDWR)
        self.last_command: tuple[tuple[str, ...], dict[str, str], str] | None = None

    def serve(self) -> None:
        """Until the service ends or this process is asked to."""
        awake, waker = os.pipe()
        for end in (awake, waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        ending: list[int] = []
        signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ)
            selector.register(awake, selectors.EVENT_READ)
            # A fork of the service's process may hold the other end of the channel open; the process cannot lie.
            service = watch_parent()
            if service >= 0:
                selector.register(service, selectors.EVENT_READ)
            while not ending:
                for key, _ in selector.select(self.reaper.timeout()):
                    if key.fd == awake:
                        with contextlib.suppress(BlockingIOError):
                            os.read(awake, 4096)
                    elif key.fd == service:
                        return
                    else:
                        messages = self.channel.receive()
                        if messages is None:
                            return
                        for name, *rest in messages:
                            getattr(self, f"on_{name}")(*rest)
                            self.report_ends()
                self.report_ends()
                self.reaper.enforce_memory_limits()

    def report_ends(self) -> None:
        for attempt in self.reaper.reap():
            self.tell(self.reaper.write_end(attempt))

    def tell(self, message: Message) -> None:
        # The service is gone: the next read says so.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send(message)

    def on_environment(self, number: int, environment: dict[str, str]) -> None:
        # Messages come in order: an older one is not asked for again.
        self.environments = {number: environment}

    def on_start(
        self, key: str, argv: tuple[str, ...], number: int, changes: dict[str, str], cwd: str, log: str, limit: int
    ) -> None:
        environment = {**self.environments[number], **changes}
        try:
            pid = self.spawn(argv, environment, cwd, log)
        except OSError as error:
            self.tell(("cannot", key, f"{error.filename or argv[0]}: {error.strerror}", time.time()))
            return
        self.reaper.add(key, pid, limit)
        self.tell(("started", key, pid, time.time()))

    def spawn(self, argv: tuple[str, ...], environment: dict[str, str], cwd: str, log: str) -> int:
        """Starts a command in a session of its own; raises what chdir, open or exec say."""
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        told, tells = os.pipe()
        try:
            me = os.getpid()
            pid = os.fork()
            if pid == 0:
                self.become(argv, environment, cwd, output, tells, me)
            os.close(tells)
            tells = -1
            answer = os.read(told, 4096)
        finally:
            for descriptor in (output, told, tells):
                if descriptor >= 0:
                    os.close(descriptor)
        if answer:
            os.waitpid(pid, 0)
            number, _, name = answer.partition(b" ")
            raise OSError(int(number), os.strerror(int(number)), os.fsdecode(name))
        return pid

    def become(
        self, argv: tuple[str, ...], environment: dict[str, str], cwd: str, output: int, tells: int, parent: int
    ) -> None:
        """In the child, between fork and exec; does not return."""
        name = cwd
        try:
            os.setsid()
            end_with_parent(parent)
            adopt_orphans()
            for number in DEFAULT_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            os.dup2(self.null, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(cwd)
            name = argv[0]
            os.execvpe(argv[0], argv, environment)  # noqa: S606
        except OSError as error:
            os.write(tells, f"{error.errno} ".encode() + os.fsencode(name))
        except BaseException:
            os.write(tells, b"22 " + os.fsencode(name))
        os._exit(COMMAND_NOT_FOUND)

    def on_signal(self, key: str, number: int) -> None:
        self.reaper.signal(key, number)

    def on_at_end(self, argv: tuple[str, ...], environment: dict[str, str], log: str) -> None:
        self.last_command = (argv, environment, log) if argv else None

    def hear_the_last(self) -> None:
        """What the service said of the end counts also where its end was heard of first."""
        self.channel.link.setblocking(False)
        while messages := self.channel.receive():
            for name, *rest in messages:
                if name == "at_end":
                    self.on_at_end(*rest)

    def end(self) -> None:
        """Kills everything below this process, and runs the command for the end. What is killed by that is not told:
        the executor finds it lost.
        """
        for attempt in self.reaper.end():
            message = self.reaper.write_end(attempt)
            if not attempt.ended_by_reaper:
                self.tell(message)
        self.hear_the_last()
        if self.last_command is not None:
            argv, environment, log = self.last_command
            with contextlib.suppress(OSError):
                os.waitpid(self.spawn(argv, environment, os.sep, log), 0)


def main(link: str, journal: str, lock: str) -> None:
    for descriptor in (link, lock):
        os.set_inheritable(int(descriptor), False)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    supervisor = Supervisor(Channel(socket.socket(fileno=int(link))), os.open(journal, flags, 0o600))
    try:
        supervisor.serve()
    finally:
        supervisor.end()
