"""The process between a caller's process and the processes of its jobs and interpreters: it starts them, reaps them,
enforces their memory limits, and kills all of them when the caller's process goes away, however that happens.

One serves all the services of a process, one after the other or at once. It is started by `__main__.py` with the
standard library alone, so that it is small and starts in milliseconds. It decides nothing: no retries, no timeouts, no
reasons.

Arguments: the descriptor of a stream socket, a directory that goes when this process ends.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time

from ..channel import DescriptorChannel, Message
from ..process_tree import adopt_orphan_processes, end_with_parent_process
from ..reaper import Reaper

COMMAND_NOT_FOUND = 127
DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD)


def _watch_parent() -> int:
    """A descriptor that becomes readable when the parent process ends, -1 where the system has none."""
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
    """:ivar locks: the lock of each service's instance, which is held as long as something of the service may run.
    :ivar last_commands: what is run for a service when the caller's process has gone: argv, environment, log.
    """

    def __init__(self, channel: DescriptorChannel) -> None:
        self.channel = channel
        self.reaper = Reaper()
        self.locks: dict[int, int] = {}
        self.null = os.open(os.devnull, os.O_RDWR)
        self.last_commands: dict[int, tuple[tuple[str, ...], dict[str, str], str]] = {}

    def serve(self) -> None:
        """Serves until the caller's process ends or asks this one to end."""
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
            # A fork of the caller may keep the other end of the channel open; the end of the process itself is certain.
            caller = _watch_parent()
            if caller >= 0:
                selector.register(caller, selectors.EVENT_READ)
            while not ending:
                for key, _ in selector.select(self.reaper.timeout()):
                    if key.fd == awake:
                        with contextlib.suppress(BlockingIOError):
                            os.read(awake, 4096)
                    elif key.fd == caller:
                        return
                    else:
                        messages = self.channel.receive()
                        if messages is None:
                            return
                        for name, *rest in messages:
                            getattr(self, f"on_{name}")(*rest)
                            self._report_ends()
                self._report_ends()
                self.reaper.enforce_memory_limits()

    def _report_ends(self) -> None:
        for attempt in self.reaper.reap():
            self.tell(self.reaper.write_reaped_end(attempt))
        for service in self.reaper.released():
            os.close(self.locks.pop(service))
            self.tell(("released", service))

    def tell(self, message: Message) -> None:
        # The caller is gone: the next read says so.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send(message)

    def on_lease(self, service: int, journal: str) -> None:
        """Takes a service's lease, with which the lock of the service's instance comes."""
        self.locks[service] = self.channel.descriptors.popleft()
        self.reaper.lease(service, journal)

    def on_release(self, service: int) -> None:
        """Ends the attempts of a service. That nothing is left is reported later."""
        self.last_commands.pop(service, None)
        for attempt in self.reaper.release(service):
            self.tell(self.reaper.write_reaped_end(attempt))

    def on_start(
        self,
        service: int,
        key: str,
        argv: tuple[str, ...],
        environment: dict[str, str],
        places: tuple[str, str, int],
        limit: int,
        linked: bool,
    ) -> None:
        """:param places: directory, log, umask.
        :param linked: whether a descriptor comes along, which the command gets as its last argument.
        """
        link = self.channel.descriptors.popleft() if linked else -1
        try:
            pid = self._spawn(argv, environment, places, link)
        except OSError as error:
            self.tell(("cannot", service, key, f"{error.filename or argv[0]}: {error.strerror}", time.time()))
            return
        finally:
            # The reason is sent before the link ends.
            if linked:
                os.close(link)
        self.reaper.add((service, key), pid, limit)
        self.tell(("started", service, key, pid, time.time()))

    def _spawn(
        self, argv: tuple[str, ...], environment: dict[str, str], places: tuple[str, str, int], link: int = -1
    ) -> int:
        """Starts a command in a session of its own; raises the error of chdir, open or exec."""
        cwd, log, umask = places
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        told, tells = os.pipe()
        try:
            me = os.getpid()
            pid = os.fork()
            if pid == 0:
                os.umask(umask)
                if link >= 0:
                    os.set_inheritable(link, True)
                    argv = (*argv, str(link))
                self._become(argv, environment, cwd, output, tells, me)
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

    def _become(
        self, argv: tuple[str, ...], environment: dict[str, str], cwd: str, output: int, tells: int, parent: int
    ) -> None:
        """In the child, between fork and exec; does not return."""
        name = cwd
        try:
            os.setsid()
            end_with_parent_process(parent)
            adopt_orphan_processes()
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

    def on_signal(self, service: int, key: str, number: int) -> None:
        self.reaper.signal((service, key), number)

    def on_at_end(self, service: int, argv: tuple[str, ...], environment: dict[str, str], log: str) -> None:
        self.last_commands[service] = argv, environment, log

    def _hear_the_last(self) -> None:
        """Reads messages about the end that came after the end itself was noticed."""
        self.channel.link.setblocking(False)
        while messages := self.channel.receive():
            for name, *rest in messages:
                if name in ("lease", "at_end", "release"):
                    getattr(self, f"on_{name}")(*rest)
                elif name == "start" and rest[-1]:
                    os.close(self.channel.descriptors.popleft())

    def end(self) -> None:
        """Kills everything below this process, and runs the commands for the end. Attempts that this kills are not
        reported: the executors find them lost.
        """
        for attempt in self.reaper.end():
            message = self.reaper.write_reaped_end(attempt)
            if not attempt.ended_by_reaper:
                self.tell(message)
        self._hear_the_last()
        running = []
        for argv, environment, log in self.last_commands.values():
            with contextlib.suppress(OSError):
                running.append(self._spawn(argv, environment, (os.sep, log, 0o077)))
        for pid in running:
            os.waitpid(pid, 0)


def main(link: str, directory: str) -> None:
    os.set_inheritable(int(link), False)
    supervisor = Supervisor(DescriptorChannel(socket.socket(fileno=int(link))))
    try:
        supervisor.serve()
    finally:
        supervisor.end()
        import shutil

        shutil.rmtree(directory, ignore_errors=True)
