"""The sockets by which zygotes reach the executor: one thread listens, greets and reads, and never waits for anything
else.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.execution.channel import Channel, Message


class Links:
    """:param greet: called with the first message of a new link; returns what its later messages are given with, or
        None to hear no more of it.
    :param take: called with each later message.
    :param ended: called when a link has ended.
    """

    def __init__(
        self,
        greet: Callable[[Channel, Message], Any],
        take: Callable[[Any, Message], None],
        ended: Callable[[Any], None],
    ) -> None:
        self._greet = greet
        self._take = take
        self._ended = ended
        self._closing = False
        self._thread: threading.Thread | None = None
        self._waker: socket.socket | None = None

    def listen(self, directory: Path, name: str) -> None:
        """Once; later calls do nothing. A socket's path has at most 107 bytes, a home's may have more."""
        if self._thread is not None:
            return
        listening = socket.socket(socket.AF_UNIX)
        reach = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            listening.bind(f"/proc/self/fd/{reach}/{name}")
        finally:
            os.close(reach)
        listening.listen(64)
        awake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run, args=(listening, awake), name="awsbatch-warm", daemon=True)
        self._thread.start()

    def close(self, patience: float) -> None:
        """Returns when every link has ended."""
        self._closing = True
        if self._thread is not None and self._waker is not None:
            with contextlib.suppress(OSError):
                self._waker.send(b"x")
            self._thread.join(patience)

    def _run(self, listening: socket.socket, awake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, listening, awake:
            selector.register(listening, selectors.EVENT_READ)
            selector.register(awake, selectors.EVENT_READ)
            links = 0
            while links or not self._closing:
                for key, _ in selector.select():
                    if key.fileobj is awake:
                        awake.recv(64)
                    elif key.fileobj is listening:
                        link, _ = listening.accept()
                        selector.register(link, selectors.EVENT_READ, Link(Channel(link)))
                        links += 1
                    elif self._hear(key.data):
                        selector.unregister(key.fileobj)
                        key.data.channel.close()
                        links -= 1

    def _hear(self, link: Link) -> bool:
        """Takes what came over a link; whether that was its end."""
        messages = link.channel.receive()
        if messages is None:
            if link.partner is not None:
                self._ended(link.partner)
            return True
        for message in messages:
            if link.partner is None:
                link.partner = self._greet(link.channel, message)
            else:
                self._take(link.partner, message)
        return False


class Link:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.partner: Any = None
