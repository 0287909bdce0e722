"""Messages between two processes of this package: marshalled tuples after a 4-byte length, both ways. Standard library
alone.
"""

from __future__ import annotations

import marshal
import os
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

Message = tuple[Any, ...]
CHUNK = 1 << 18
# More descriptors than one call can bring.
MOST_DESCRIPTORS = 16


class Channel:
    """One end. Not for several threads at once, except that one may send while another receives.

    :ivar descriptors: those that came with messages, in order; the code that takes one out closes it.
    """

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.descriptors: deque[int] = deque()
        self._received = bytearray()

    def fileno(self) -> int:
        return self.link.fileno()

    def send(self, *messages: Message, descriptors: Sequence[int] = ()) -> None:
        """Sends all in one write. The descriptors stay open here. Raises OSError when the other end is gone."""
        packed = b""
        for message in messages:
            data = marshal.dumps(message)
            packed += len(data).to_bytes(4, "little") + data
        if descriptors:
            packed = packed[socket.send_fds(self.link, [packed], descriptors) :]
        self.link.sendall(packed)

    def receive(self) -> list[Message] | None:
        """Waits until something comes, and returns every whole message; None when the other end is gone."""
        try:
            data = self._read()
        except OSError:
            # The other process was killed, and the connection reset.
            return None
        if not data:
            return None
        received = self._received
        received += data
        messages: list[Message] = []
        position = 0
        while len(received) - position >= 4:
            end = position + 4 + int.from_bytes(received[position : position + 4], "little")
            if len(received) < end:
                break
            messages.append(marshal.loads(received[position + 4 : end]))  # noqa: S302 - both ends are ours
            position = end
        del received[:position]
        return messages

    def _read(self) -> bytes:
        return self.link.recv(CHUNK)

    def close_channel(self) -> None:
        self.link.close()


class DescriptorChannel(Channel):
    """An end that takes descriptors as well."""

    def _read(self) -> bytes:
        data, descriptors, _, _ = socket.recv_fds(self.link, CHUNK, MOST_DESCRIPTORS)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self.descriptors.extend(descriptors)
        return data
