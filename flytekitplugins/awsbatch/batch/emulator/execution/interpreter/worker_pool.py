"""The interpreter's workers: lends one that is idle to an attempt, forks one when there is none."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Mapping
from types import CodeType

from ..channel import Channel, Message
from ..reaper import Attempt, Reaper
from . import worker
from .forked_child import Place


class Lent:
    """A worker. :param kind: what its children have in common; it can run no others."""

    def __init__(self, pid: int, kind: int, channel: Channel) -> None:
        self.pid = pid
        self.kind = kind
        self.channel = channel


class Pool:
    def __init__(self, place: Place, poll: select.epoll, reaper: Reaper) -> None:
        self._place = place
        self._poll = poll
        self._reaper = reaper
        self._idle: list[Lent] = []
        self._workers: dict[int, Lent] = {}

    def start(
        self,
        attempt: tuple[str, int],
        kind: int,
        code: CodeType,
        environment: Mapping[str, str],
        places: tuple[str, str, list[tuple[str, str]]],
    ) -> int:
        """Gives an attempt (key, memory limit) to a worker, and returns that one's number. Raises OSError.

        :param places: its directory, its log, what to copy.
        """
        for other in [each for each in self._idle if each.kind != kind]:
            self._end(other)
        message = (environment, *places)
        lent = self._lend(message)
        if lent is None:
            lent = self._fork(kind, code)
            lent.channel.send(message)
        key, limit = attempt
        self._reaper.add(key, lent.pid, limit)
        return lent.pid

    def _lend(self, message: Message) -> Lent | None:
        """An idle worker that has taken the message; one may have died meanwhile."""
        while self._idle:
            lent = self._idle.pop()
            try:
                lent.channel.send(message)
            except (BrokenPipeError, ConnectionResetError):
                self._end(lent)
            else:
                return lent
        return None

    def _fork(self, kind: int, code: CodeType) -> Lent:
        mine, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            mine.close()
            for other in self._workers.values():
                other.channel.close()
            worker.serve(self._place, code, Channel(theirs))
        theirs.close()
        lent = Lent(pid, kind, Channel(mine))
        self._workers[mine.fileno()] = lent
        self._poll.register(mine.fileno(), select.EPOLLIN)
        self._reaper.kept.add(pid)
        return lent

    def hear(self, descriptor: int) -> tuple[Attempt, str] | None:
        """An attempt that a worker has done with, and why it could not start, if so."""
        lent = self._workers[descriptor]
        messages = lent.channel.receive()
        if not messages:
            if messages is None:
                self._end(lent)
            return None
        ((name, result, goes_on, peak, cpu),) = messages
        attempt = self._reaper.finish(lent.pid, result if name == "done" else 0, peak, cpu)
        # A signal that came after the attempt's end ends the worker, sooner or later.
        if goes_on and not attempt.signalled:
            self._idle.append(lent)
        else:
            self._end(lent)
        return attempt, result if name == "cannot" else ""

    def _end(self, lent: Lent) -> None:
        """Its process ends when it hears of it, if it has not ended already."""
        if lent in self._idle:
            self._idle.remove(lent)
        del self._workers[lent.channel.fileno()]
        self._poll.unregister(lent.channel.fileno())
        lent.channel.close()
