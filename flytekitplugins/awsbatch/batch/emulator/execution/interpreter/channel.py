"""Messages between the executor and a zygote, or a zygote and its workers: marshalled tuples after a 4-byte length,
both ways.
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
        self._came = bytearray()

    def fileno(self) -> int:
        return self.link.fileno()

    def send(self, *messages: Message) -> None:
        """All in one write. Raises OSError when the other end is gone."""
        packed = b""
        for message in messages:
            data = marshal.dumps(message)
            packed += len(data).to_bytes(4, "little") + data
        self.link.sendall(packed)

    def receive(self) -> list[Message] | None:
        """Every whole message that is there, after waiting for something to come; None at the end."""
        try:
            data = self.link.recv(CHUNK)
        except ConnectionResetError:
            return None
        if not data:
            return None
        came = self._came
        came += data
        messages: list[Message] = []
        position = 0
        while len(came) - position >= 4:
            end = position + 4 + int.from_bytes(came[position : position + 4], "little")
            if len(came) < end:
                break
            messages.append(marshal.loads(came[position + 4 : end]))  # noqa: S302 - both ends are ours
            position = end
        del came[:position]
        return messages

    def close(self) -> None:
        self.link.close()
