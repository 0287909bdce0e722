"""The server in a thread of its own, for tests and for whoever has no event loop."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from flytekitplugins.awsbatch.batch.emulator.http.guard import Guard
from flytekitplugins.awsbatch.batch.emulator.http.server import listen
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch


class ThreadedServer:
    """Answers while the block runs. Does not start or close the service."""

    def __init__(self, service: LocalBatch, guard: Guard | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self._service = service
        self._guard = guard or Guard()
        self._host = host
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="awsbatch-http", daemon=True)

    def __enter__(self) -> ThreadedServer:
        self._thread.start()
        listening = listen(self._service, self._guard, self._host, self._port)
        self._runner, self._port = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"
