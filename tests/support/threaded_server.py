"""The HTTP server in a thread of its own, beside a service in this process."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType

from flytekitplugins.awsbatch.batch.emulator.http.guard import RequestGuard
from flytekitplugins.awsbatch.batch.emulator.http.server import listen_http
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch


class ThreadedServer:
    """Answers while the `with` block runs. Does not start or close the service."""

    def __init__(self, service: LocalBatch, guard: RequestGuard | None = None) -> None:
        self._service = service
        self._guard = guard or RequestGuard()
        self._listening: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), name="awsbatch-http", daemon=True)

    async def _serve(self) -> None:
        try:
            runner, port = await listen_http(self._service, self._guard, "127.0.0.1", 0)
        except BaseException as error:
            self._listening.set_exception(error)
            return
        stop = asyncio.Event()
        self._listening.set_result((asyncio.get_running_loop(), stop, port))
        await stop.wait()
        await runner.cleanup()

    def __enter__(self) -> ThreadedServer:
        self._thread.start()
        self._listening.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop, stop, _ = self._listening.result()
        loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.result()[2]}"
