"""The interpreter's one loop: takes starts and signals from the executors, forks, and reports how attempts ended. It
has one thread and polls nothing.

It outlives the services that it works for: what belongs to one of them (its journal, its setups, its attempts) comes
with a lease and goes when that is released. Its argument is the descriptor of its channel.
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
from ..reaper import ReapedAttempt, Reaper
from . import forked_child, imports, script
from .import_watch import ImportWatch, watch_native_libraries
from .random_state import RandomState
from .settled_memory import MANY_FORKS, settle_in_huge_pages, settle_memory
from .worker_pool import Pool

# The most that imports may write, in bytes: more is not copied into every child's log.
MAX_IMPORT_OUTPUT = 1 << 20
# Seconds that the report of a start may wait, so that it goes with that of the end of a short attempt: each message
# wakes two threads of the service.
TOGETHER = 0.02
WORKER = "worker"


class Setup(NamedTuple):
    """What the children of one array have in common.

    :param lease: the service that they belong to.
    :param prepare: called before the first fork.
    :param environment: what differs from the interpreter's, None for what is not there.
    :param python_path: the entries of its PYTHONPATH.
    :param copied: directories below the interpreter's own that each child gets a copy of in its own.
    """

    lease: int
    script: str
    arguments: tuple[str, ...]
    prepare: tuple[imports.Hook, ...]
    environment: Mapping[str, str | None]
    python_path: tuple[str, ...]
    copied: tuple[str, ...]
    umask: int


class Interpreter:
    def __init__(
        self,
        channel: Channel,
        import_output: bytes,
        random_state: RandomState,
        main: ModuleType,
        search_path: script.SearchPath,
        settle: tuple[imports.Hook, ...],
        isolation: str,
    ) -> None:
        self.search_path = search_path
        self.settle = settle
        self.channel = channel
        self.reaper = Reaper()
        self.codes: dict[str, CodeType] = {}
        self.setups: dict[int, Setup] = {}
        self.prepared: set[int] = set()
        self.current: int | None = None
        self.before: dict[str, str | None] = {}
        self.home = os.getcwd()
        self.outbox: list[Message] = []
        self.forks = 0
        self.awake, wake = os.pipe()
        os.set_blocking(self.awake, False)
        os.set_blocking(wake, False)
        self.poll = select.epoll()
        self.poll.register(channel.fileno(), select.EPOLLIN)
        self.poll.register(self.awake, select.EPOLLIN)
        inherited = channel.fileno(), self.awake, wake, self.poll.fileno()
        self.context = forked_child.ForkContext(
            os.getpid(), import_output, inherited, self.reaper.journals, random_state, main
        )
        self.pool = Pool(self.context, self.poll, self.reaper) if isolation == WORKER else None
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serves until the process that it works for goes away."""
        poll, reaper, link = self.poll.poll, self.reaper, self.channel.fileno()
        while True:
            timeout = reaper.timeout()
            if self.outbox:
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
                    done += self._read_worker(descriptor)
            if messages is None:
                break
            for name, *rest in messages:
                getattr(self, f"on_{name}")(*rest)
            ended = reaper.reap() if awake or reaper.sweeping else []
            for attempt in ended:
                self.report_attempt_end(attempt)
            released = reaper.released()
            self.outbox.extend(("released", lease) for lease in released)
            reaper.enforce_memory_limits()
            if ended or done or released or not ready:
                self.send_outbox()
        for attempt in reaper.end():
            self.report_attempt_end(attempt)
        self.send_outbox()

    def send_outbox(self) -> None:
        messages = self.outbox
        if messages:
            self.outbox = []
            # The executors are gone: the next read says so.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.channel.send(*messages)

    def report_attempt_end(self, attempt: ReapedAttempt) -> None:
        self.outbox.append(self.reaper.write_reaped_end(attempt))

    def _read_worker(self, descriptor: int) -> bool:
        """Reads a worker's messages; whether it has finished an attempt."""
        assert self.pool is not None
        found = self.pool.read(descriptor)
        if found is None:
            return False
        attempt, trouble = found
        if trouble:
            self.outbox.append(("cannot", *attempt.key, trouble, time.time()))
        else:
            self.report_attempt_end(attempt)
        return True

    def on_lease(self, lease: int, journal: str) -> None:
        self.reaper.lease(lease, journal)

    def on_release(self, lease: int) -> None:
        """Ends the attempts of a service and forgets its setups. That nothing is left is reported later."""
        for attempt in self.reaper.release(lease):
            self.report_attempt_end(attempt)
        if self.pool is not None:
            self.pool.end_idle_workers()
        self.reset_interpreter()
        for number in [number for number, setup in self.setups.items() if setup.lease == lease]:
            del self.setups[number]
            self.prepared.discard(number)

    def reset_interpreter(self) -> None:
        """Restores this process to what it was after the imports."""
        self.current = None
        _set_environment(self.before)
        self.before = {}
        with contextlib.suppress(OSError):
            os.chdir(self.home)

    def on_setup(self, number: int, *values: Any) -> None:
        self.setups[number] = Setup(*values)

    def on_start(self, key: str, number: int, environment: Mapping[str, str], cwd: str, log: str, limit: int) -> None:
        """:param environment: the attempt's own."""
        setup = self.setups[number]
        attempt = setup.lease, key
        try:
            if self.pool is None or number != self.current:
                os.chdir(cwd)
            if number != self.current:
                try:
                    self._switch_to(number)
                except Exception as error:
                    self.outbox.append(("declined", *attempt, f"preparing failed: {type(error).__name__}: {error}"))
                    return
            code = self.codes[setup.script]
            copies = [(f"{self.home}/{each}", each) for each in setup.copied]
            if self.pool is not None:
                pid = self.pool.start((attempt, limit), number, code, environment, (cwd, log, copies))
            else:
                pid = self.fork(code, environment, (log, copies))
                self.reaper.add(attempt, pid, limit)
        except OSError as error:
            trouble = f"{error.filename or setup.script}: {error.strerror}"
            self.outbox.append(("cannot", *attempt, trouble, time.time()))
            return
        self.outbox.append(("started", *attempt, pid, time.time()))

    def fork(self, code: CodeType, environment: Mapping[str, str], places: tuple[str, list[tuple[str, str]]]) -> int:
        """:param places: the log, what to copy. Raises OSError."""
        log, copies = places
        self.forks += 1
        if self.forks == MANY_FORKS:
            settle_in_huge_pages()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            pid = os.fork()
            if pid == 0:
                forked_child.run_forked_child(self.context, code, environment, output, copies)
        finally:
            os.close(output)
        return pid

    def _switch_to(self, number: int) -> None:
        """Prepares this process for forking the children of a setup: everything that they have in common."""
        setup = self.setups[number]
        self.current = None
        _set_environment(self.before)
        self.before = {name: os.environ.get(name) for name in setup.environment}
        _set_environment(setup.environment)
        os.umask(setup.umask)
        self.search_path.set(setup.script, setup.python_path)
        script.set_script_arguments(setup.script, setup.arguments)
        self.context.main.__dict__["__file__"] = setup.script
        if setup.script not in self.codes:
            self.codes[setup.script] = script.load_script(setup.script)
        if number not in self.prepared:
            for hook in setup.prepare:
                imports.call_import_hook(hook)
            for hook in self.settle:
                imports.call_import_hook(hook)
            imports.check_import_threads()
            self.prepared.add(number)
            settle_memory()
        self.current = number

    def on_signal(self, lease: int, key: str, number: int) -> None:
        self.reaper.signal((lease, key), number)


def _set_environment(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _captured(into: list[bytes]) -> Any:
    """Captures what the block writes to stdout and stderr. What a stream holds back, each child will hold back too."""
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
            into.append(file.read(MAX_IMPORT_OUTPUT + 1) if size else b"")


class Warming:
    """Reads the messages until everything is imported.

    :ivar unread: those that came with the last one that was taken.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.unread: list[Message] = []

    def next(self) -> Message:
        """Waits for the next message; ends this process when there will be none."""
        while not self.unread:
            received = self._channel.receive()
            if received is None:
                os._exit(0)
            self.unread = received
        return self.unread.pop(0)

    def run(
        self, message: Message, output: list[bytes], watch: ImportWatch, random_state: RandomState
    ) -> tuple[Any, ...]:
        """Imports what the messages ask for, until one says what it is to serve. Raises RefusedError."""
        flag, install = message
        os.environ[flag] = "1"
        with _captured(output), watch, imports.importing_without_collecting():
            before = imports.import_descriptors()
            if install is not None:
                imports.install_import(install)
            while True:
                name, *rest = self.next()
                if name == "serve":
                    break
                imports.run_imports(rest)
            settle, _ = rest
            imports.settle_imports(settle, before, random_state)
            del os.environ[flag]
        if len(output[0]) > MAX_IMPORT_OUTPUT:
            raise imports.RefusedError("an import wrote more than a megabyte")
        return tuple(rest)


def main(link: str) -> None:
    os.set_inheritable(int(link), False)
    channel = Channel(socket.socket(fileno=int(link)))
    warming = Warming(channel)
    _, path, own, harmless, python_path, flag, install = warming.next()
    # The variable by which the supervisor knows this process; no job gets it.
    for name in [each for each in os.environ if each.startswith(own)]:
        del os.environ[name]
    if python_path:
        os.environ["PYTHONPATH"] = os.pathsep.join(python_path)
    script.set_script_arguments(path, ())
    search_path = script.SearchPath(path, python_path)
    module = script.become_script_main(path)
    random_state = RandomState()
    output: list[bytes] = []
    watch = ImportWatch((flag, "TMPDIR"), harmless)
    try:
        settle, isolation = warming.run((flag, install), output, watch, random_state)
    except imports.RefusedError as refusal:
        os.write(2, output[0])
        channel.send(("refused", str(refusal)))
        return
    random_state.freeze_random_state()
    # This process's own directory for temporary files, which `tempfile` remembers. No attempt may see it.
    os.environ.pop("TMPDIR", None)
    interpreter = Interpreter(channel, output[0], random_state, module, search_path, settle, isolation)
    gc.freeze()
    ready = tuple(sorted(watch.variables)), tuple(watch.modules()), tuple(watch_native_libraries())
    interpreter.outbox.append(("ready", *ready, search_path.is_search_path_as_made))
    interpreter.send_outbox()
    for name, *rest in warming.unread:
        getattr(interpreter, f"on_{name}")(*rest)
    interpreter.serve()
