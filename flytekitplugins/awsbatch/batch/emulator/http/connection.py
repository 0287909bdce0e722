"""One client's connection: HTTP/1.1, requests carried out one after another, answers written in their order.

aiohttp's own server does this for any application and takes longer over a request than the service over a submission.
Here a request is answered within the event that brought its last byte, without a task. Nothing is streamed: requests
and answers are bounded and whole. aiohttp's parser reads whatever is not plain (see `request`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple, cast

from aiohttp.http import HttpProcessingError, HttpRequestParser, HttpVersion10, HttpVersion11

from flytekitplugins.awsbatch.batch.emulator.http.request import Asked, plain

# AWS's largest request (a job definition of 24 KiB) fits many times.
MAX_BODY = 1 << 20
MAX_HEAD = 1 << 16
# Chunks of one byte take six on the wire.
MAX_RAW = 8 * MAX_BODY
READ_AT_ONCE = 1 << 16

PHRASES = {int(status): status.phrase for status in HTTPStatus}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
KEEP = ""
KEEP_1_0 = "Connection: keep-alive\r\n"
CLOSE = "Connection: close\r\n"


class Reply(NamedTuple):
    """:ivar headers: lines, each with its end."""

    status: int
    headers: str
    body: bytes


class Later(NamedTuple):
    """An answer that is to wait for so many seconds."""

    seconds: float
    answer: Callable[[], Reply | Later | None]


# None: the connection is closed without an answer.
Respond = Callable[[Asked], "Reply | Later | None"]


class Limits(NamedTuple):
    """Seconds: for a request to arrive, between two requests, and for what a refused client still sends.

    An idle connection outlives those of the usual clients (Go closes after 90 s), so that none is closed just when a
    request that must not be sent twice is on its way.
    """

    reading: float = 60.0
    idle: float = 600.0
    lingering: float = 10.0


LIMITS = Limits()


class _Flow:
    """What the parser's streams hold on to instead of a connection: bodies are bounded here, not by pausing."""

    _reading_paused = False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self, resume_parser: bool = True) -> None:
        pass


class Connections:
    """Those that are open, and what they share."""

    def __init__(self, respond: Respond, refuse: Callable[[int, str], Reply], limits: Limits) -> None:
        """:param refuse: an answer to what is no request, by its status and what is wrong."""
        self.respond = respond
        self.refuse = refuse
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        # Each reads what has come and takes it out at once.
        self.buffer = memoryview(bytearray(READ_AT_ONCE))
        self.open: set[Connection] = set()
        self._date = (0, "")

    def __call__(self) -> Connection:
        return Connection(self)

    def date(self) -> str:
        now = int(time.time())
        if now != self._date[0]:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1]

    def expire(self) -> None:
        """Closes those whose time is up."""
        now = self.loop.time()
        for connection in list(self.open):
            connection.expire(now)


class Connection(asyncio.BufferedProtocol):
    def __init__(self, shared: Connections) -> None:
        self._shared = shared
        # None as long as every request was plain.
        self._parser: Any = None
        # Requests whose head is there, with their bodies. Without a head: how to refuse what came, None not at all.
        self._waiting: deque[tuple[Any, Any]] = deque()
        self._later: asyncio.TimerHandle | None = None
        self._blocked = False
        self._half_closed = False
        self._ending = False
        self._continued = False
        # Bytes since the last whole request.
        self._raw = 0
        self._since = shared.loop.time()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._shared.open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._shared.open.discard(self)
        self._waiting.clear()
        if self._later is not None:
            self._later.cancel()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared.buffer

    def buffer_updated(self, count: int) -> None:
        if self._ending:
            return None
        data = bytes(self._shared.buffer[:count])
        if self._parser is None:
            # Nothing is waiting: reading rests while an answer is to come.
            asked = plain(data)
            if asked is not None:
                self._since = self._shared.loop.time()
                return self._deliver(asked.method, KEEP, self._shared.respond(asked))
            self._parser = HttpRequestParser(
                cast(Any, _Flow()), self._shared.loop, 2 * MAX_BODY, max_field_size=MAX_HEAD, auto_decompress=False
            )
        return self._parse(data)

    def _parse(self, data: bytes) -> None:
        if not self._raw:
            self._since = self._shared.loop.time()
        self._raw += len(data)
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError as error:
            if self._waiting and not self._waiting[-1][1].is_eof():
                # Its body will not come any more.
                self._waiting.pop()
            self._waiting.append((None, (400, error.message)))
        else:
            self._waiting.extend(messages)
            if upgraded:
                # No other protocol is spoken here: what follows cannot be read.
                self._waiting.append((None, None))
        self._advance()

    def eof_received(self) -> bool:
        """A client may close its side and wait for what it has asked."""
        self._half_closed = True
        return bool(self._later or self._blocked)

    def pause_writing(self) -> None:
        self._blocked = True
        self._since = self._shared.loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._blocked = False
        self._go_on()

    # The requests.

    def _advance(self) -> None:
        shared = self._shared
        while self._waiting and not (self._later or self._blocked or self._ending):
            message, payload = self._waiting[0]
            if message is None:
                return self._transport.close() if payload is None else self._refuse(*payload)
            if message.version not in (HttpVersion10, HttpVersion11):
                return self._refuse(505, "HTTP/1.1 is spoken here")
            if message.version == HttpVersion11 and len(message.headers.getall("Host", ())) != 1:
                # Older parsers of aiohttp let this pass.
                return self._refuse(400, "a request has one Host")
            if not payload.is_eof():
                return self._await_body(message, payload)
            self._waiting.popleft()
            self._continued = False
            self._raw = 0
            body = payload.read_nowait()
            if len(body) > MAX_BODY:
                return self._refuse(413, "the body is too large")
            self._deliver(message.method, after(message), shared.respond(asked_of(message, body)))
        if not self._raw:
            self._since = shared.loop.time()
        elif not self._waiting and self._raw > MAX_HEAD:
            self._refuse(431, "the request's head is too large")
        return None

    def _await_body(self, message: Any, payload: Any) -> None:
        declared = int(message.headers.get("Content-Length") or 0)
        if max(declared, payload.total_bytes) > MAX_BODY or self._raw > MAX_RAW:
            self._refuse(413, "the body is too large")
        elif not self._continued and message.headers.get("Expect", "").lower() == "100-continue":
            self._continued = True
            self._transport.write(CONTINUE)

    def _deliver(self, method: str, connection: str, answer: Reply | Later | None) -> None:
        """:param connection: the header of that name, if there is one: what becomes of the connection."""
        if isinstance(answer, Later):
            self._transport.pause_reading()
            self._later = self._shared.loop.call_later(answer.seconds, self._finish, method, connection, answer)
        elif answer is None:
            self._ending = True
            self._transport.abort()
        else:
            self._write(answer, connection, method == "HEAD")
            if connection is CLOSE:
                self._end()

    def _finish(self, method: str, connection: str, later: Later) -> None:
        self._later = None
        self._deliver(method, connection, later.answer())
        self._go_on()

    def _go_on(self) -> None:
        self._advance()
        if self._later or self._blocked or self._transport.is_closing():
            return
        if self._half_closed:
            self._transport.close()
        else:
            self._transport.resume_reading()

    def _write(self, reply: Reply, connection: str, without_body: bool) -> None:
        head = (
            f"HTTP/1.1 {reply.status} {PHRASES.get(reply.status, '')}\r\n{reply.headers}"
            f"Content-Length: {len(reply.body)}\r\nDate: {self._shared.date()}\r\n{connection}\r\n"
        ).encode()
        self._transport.write(head if without_body else head + reply.body)

    def _refuse(self, status: int, what: str) -> None:
        self._write(self._shared.refuse(status, what), CLOSE, False)
        self._end()

    def _end(self) -> None:
        """The last answer is written. What the client still sends is thrown away for a while: closing at once would
        take the answer from a client that has not read it yet.
        """
        self._ending = True
        self._waiting.clear()
        self._since = self._shared.loop.time()
        if self._half_closed:
            self._transport.close()
        else:
            self._transport.write_eof()

    # The service's side.

    def expire(self, now: float) -> None:
        limits, waited = self._shared.limits, now - self._since
        if self._ending:
            if waited > limits.lingering:
                self._transport.abort()
        elif self._blocked:
            if waited > limits.idle:
                self._transport.abort()
        elif self._later is None:
            if self._raw and waited > limits.reading:
                self._refuse(408, "the request did not arrive in time")
            elif not self._raw and waited > limits.idle:
                self._transport.close()

    def close(self) -> None:
        """As soon as everything that was asked is answered."""
        if self._later is None:
            self._ending = True
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()


def after(message: Any) -> str:
    """What becomes of the connection after a request."""
    if message.should_close:
        return CLOSE
    return KEEP_1_0 if message.version == HttpVersion10 else KEEP


def asked_of(message: Any, body: bytes) -> Asked:
    headers = {name.lower(): value for name, value in reversed(message.headers.items())}
    return Asked(message.method, message.path, headers, body)
