"""The process between the service and the processes of its jobs: it starts them, reaps them, watches their memory,
and kills all of them when the service goes away, however that happens.

Run as a script by its path, with the standard library alone, so that it is small and starts in milliseconds. It
stands for what the ECS agent and a container's process namespace do on AWS: when an attempt's main process ends,
nothing of the attempt is left. It decides nothing: no retries, no timeouts, no reasons.

Arguments: the descriptor of a stream socket, the path of the journal. Messages both ways are marshalled tuples after
a 4-byte length.
"""

# ruff: noqa: PTH123, PTH208 - pathlib would double the time that this script takes to start

from __future__ import annotations

import contextlib
import ctypes
import marshal
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform.startswith("linux")
PAGE = os.sysconf("SC_PAGE_SIZE")
# Between looks at the memory of what runs: fast enough that a runaway does not get far, one look costs about 30 us a
# process.
LOOK_EVERY = 0.025
LOOK_COST = 0.005
# A process that does not vanish after SIGKILL (uninterruptible sleep) must not hold up the rest.
PATIENCE = 10.0
COMMAND_NOT_FOUND = 127


class Attempt:
    """One that runs, or whose leftovers are being removed."""

    __slots__ = ("ended", "key", "limit", "marks", "out_of_memory", "pid", "since")

    def __init__(self, key: str, pid: int, limit: int, marks: tuple[bytes, ...]) -> None:
        self.key = key
        self.pid = pid
        self.limit = limit
        self.marks = marks
        self.out_of_memory = False
        self.ended: int | None = None
        self.since = 0.0


def become_parent_of_orphans() -> Any:
    """Asks the kernel to hand us every orphan below us (Linux), and returns the C library for the children's own
    request.
    """
    if not LINUX:
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return libc


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


def children_of(pid: int) -> list[int]:
    """The living and dead children of a process; empty where the kernel does not tell."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
            found.extend(map(int, file.read().split()))
    return found


def anonymous_bytes(pid: int) -> int:
    """What a process holds in memory of its own: resident without what it maps of files, as a container is charged
    for it.
    """
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            fields = file.read().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * PAGE


def proportional_bytes(pid: int) -> int:
    """The same with pages that several processes share divided among them (slower to ask for)."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss_Anon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return anonymous_bytes(pid)


def tree_of(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        found.extend(children_of(each))
    return found


def environment_has(pid: int, marks: tuple[bytes, ...]) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return False
    return all(mark in entries for mark in marks)


def kill(pid: int, number: int, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if group else os.kill)(pid, number)


class Supervisor:
    def __init__(self, link: socket.socket, journal: int) -> None:
        self.link = link
        self.journal = journal
        self.libc = become_parent_of_orphans()
        self.attempts: dict[str, Attempt] = {}
        self.by_pid: dict[int, Attempt] = {}
        self.leaving: list[Attempt] = []
        self.environments: dict[int, dict[str, str]] = {}
        self.null = os.open(os.devnull, os.O_RDWR)
        self.next_look = 0.0
        self.ending = False

    def run(self) -> None:
        awake, waker = os.pipe()
        for end in (awake, waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        ending: list[int] = []
        signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
        buffer = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self.link, selectors.EVENT_READ)
            selector.register(awake, selectors.EVENT_READ)
            # A fork of the service's process may hold the other end of the link open; the process itself cannot lie.
            service = watch_parent()
            if service >= 0:
                selector.register(service, selectors.EVENT_READ)
            while not ending:
                for key, _ in selector.select(self.timeout()):
                    if key.fd == awake:
                        with contextlib.suppress(BlockingIOError):
                            os.read(awake, 4096)
                    elif key.fd == service:
                        return
                    else:
                        # A service that was killed may leave a reset behind.
                        with contextlib.suppress(ConnectionResetError):
                            data = b""
                            data = self.link.recv(1 << 20)
                        if not data:
                            return
                        buffer += data
                self.obey(buffer)
                self.reap()
                self.look()

    def timeout(self) -> float | None:
        if self.leaving:
            return 0.05
        if any(attempt.limit for attempt in self.by_pid.values()):
            return max(0.0, self.next_look - time.monotonic())
        return None

    def obey(self, buffer: bytearray) -> None:
        """Carries out every whole message in the buffer."""
        while len(buffer) >= 4:
            size = int.from_bytes(buffer[:4], "little")
            if len(buffer) < 4 + size:
                return
            message = marshal.loads(bytes(buffer[4 : 4 + size]))  # noqa: S302 - of our own parent
            del buffer[: 4 + size]
            name, *rest = message
            getattr(self, f"on_{name}")(*rest)
            self.reap()

    def tell(self, *message: Any) -> None:
        data = marshal.dumps(message)
        # The service is gone: the next read says so.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.link.sendall(len(data).to_bytes(4, "little") + data)

    def on_environment(self, number: int, environment: dict[str, str]) -> None:
        # Messages come in order: an older one is not asked for again.
        self.environments = {number: environment}

    def on_start(
        self,
        key: str,
        argv: tuple[str, ...],
        number: int,
        changes: dict[str, str],
        cwd: str,
        log: str,
        limit: int,
        marks: tuple[bytes, ...],
    ) -> None:
        environment = {**self.environments[number], **changes}
        try:
            pid = self.spawn(argv, environment, cwd, log)
        except OSError as error:
            self.tell("cannot", key, f"{error.filename or argv[0]}: {error.strerror}", time.time())
            return
        attempt = Attempt(key, pid, limit, marks)
        self.attempts[key] = self.by_pid[pid] = attempt
        self.tell("started", key, pid, time.time())

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
            if self.libc is not None:
                self.libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
                if os.getppid() != parent:
                    os._exit(1)
            for number in (
                signal.SIGPIPE,
                signal.SIGXFSZ,
                signal.SIGINT,
                signal.SIGHUP,
                signal.SIGTERM,
                signal.SIGCHLD,
            ):
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
        """To the main process, as a container's stop does; SIGKILL to all of it."""
        attempt = self.attempts.get(key)
        if attempt is not None and attempt.ended is None:
            kill(attempt.pid, number, group=number == signal.SIGKILL)

    def reap(self) -> None:
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if ended is None:
                break
            attempt = self.by_pid.pop(ended.si_pid, None)
            if attempt is not None:
                # While it is a zombie its number cannot be given to another group.
                kill(ended.si_pid, signal.SIGKILL, group=True)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(ended.si_pid, 0)
            if attempt is not None:
                by_signal = ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
                attempt.ended = ended.si_status + (128 if by_signal else 0)
                attempt.since = time.monotonic()
                self.leaving.append(attempt)
        if self.leaving:
            self.sweep()

    def sweep(self) -> None:
        """Removes what ended attempts left behind in other sessions, and reports those that left nothing."""
        strays = [pid for pid in children_of(os.getpid()) if pid not in self.by_pid]
        left: list[Attempt] = []
        for attempt in self.leaving:
            mine = [pid for pid in strays if self.belongs(pid, attempt)]
            for pid in mine:
                kill(pid, signal.SIGKILL, group=False)
            if mine and time.monotonic() < attempt.since + PATIENCE:
                left.append(attempt)
            else:
                self.report(attempt)
        self.leaving = left

    def belongs(self, pid: int, attempt: Attempt) -> bool:
        if attempt.marks and environment_has(pid, attempt.marks):
            return True
        with contextlib.suppress(OSError):
            return os.getsid(pid) == attempt.pid
        return False

    def report(self, attempt: Attempt) -> None:
        del self.attempts[attempt.key]
        now = time.time()
        ended = attempt.ended or 0
        if self.ending and ended == 128 + signal.SIGKILL and not attempt.out_of_memory:
            # Killed because the service ends: that is no end of the attempt's own.
            return
        # The journal outlives the service: what is in it need not run again. A full disk must not stop the rest.
        with contextlib.suppress(OSError):
            os.write(self.journal, f"{attempt.key}\t{ended}\t{int(attempt.out_of_memory)}\t{now:.3f}\n".encode())
        self.tell("exited", attempt.key, ended, attempt.out_of_memory, now)

    def look(self) -> None:
        """Kills attempts that hold more memory than they may."""
        now = time.monotonic()
        if now < self.next_look or not LINUX:
            return
        for attempt in self.by_pid.values():
            if not attempt.limit or attempt.out_of_memory:
                continue
            tree = tree_of(attempt.pid)
            if sum(map(anonymous_bytes, tree)) <= attempt.limit:
                continue
            if len(tree) > 1 and sum(map(proportional_bytes, tree)) <= attempt.limit:
                continue
            attempt.out_of_memory = True
            for pid in tree[1:]:
                kill(pid, signal.SIGKILL, group=False)
            kill(attempt.pid, signal.SIGKILL, group=True)
        self.next_look = time.monotonic() + max(LOOK_EVERY, LOOK_COST * len(self.by_pid))

    def end(self) -> None:
        """Kills everything below this process and waits until it is gone."""
        self.ending = True
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for pid in list(self.by_pid):
                kill(pid, signal.SIGKILL, group=True)
            for pid in children_of(os.getpid()):
                kill(pid, signal.SIGKILL, group=False)
            self.reap()
            try:
                if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    time.sleep(0.002)
            except ChildProcessError:
                break
        for attempt in self.leaving:
            self.report(attempt)


def main() -> None:
    link = socket.socket(fileno=int(sys.argv[1]))
    journal = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.set_inheritable(link.fileno(), False)
    for extra in sys.argv[3:]:
        os.set_inheritable(int(extra), False)
    supervisor = Supervisor(link, journal)
    try:
        supervisor.run()
    finally:
        supervisor.end()


if __name__ == "__main__":
    main()
