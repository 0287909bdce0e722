"""The interpreter's one loop: takes starts and signals from the executor, forks, and tells how attempts ended. It has
one thread and polls nothing.

Arguments: the directory and name of the executor's socket, the name of this interpreter, the path of the journal.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from ..channel import Channel, Message
from ..reaper import Attempt, Reaper
from . import forked_child, imports, script
from .rng import Seeds
from .worker_pool import Pool

# What imports may write; more is not copied into every child's log.
MOST_SAID = 1 << 20
# Seconds that the news of a start may wait, so that it goes with that of the end of a short attempt: each message
# wakes two threads of the service.
TOGETHER = 0.02
WORKER = "worker"


class Kind(NamedTuple):
    """What the children of one array have in common.

    :param prepare: called before the first fork of the kind.
    :param environment: what differs from the interpreter's, None for what is not there.
    :param copied: directories below the interpreter's own that each child gets a copy of in its own.
    """

    script: str
    arguments: tuple[str, ...]
    prepare: tuple[imports.Hook, ...]
    environment: Mapping[str, str | None]
    copied: tuple[str, ...]


class Interpreter:
    def __init__(
        self,
        channel: Channel,
        journal: int,
        said: bytes,
        seeds: Seeds,
        main: ModuleType,
        settle: tuple[imports.Hook, ...],
        isolation: str,
    ) -> None:
        self.settle = settle
        self.channel = channel
        self.reaper = Reaper(journal)
        self.codes: dict[str, CodeType] = {}
        self.kinds: dict[int, Kind] = {}
        self.prepared: set[int] = set()
        self.current: int | None = None
        self.before: dict[str, str | None] = {}
        self.home = os.getcwd()
        self.news: list[Message] = []
        self.awake, wake = os.pipe()
        os.set_blocking(self.awake, False)
        os.set_blocking(wake, False)
        self.poll = select.epoll()
        self.poll.register(channel.fileno(), select.EPOLLIN)
        self.poll.register(self.awake, select.EPOLLIN)
        inherited = (channel.fileno(), journal, self.awake, wake, self.poll.fileno())
        self.place = forked_child.Place(os.getpid(), said, inherited, seeds, main)
        self.pool = Pool(self.place, self.poll, self.reaper) if isolation == WORKER else None
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Until the executor goes away."""
        poll, reaper, link = self.poll.poll, self.reaper, self.channel.fileno()
        while True:
            timeout = reaper.timeout()
            if self.news:
                timeout = TOGETHER if timeout is None else min(timeout, TOGETHER)
            messages: list[Message] | None = []
            done = 0
            awake = False
            ready = poll(timeout)
            for descriptor, _ in ready:
                if descriptor == self.awake:
                    awake = True
                    os.read(self.awake, 4096)
                elif descriptor == link:
                    messages = self.channel.receive()
                else:
                    done += self.hear(descriptor)
            if messages is None:
                break
            for name, *rest in messages:
                getattr(self, f"on_{name}")(*rest)
            ended = reaper.reap() if awake or reaper.sweeping else []
            for attempt in ended:
                self.report(attempt)
            reaper.enforce_memory_limits()
            if ended or done or not ready:
                self.tell()
        for attempt in reaper.end():
            self.report(attempt)
        self.tell()

    def tell(self) -> None:
        news = self.news
        if news:
            self.news = []
            # The executor is gone: the next read says so.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.channel.send(*news)

    def report(self, attempt: Attempt) -> None:
        self.news.append(self.reaper.write_end(attempt))

    def on_kind(self, number: int, *values: Any) -> None:
        self.kinds[number] = Kind(*values)

    def hear(self, descriptor: int) -> bool:
        """Whether a worker has done with an attempt."""
        assert self.pool is not None
        found = self.pool.hear(descriptor)
        if found is None:
            return False
        attempt, trouble = found
        if trouble:
            self.news.append(("cannot", attempt.key, trouble, time.time()))
        else:
            self.report(attempt)
        return True

    def on_start(self, key: str, kind: int, environment: Mapping[str, str], cwd: str, log: str, limit: int) -> None:
        """:param environment: the attempt's own."""
        path, _, _, _, copied = self.kinds[kind]
        try:
            if self.pool is None or kind != self.current:
                os.chdir(cwd)
            if kind != self.current:
                try:
                    self.enter(kind)
                except Exception as error:
                    self.news.append(("declined", key, f"preparing failed: {type(error).__name__}: {error}"))
                    return
            copies = [(f"{self.home}/{each}", each) for each in copied]
            if self.pool is not None:
                pid = self.pool.start((key, limit), kind, self.codes[path], environment, (cwd, log, copies))
            else:
                pid = self.fork(key, limit, self.codes[path], environment, (log, copies))
        except OSError as error:
            self.news.append(("cannot", key, f"{error.filename or path}: {error.strerror}", time.time()))
            return
        self.news.append(("started", key, pid, time.time()))

    def fork(
        self,
        key: str,
        limit: int,
        code: CodeType,
        environment: Mapping[str, str],
        places: tuple[str, list[tuple[str, str]]],
    ) -> int:
        """:param places: the log, what to copy. Raises OSError."""
        log, copies = places
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            pid = os.fork()
            if pid == 0:
                forked_child.run(self.place, code, environment, output, copies)
        finally:
            os.close(output)
        self.reaper.add(key, pid, limit)
        return pid

    def enter(self, number: int) -> None:
        """Makes this process what the children of a kind are to be, as far as they are alike."""
        kind = self.kinds[number]
        self.current = None
        set_environment(self.before)
        self.before = {name: os.environ.get(name) for name in kind.environment}
        set_environment(kind.environment)
        script.set_arguments(kind.script, kind.arguments)
        self.place.main.__dict__["__file__"] = kind.script
        if kind.script not in self.codes:
            self.codes[kind.script] = script.load(kind.script)
        if number not in self.prepared:
            for hook in kind.prepare:
                imports.call(hook)
            for hook in self.settle:
                imports.call(hook)
            imports.check_threads()
            self.prepared.add(number)
            settle_memory()
        self.current = number

    def on_signal(self, key: str, number: int) -> None:
        self.reaper.signal(key, number)


def set_environment(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def settle_memory() -> None:
    """What is alive now is not looked at again by the collector, in no child: looking would copy its pages."""
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def captured(into: list[bytes]) -> Any:
    """What is written to stdout and stderr meanwhile. What a stream holds back, each child will hold back too."""
    with tempfile.TemporaryFile(buffering=0) as file:
        kept = os.dup(1), os.dup(2)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            for number, old in enumerate(kept, start=1):
                os.dup2(old, number)
                os.close(old)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            into.append(file.read(MOST_SAID + 1) if size else b"")


def main(directory: str, socket_name: str, who: str, journal_path: str) -> None:
    link = socket.socket(socket.AF_UNIX)
    reach = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    # A socket's path has at most 107 bytes, a home's may have more.
    link.connect(f"/proc/self/fd/{reach}/{socket_name}")
    os.close(reach)
    channel = Channel(link)
    channel.send(("hello", who))
    messages = channel.receive()
    if not messages:
        return
    _, path, arguments, own, withheld, harmless, modules, settle, install, isolation = messages[0]
    # By which the supervisor knows this process; no job's.
    for name in [each for each in os.environ if each.startswith(own)]:
        del os.environ[name]
    script.set_arguments(path, arguments)
    script.put_on_path(path)
    module = script.become_main(path)
    seeds = Seeds()
    said: list[bytes] = []
    names = imports.ReadNames((own, *withheld), harmless)
    try:
        with captured(said), names, imports.without_collecting():
            imports.run(modules, settle, install)
        if len(said[0]) > MOST_SAID:
            raise imports.RefusedError("an import wrote more than a megabyte")
    except imports.RefusedError as refusal:
        os.write(2, said[0])
        channel.send(("refused", str(refusal)))
        return
    seeds.freeze()
    journal = os.open(journal_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    interpreter = Interpreter(channel, journal, said[0], seeds, module, settle, isolation)
    gc.freeze()
    interpreter.news.append(("ready", tuple(sorted(names.names))))
    interpreter.tell()
    interpreter.serve()
