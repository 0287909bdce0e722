"""The sockets on which the service is asked, from their opening to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flytekitplugins.awsbatch.batch.emulator.http.connection import LIMITS, Connections, Limits, Reply, Respond

BACKLOG = 128
# Seconds.
PATIENCE = 1.0


class Listening:
    """:ivar port: the one that was asked for, or got."""

    def __init__(self, server: asyncio.Server, connections: Connections) -> None:
        self._server = server
        self._connections = connections
        self._looks = asyncio.ensure_future(self._look())
        self.port: int = server.sockets[0].getsockname()[1]

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(min(self._connections.limits) / 2)
            self._connections.expire()

    async def cleanup(self) -> None:
        """Nothing more is taken; answers that are still to come are waited for, but not long."""
        self._looks.cancel()
        self._server.close()
        until = self._connections.loop.time() + PATIENCE
        while self._connections.open and self._connections.loop.time() < until:
            for each in self._connections.open:
                each.close()
            await asyncio.sleep(0.005)
        for each in self._connections.open:
            each.abort()
        # What was aborted leaves with the loop's next turn.
        await asyncio.sleep(0)


async def listen(
    respond: Respond, refuse: Callable[[int, str], Reply], host: str, port: int, limits: Limits = LIMITS
) -> Listening:
    """Raises OSError when the address cannot be had."""
    connections = Connections(respond, refuse, limits)
    server = await asyncio.get_running_loop().create_server(connections, host, port, backlog=BACKLOG)
    return Listening(server, connections)
