"""Reaps the attempts that a process has started, removes what they left behind, enforces their memory limits, and
writes down how each ended. The supervisor and the interpreters do it in the same way, for several services at once,
which are known by numbers. Standard library alone.

It stands for what the ECS agent and a container's process namespace do on AWS: when an attempt's main process ends,
nothing of the attempt is left. Each attempt adopts its orphans, as process 1 of a container does, so a child of the
reaping process that is no attempt is what an ended one left behind.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import time

from .memory_limits import exceeds_memory_limit
from .process_tree import adopt_orphan_processes, child_processes, descendant_processes, has_child_process, kill_process

LINUX = sys.platform.startswith("linux")
KILLED = 128 + int(signal.SIGKILL)
# Seconds between two checks of an attempt's memory, and from its start to the first: short enough to stop a runaway.
# Checking one process takes about 30 us.
CHECK_EVERY = 0.025
CHECK_COST = 0.005
# Seconds. A process that does not vanish after SIGKILL (uninterruptible sleep) must not hold up the rest.
KILL_TIMEOUT = 10.0

# A service's number and what it calls the attempt.
Key = tuple[int, str]


class ReapedAttempt:
    """An attempt that runs, or whose leftovers are being removed.

    :ivar signalled: whether it was sent a signal from here.
    :ivar ended_by_reaper: whether it was killed because this process or its service ends, which is not the attempt's
    own end.
    :ivar peak: the most memory that it was seen to hold, in bytes.
    :ivar cpu: CPU seconds of those of its processes that have been waited for.
    :ivar rough: the largest quick sum of its memory for which the slow one was made.
    :ivar next_check: when its memory is checked again, by `time.monotonic`.
    """

    def __init__(self, key: Key, pid: int, limit: int) -> None:
        """:param limit: bytes, 0 for none."""
        self.key = key
        self.pid = pid
        self.limit = limit
        self.out_of_memory = False
        self.signalled = False
        self.ended_by_reaper = False
        self.exit_code = 0
        self.ended_at = 0.0
        self.peak = 0
        self.rough = 0
        self.next_check = time.monotonic() + CHECK_EVERY if limit and LINUX else math.inf
        self.cpu = 0.0


class Reaper:
    """:ivar by_pid: the attempts that run.
    :ivar kept: processes that are no attempt, and were not left behind by one either; `ending`: those of them that have
        been told to end.
    :ivar journals: of each service, the descriptor of the file that gets the ends of its attempts.
    """

    def __init__(self) -> None:
        self.by_pid: dict[int, ReapedAttempt] = {}
        self.kept: set[int] = set()
        self.ending: set[int] = set()
        self.sweeping: list[ReapedAttempt] = []
        self.journals: dict[int, int] = {}
        self._releasing: set[int] = set()
        # The earliest of the attempts'.
        self._next_check = math.inf
        adopt_orphan_processes()

    def lease(self, service: int, journal: str) -> None:
        """Opens the journal of a service whose attempts are to be reaped."""
        # A full disk must not stop the rest.
        with contextlib.suppress(OSError):
            self.journals[service] = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def release(self, service: int) -> list[ReapedAttempt]:
        """Kills the attempts of a service. Returns those that have ended and left nothing; see `released`."""
        ended = self.reap()
        self._releasing.add(service)
        for attempt in [*self.by_pid.values()]:
            if attempt.key[0] == service:
                attempt.ended_by_reaper = attempt.signalled = True
                kill_process(attempt.pid, signal.SIGKILL, group=True)
        return ended

    def released(self) -> list[int]:
        """The services released meanwhile of whose attempts nothing is left, once no kept process is ending."""
        if not self._releasing or self.ending:
            return []
        left = {attempt.key[0] for attempt in [*self.by_pid.values(), *self.sweeping]}
        gone = [service for service in self._releasing if service not in left]
        for service in gone:
            self._releasing.discard(service)
            if service in self.journals:
                os.close(self.journals.pop(service))
        return gone

    def add(self, key: Key, pid: int, limit: int) -> None:
        attempt = self.by_pid[pid] = ReapedAttempt(key, pid, limit)
        self._next_check = min(self._next_check, attempt.next_check)

    def finish(self, pid: int, exit_code: int, peak: int = 0, cpu: float = 0.0) -> ReapedAttempt:
        """Ends an attempt whose process goes on without it: whatever killed that came too late for the attempt.

        :param peak, cpu: as the process has measured them.
        """
        attempt = self.by_pid.pop(pid)
        attempt.exit_code = exit_code
        attempt.peak = max(attempt.peak, peak)
        attempt.cpu = cpu
        attempt.out_of_memory = attempt.ended_by_reaper = False
        return attempt

    def signal(self, key: Key, number: int) -> None:
        """Signals an attempt's main process, as a container's stop does; SIGKILL goes to all of it."""
        attempt = next((each for each in self.by_pid.values() if each.key == key), None)
        if attempt is not None:
            attempt.signalled = True
            kill_process(attempt.pid, number, group=number == signal.SIGKILL)

    def timeout(self) -> float | None:
        """Seconds until something has to be done without an event."""
        if self.sweeping:
            return 0.05
        return None if self._next_check == math.inf else max(0.0, self._next_check - time.monotonic())

    def reap(self) -> list[ReapedAttempt]:
        """Returns the attempts that have ended and left nothing."""
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
                kill_process(attempt.pid, signal.SIGKILL, group=True)
            with contextlib.suppress(ChildProcessError):
                _, _, used = os.wait4(ended.si_pid, 0)
                if attempt is not None:
                    # The largest process of the attempt: what Linux counts in KiB others count in bytes.
                    attempt.peak = max(attempt.peak, used.ru_maxrss * (1024 if LINUX else 1))
                    attempt.cpu = used.ru_utime + used.ru_stime
            self.kept.discard(ended.si_pid)
            self.ending.discard(ended.si_pid)
            if attempt is not None:
                by_signal = ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
                attempt.exit_code = ended.si_status + (128 if by_signal else 0)
                attempt.ended_by_reaper &= attempt.exit_code == KILLED and not attempt.out_of_memory
                attempt.ended_at = time.monotonic()
                self.sweeping.append(attempt)
        return self._sweep() if self.sweeping else []

    def _sweep(self) -> list[ReapedAttempt]:
        """Kills what ended attempts left behind; returns them once it is gone."""
        strays = [pid for pid in child_processes(os.getpid()) if pid not in self.by_pid and pid not in self.kept]
        for pid in strays:
            kill_process(pid, signal.SIGKILL)
        if strays and time.monotonic() < self.sweeping[0].ended_at + KILL_TIMEOUT:
            return []
        gone, self.sweeping = self.sweeping, []
        return gone

    def write_reaped_end(self, attempt: ReapedAttempt) -> tuple[str, int, str, int, float, bool, int, float]:
        """Writes the end of an attempt into the journal, and returns the message that reports it.

        The journal outlives the service: an attempt that is in it need not run again.
        """
        now = time.time()
        service, key = attempt.key
        if not attempt.ended_by_reaper:
            line = reaper_journal_line(key, attempt.exit_code, attempt.out_of_memory, now, attempt.peak, attempt.cpu)
            # A full disk must not stop the rest.
            with contextlib.suppress(OSError):
                os.write(self.journals.get(service, -1), line)
        return "exited", service, key, attempt.exit_code, now, attempt.out_of_memory, attempt.peak, attempt.cpu

    def enforce_memory_limits(self) -> None:
        """Kills attempts that hold more memory than they may (Linux)."""
        now = time.monotonic()
        if now < self._next_check:
            return
        for attempt in self.by_pid.values():
            if attempt.next_check > now:
                continue
            attempt.next_check = now + max(CHECK_EVERY, CHECK_COST * len(self.by_pid))
            if attempt.out_of_memory or not exceeds_memory_limit(attempt):
                continue
            attempt.out_of_memory = attempt.signalled = True
            for pid in descendant_processes(attempt.pid):
                kill_process(pid, signal.SIGKILL)
            kill_process(attempt.pid, signal.SIGKILL, group=True)
        self._next_check = min((attempt.next_check for attempt in self.by_pid.values()), default=math.inf)

    def end(self) -> list[ReapedAttempt]:
        """Kills everything below this process, waits until it is gone, and returns the attempts. Those that had not
        ended by themselves are marked.
        """
        ended = self.reap()
        killed: list[ReapedAttempt] = []
        until = time.monotonic() + KILL_TIMEOUT
        while has_child_process() and time.monotonic() < until:
            for pid in [*self.by_pid, *self.kept]:
                kill_process(pid, signal.SIGKILL, group=True)
            for pid in child_processes(os.getpid()):
                kill_process(pid, signal.SIGKILL)
            killed += self.reap()
            time.sleep(0.002)
        killed += self.reap() + self.sweeping
        for attempt in killed:
            attempt.ended_by_reaper = attempt.exit_code == KILLED and not attempt.out_of_memory
        return ended + killed


def reaper_journal_line(key: str, exit_code: int, out_of_memory: bool, at: float, peak: int, cpu: float) -> bytes:
    """The end of an attempt as a journal has it (`instance.exits` reads it)."""
    return f"{key}\t{exit_code}\t{int(out_of_memory)}\t{at:.3f}\t{peak}\t{cpu:.3f}\n".encode()
