"""The channels from the supervisor and the interpreters of this process: one thread reads them all, and never waits for
anything else.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..channel import Channel, Message


@dataclass(frozen=True)
class Link:
    """:param first: whether it is read before other links that have messages at the same time.
    :param take: called with each message.
    :param ended: called when the other end has gone. It closes the channel once nothing is being sent over it.
    """

    channel: Channel
    take: Callable[[Message], None]
    ended: Callable[[], None]
    first: bool = False


class ChannelReader:
    """:ivar tick: called now and then; returns the seconds until it wants to be called again, None: with the next
    news.
    """

    def __init__(self) -> None:
        self.tick: Callable[[], float | None] = lambda: None
        self._links: list[Link] = []
        self._new: deque[Link] = deque()
        self._awake, self._waker = socket.socketpair()
        self._thread: threading.Thread | None = None

    def add(self, link: Link) -> None:
        self._links.append(link)
        self._new.append(link)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="awsbatch-channels", daemon=True)
            self._thread.start()
        self.wake()

    def forget(self) -> None:
        """In a fork of this process, where the thread does not run."""
        for link in self._links:
            link.channel.close_channel()

    def wake(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b"x")

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._awake, selectors.EVENT_READ)
            while True:
                ready = [key.data for key, _ in selector.select(self.tick())]
                if None in ready:
                    self._awake.recv(64)
                links: list[Link] = [link for link in ready if link is not None]
                for link in sorted(links, key=lambda link: not link.first):
                    if not self._hear(link):
                        selector.unregister(link.channel)
                        self._links.remove(link)
                        link.ended()
                while self._new:
                    link = self._new.popleft()
                    selector.register(link.channel, selectors.EVENT_READ, link)

    @staticmethod
    def _hear(link: Link) -> bool:
        """Reads the messages of a link; False at its end."""
        messages = link.channel.receive()
        for message in messages or ():
            link.take(message)
        return messages is not None
