"""The attempts that a zygote runs: reaps them, removes what they left behind, watches their memory, and says how each
ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from . import process_tree

# Between looks at the memory of what runs.
LOOK_EVERY = 0.025
LOOK_COST = 0.005
# What does not vanish after SIGKILL (uninterruptible sleep) must not hold up the rest.
PATIENCE = 10.0


class Attempt:
    """One that runs, or whose leftovers are being removed."""

    __slots__ = ("ended", "key", "limit", "out_of_memory", "pid", "signalled", "since")

    def __init__(self, key: str, pid: int, limit: int) -> None:
        self.key = key
        self.pid = pid
        self.limit = limit
        self.out_of_memory = False
        self.signalled = False
        self.ended = 0
        self.since = 0.0


class Attempts:
    def __init__(self) -> None:
        self.me = os.getpid()
        self.by_pid: dict[int, Attempt] = {}
        self._by_key: dict[str, Attempt] = {}
        # Processes that are no attempt, and not left behind by one either.
        self.kept: set[int] = set()
        # Those whose leftovers have not gone yet.
        self.leaving: list[Attempt] = []
        self._limited = 0
        self._next_look = 0.0

    def add(self, attempt: Attempt) -> None:
        self.by_pid[attempt.pid] = self._by_key[attempt.key] = attempt
        self._limited += attempt.limit > 0

    def finish(self, pid: int, status: int) -> Attempt:
        """One whose process goes on without it: whatever killed that came too late for the attempt."""
        attempt = self.by_pid.pop(pid)
        self._forget(attempt)
        attempt.ended = status
        attempt.out_of_memory = False
        return attempt

    def _forget(self, attempt: Attempt) -> None:
        del self._by_key[attempt.key]
        self._limited -= attempt.limit > 0

    def signal(self, key: str, number: int) -> None:
        """To the main process, as a container's stop does; SIGKILL to all of it."""
        attempt = self._by_key.get(key)
        if attempt is not None:
            attempt.signalled = True
            process_tree.kill(attempt.pid, number, group=number == signal.SIGKILL)

    def timeout(self) -> float | None:
        """Seconds until something has to be done that no event tells of."""
        if self.leaving:
            return 0.05
        return max(0.0, self._next_look - time.monotonic()) if self._limited else None

    def reap(self) -> list[Attempt]:
        """Those that have ended and left nothing."""
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
                process_tree.kill(attempt.pid, signal.SIGKILL, group=True)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(ended.si_pid, 0)
            self.kept.discard(ended.si_pid)
            if attempt is not None:
                self._forget(attempt)
                by_signal = ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
                attempt.ended = ended.si_status + (128 if by_signal else 0)
                attempt.since = time.monotonic()
                self.leaving.append(attempt)
        return self._sweep() if self.leaving else []

    def _sweep(self) -> list[Attempt]:
        """Each attempt adopts its orphans, so a child of ours that is no attempt is what an ended one left behind."""
        strays = [pid for pid in process_tree.children(self.me) if pid not in self.by_pid and pid not in self.kept]
        for pid in strays:
            process_tree.kill(pid, signal.SIGKILL)
        if strays and time.monotonic() < self.leaving[0].since + PATIENCE:
            return []
        gone, self.leaving = self.leaving, []
        return gone

    def look(self) -> None:
        """Kills attempts that hold more memory than they may."""
        now = time.monotonic()
        if not self._limited or now < self._next_look:
            return
        for attempt in self.by_pid.values():
            if not attempt.limit or attempt.out_of_memory or memory(attempt.pid) <= attempt.limit:
                continue
            attempt.out_of_memory = attempt.signalled = True
            for pid in process_tree.tree(attempt.pid)[1:]:
                process_tree.kill(pid, signal.SIGKILL)
            process_tree.kill(attempt.pid, signal.SIGKILL, group=True)
        self._next_look = time.monotonic() + max(LOOK_EVERY, LOOK_COST * len(self.by_pid))

    def end(self) -> list[Attempt]:
        """Kills all, waits until nothing is left, and says how they ended."""
        gone: list[Attempt] = []
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for pid in [*self.by_pid, *self.kept]:
                process_tree.kill(pid, signal.SIGKILL, group=True)
            for pid in process_tree.children(self.me):
                process_tree.kill(pid, signal.SIGKILL)
            gone += self.reap()
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                break
        return gone + self.leaving


def memory(pid: int) -> int:
    """Bytes of a process and all below it. Below it, what differs from its parent's."""
    total = process_tree.own_bytes(pid)
    for each in process_tree.tree(pid)[1:]:
        total += process_tree.private_bytes(each)
    return total
