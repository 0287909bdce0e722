"""The interpreter's workers: gives an attempt to an idle one, or forks one."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Mapping
from types import CodeType

from ..channel import Channel, Message
from ..reaper import Key, ReapedAttempt, Reaper
from . import worker
from .forked_child import ForkContext


class PooledWorker:
    """:param setup: what its attempts have in common; it can run no others."""

    def __init__(self, pid: int, setup: int, channel: Channel) -> None:
        self.pid = pid
        self.setup = setup
        self.channel = channel


class Pool:
    def __init__(self, context: ForkContext, poll: select.epoll, reaper: Reaper) -> None:
        self._context = context
        self._poll = poll
        self._reaper = reaper
        self._idle: list[PooledWorker] = []
        self._workers: dict[int, PooledWorker] = {}

    def start(
        self,
        attempt: tuple[Key, int],
        setup: int,
        code: CodeType,
        environment: Mapping[str, str],
        places: tuple[str, str, list[tuple[str, str]]],
    ) -> int:
        """Gives an attempt (key, memory limit) to a worker, and returns that one's number. Raises OSError.

        :param places: its directory, its log, what to copy.
        """
        self.end_idle_workers(setup)
        message = (environment, *places)
        pooled = self._reuse(message)
        if pooled is None:
            pooled = self._fork(setup, code)
            pooled.channel.send(message)
        key, limit = attempt
        self._reaper.add(key, pooled.pid, limit)
        return pooled.pid

    def _reuse(self, message: Message) -> PooledWorker | None:
        """An idle worker that has taken the message; one may have died meanwhile."""
        while self._idle:
            pooled = self._idle.pop()
            try:
                pooled.channel.send(message)
            except (BrokenPipeError, ConnectionResetError):
                self._end(pooled)
            else:
                return pooled
        return None

    def _fork(self, setup: int, code: CodeType) -> PooledWorker:
        mine, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            mine.close()
            for other in self._workers.values():
                other.channel.close_channel()
            worker.serve_as_worker(self._context, code, Channel(theirs))
        theirs.close()
        pooled = PooledWorker(pid, setup, Channel(mine))
        self._workers[mine.fileno()] = pooled
        self._poll.register(mine.fileno(), select.EPOLLIN)
        self._reaper.kept.add(pid)
        return pooled

    def end_idle_workers(self, setup: int | None = None) -> None:
        """Ends the idle workers, except those of one setup."""
        for other in [each for each in self._idle if each.setup != setup]:
            self._end(other)

    def read(self, descriptor: int) -> tuple[ReapedAttempt, str] | None:
        """The attempt that a worker has finished, and the reason if it could not start."""
        pooled = self._workers[descriptor]
        messages = pooled.channel.receive()
        if not messages:
            if messages is None:
                self._end(pooled)
            return None
        ((name, result, reusable, peak, cpu),) = messages
        attempt = self._reaper.finish(pooled.pid, result if name == "done" else 0, peak, cpu)
        # A signal that came after the attempt's end ends the worker, sooner or later.
        if reusable and not attempt.signalled:
            self._idle.append(pooled)
        else:
            self._end(pooled)
        return attempt, result if name == "cannot" else ""

    def _end(self, pooled: PooledWorker) -> None:
        """Ends a worker: its process ends when it reads that, if it has not ended already."""
        if pooled in self._idle:
            self._idle.remove(pooled)
        if pooled.pid in self._reaper.kept:
            self._reaper.ending.add(pooled.pid)
        del self._workers[pooled.channel.fileno()]
        self._poll.unregister(pooled.channel.fileno())
        pooled.channel.close_channel()
