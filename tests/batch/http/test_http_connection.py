"""One connection to the service: what counts as a request, in which pieces it may come, what becomes of the rest."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiohttp.http import HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from flytekitplugins.awsbatch.batch.emulator.http.connection import (
    LIMITS,
    MAX_BODY,
    MAX_HEAD,
    Connections,
    Later,
    Limits,
    Reply,
)
from flytekitplugins.awsbatch.batch.emulator.http.request import Asked, plain

HOST = b"Host: a\r\n"
GOOD = b"POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"


def echo(asked: Asked) -> Reply | Later | None:
    """What was asked, as JSON. `/later` takes a moment, `/lost` has no answer, `/big` a large one."""
    body = b"x" * 500_000 if asked.target == "/big" else json.dumps([asked.method, asked.target]).encode() + asked.body
    reply = Reply(200, "", body)
    if asked.target == "/lost":
        return None
    return Later(0.02, lambda: reply) if asked.target == "/later" else reply


def refuse(status: int, what: str) -> Reply:
    return Reply(status, "", b"refused")


Answer = tuple[int, bytes]
Script = Callable[["Wire"], Coroutine[Any, Any, Any]]


class Wire:
    """A client's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connections: Connections) -> None:
        self.reader, self.writer, self.connections = reader, writer, connections

    async def send(self, *pieces: bytes) -> None:
        """Each arrives by itself."""
        for piece in pieces:
            self.writer.write(piece)
            for _ in range(3):
                await asyncio.sleep(0)

    async def answer(self, without_body: bool = False) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
        length = 0 if without_body else int(headers.get("content-length", 0))
        return int(head.split()[1]), await self.reader.readexactly(length)

    async def answers(self) -> list[Answer]:
        """All until the service closes the connection."""
        found = []
        try:
            while True:
                found.append(await self.answer())
        except asyncio.IncompleteReadError as error:
            assert error.partial == b""
        except ConnectionResetError:
            pass
        return found


def talk(script: Script, limits: Limits = LIMITS) -> Any:
    async def main() -> Any:
        connections = Connections(echo, refuse, limits)
        mine, theirs = socket.socketpair()
        await connections.loop.connect_accepted_socket(connections, theirs)
        reader, writer = await asyncio.open_connection(sock=mine)
        wire = Wire(reader, writer, connections)
        answer = await asyncio.wait_for(script(wire), 20)
        writer.close()
        for each in connections.open:
            each.abort()
        await asyncio.sleep(0)
        return answer

    return asyncio.run(main())


def said(*pieces: bytes) -> list[Answer]:
    """The answers to these pieces, when nothing follows them."""

    async def script(wire: Wire) -> list[Answer]:
        await wire.send(*pieces)
        wire.writer.write_eof()
        return await wire.answers()

    answers: list[Answer] = talk(script)
    return answers


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (GOOD, 200, b'["POST", "/good"]body'),
        (b"GET /x?y HTTP/1.1\r\nhOST:a\r\n\r\n", 200, b'["GET", "/x?y"]'),
        (b"PUT /x HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nab", 200, b'["PUT", "/x"]ab'),
        (b"GET /x HTTP/1.0\r\n\r\n", 200, b'["GET", "/x"]'),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, b'["GET", "/x"]'),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: r\r\n\r\n",
         200, b'["POST", "/x"]abc'),
        (b"GET /x HTTP/1.1\r\n\r\n", 400, b"refused"),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, b"refused"),
        (b"GET /x\r\n\r\n", 505, b"refused"),
        (b"GET /x HTTP/2.0\r\nHost: a\r\n\r\n", 505, b"refused"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, b"refused"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, b"refused"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, b"refused"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, b"refused"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400, b"refused"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, b"refused"),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400, b"refused"),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nX: b\x00c\r\n\r\n", 400, b"refused"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400, b"refused"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413, b"refused"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 17, 413, b"refused"),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 200, b'["GET", "/x"]'),
    ],
)  # fmt: skip
def test_what_counts_as_a_request(request_: bytes, status: int, body: bytes) -> None:
    assert said(request_) == [(status, body)]


def test_after_what_is_no_request_the_connection_is_closed() -> None:
    assert said(b"nonsense\r\n\r\n" + GOOD) == [(400, b"refused")]
    assert said(GOOD, b"nonsense\r\n\r\n", GOOD) == [(200, b'["POST", "/good"]body'), (400, b"refused")]


def test_a_head_without_an_end_is_refused() -> None:
    line = b"X: " + b"y" * 5000 + b"\r\n"

    assert said(b"GET /x HTTP/1.1\r\n", *[line] * (MAX_HEAD // 5000 + 2))[0][0] in (400, 431)


def test_a_body_as_large_as_may_be_is_taken() -> None:
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MAX_BODY

    assert [(status, len(body)) for status, body in said(head, b"x" * MAX_BODY)] == [(200, MAX_BODY + 14)]


def test_answers_come_in_the_order_of_the_requests() -> None:
    def asked(path: bytes) -> bytes:
        return b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n"

    paths = [b"/later", b"/1", b"/later", b"/2"]
    expected = [(200, json.dumps(["GET", path.decode()]).encode()) for path in paths]

    assert said(b"".join(map(asked, paths))) == expected
    assert said(*map(asked, paths)) == expected


def test_an_answer_that_gets_lost_closes_the_connection() -> None:
    assert said(b"GET /lost HTTP/1.1\r\nHost: a\r\n\r\n") == []


def test_a_head_alone_is_answered_without_its_body() -> None:
    async def script(wire: Wire) -> list[Answer]:
        await wire.send(b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", GOOD)
        return [await wire.answer(without_body=True), await wire.answer()]

    assert talk(script) == [(200, b""), (200, b'["POST", "/good"]body')]


def test_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    async def script(wire: Wire) -> list[Answer]:
        await wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        first = await wire.answer(without_body=True)
        await wire.send(b"a", b"bc")
        return [first, await wire.answer()]

    assert talk(script) == [(100, b""), (200, b'["POST", "/x"]abc')]


@pytest.mark.parametrize(
    ("version", "asked", "stays"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: keep-alive\r\n", True),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_who_closes_is_the_client_s_choice(version: bytes, asked: bytes, stays: bool) -> None:
    async def script(wire: Wire) -> bool:
        await wire.send(b"GET /x HTTP/" + version + b"\r\nHost: a\r\n" + asked + b"\r\n")
        await wire.answer()
        await wire.send(GOOD)
        return len(await wire.reader.read(1)) > 0

    assert talk(script) is stays


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    async def script(wire: Wire) -> int:
        wire.writer.write(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 200)
        await asyncio.sleep(0.05)
        (connection,) = wire.connections.open
        kept = connection._transport.get_write_buffer_size()
        answers = [await wire.answer() for _ in range(200)]
        assert {len(body) for _, body in answers} == {500_000}
        return kept

    assert talk(script) < 2_000_000


def test_a_request_that_does_not_arrive_and_a_connection_that_rests_are_ended() -> None:
    limits = Limits(reading=0.2, idle=0.5, lingering=0.5)

    async def never(wire: Wire) -> list[Answer]:
        asyncio.get_running_loop().create_task(looking(wire))
        # Drop by drop is no better.
        for drop in (b"G", b"E", b"T"):
            await wire.send(drop)
            await asyncio.sleep(0.1)
        return await wire.answers()

    async def rests(wire: Wire) -> list[Answer]:
        asyncio.get_running_loop().create_task(looking(wire))
        await wire.send(GOOD)
        return await wire.answers()

    async def looking(wire: Wire) -> None:
        while True:
            await asyncio.sleep(0.05)
            wire.connections.expire()

    assert talk(never, limits) == [(408, b"refused")]
    assert talk(rests, limits) == [(200, b'["POST", "/good"]body')]


# Inputs nobody thought of

TOKENS = st.sampled_from(["Host", "host", "Content-Length", "X-Amz-Target", "Connection", "TE", "Expect", "a_b", "A1"])
VALUES = st.one_of(st.sampled_from(["a", "4", "close", "chunked", " 4 ", "", "100-continue"]), st.text(max_size=8))
REQUESTS = st.builds(
    lambda method, target, version, headers, body, length: (
        (
            f"{method} {target} {version}\r\n"
            + "".join(f"{name}:{value}\r\n" for name, value in headers)
            + (f"Content-Length: {len(body)}\r\n" if length else "")
            + "\r\n"
        ).encode("utf-8", "surrogatepass")
        + body
    ),
    st.sampled_from(["POST", "GET", "DELETE", "PUT", "post"]),
    st.sampled_from(["/", "/v1/submitjob?x=%20", "*", "/a b", "/ä", "//", "/#x"]),
    st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/1.1 ", "HTTP/2.0", ""]),
    st.lists(st.one_of(st.just(("Host", " a")), st.tuples(TOKENS, VALUES)), max_size=4),
    st.binary(max_size=12),
    st.booleans(),
)


# Nearly all of them plain, unlike those above.
LIKELY = st.builds(
    lambda first, headers, body: (
        (
            f"{first} HTTP/1.1\r\nHost: a\r\n"
            + "".join(f"{name}:{value}\r\n" for name, value in headers.items())
            + f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        + body
    ),
    st.sampled_from(
        ["POST /v1/submitjob?x=%20", "GET /", "DELETE //x", "POST /a#b", "GET /a?b?c&d", 'POST /\\"<>^`{|}']
    ),
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9-]{1,8}", fullmatch=True),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8),
        max_size=3,
    ),
    st.binary(max_size=12),
)


def read_by_aiohttp(data: bytes) -> Asked:
    async def parse() -> Asked:
        class Flow:
            _reading_paused = False

            def resume_reading(self, **_: bool) -> None: ...

        parser = HttpRequestParser(Flow(), asyncio.get_running_loop(), 1 << 20)  # type: ignore[arg-type]
        ((message, payload),), upgraded, tail = parser.feed_data(data)
        assert (upgraded, tail, message.should_close, payload.is_eof()) == (False, b"", False, True)
        headers = {name.lower(): value for name, value in message.headers.items()}
        return Asked(message.method, message.path, headers, payload.read_nowait())

    return asyncio.run(parse())


@settings(max_examples=300, deadline=None)
@given(st.one_of(LIKELY, REQUESTS))
def test_what_is_plain_reads_the_same_to_a_real_parser(data: bytes) -> None:
    asked = plain(data)
    if asked is not None:
        assert read_by_aiohttp(data) == asked


def test_what_the_usual_clients_send_is_plain() -> None:
    assert plain(GOOD) == Asked("POST", "/good", {"host": "a", "content-length": "4"}, b"body")
    assert plain(GOOD[:-1]) is None
    assert plain(GOOD + GOOD) is None
    assert plain(GOOD.replace(b"\r\n\r\nbody", b"")) is None


@settings(max_examples=60, deadline=None)
@given(
    requests=st.lists(
        st.sampled_from(
            [
                GOOD,
                b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
                b"POST /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            ]
        ),
        min_size=1,
        max_size=5,
    ),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_requests_may_come_in_any_pieces(requests: list[bytes], cuts: list[int]) -> None:
    data = b"".join(requests)
    places = [0, *sorted({cut % len(data) for cut in cuts}), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]

    assert said(*pieces) == [said(each)[0] for each in requests]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), REQUESTS, st.just(GOOD)), max_size=4))
def test_whatever_comes_is_answered_or_refused(pieces: list[bytes]) -> None:
    answers = said(*pieces)

    assert {status for status, _ in answers} <= {100, 200, 400, 413, 431, 505}
    # After a refusal nothing follows.
    assert all(status in (100, 200) for status, _ in answers[:-1])
