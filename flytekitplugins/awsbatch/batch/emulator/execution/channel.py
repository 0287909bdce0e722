"""Messages between two processes of this package: marshalled tuples after a 4-byte length, both ways. Standard library
alone.
"""

from __future__ import annotations

import marshal
import socket
from typing import Any

Message = tuple[Any, ...]
CHUNK = 1 << 18


class Channel:
    """One end. Not for several threads at once, except that one may send while another receives."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self._received = bytearray()

    def fileno(self) -> int:
        return self.link.fileno()

    def send(self, *messages: Message) -> None:
        """Sends all in one write. Raises OSError when the other end is gone."""
        packed = b""
        for message in messages:
            data = marshal.dumps(message)
            packed += len(data).to_bytes(4, "little") + data
        self.link.sendall(packed)

    def receive(self) -> list[Message] | None:
        """Waits until something comes, and returns every whole message; None when the other end is gone."""
        try:
            data = self.link.recv(CHUNK)
        except OSError:
            # A process that was killed may leave a reset behind.
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

    def close(self) -> None:
        self.link.close()
