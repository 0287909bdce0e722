"""What may reach the HTTP service's socket: no HTTP at all, bodies that are no JSON, requests that break off.

Each gets an answer that blames the sender, or none, and the next request is answered as ever.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

FUZZ = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedServer]:
    home: Path = tmp_path_factory.mktemp("served")
    with LocalBatch(home) as service, ThreadedServer(service) as served:
        yield served


def answer_to(server: ThreadedServer, data: bytes, wait_seconds: float = 10) -> tuple[int, bytes]:
    """(status, body) of what comes back; 0 for nothing.

    :param wait_seconds: seconds after which the sender gives up.
    """
    address = urlsplit(server.url)
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=wait_seconds) as client:
        # The other end may have heard enough.
        with contextlib.suppress(OSError):
            client.sendall(data)
        with contextlib.suppress(OSError):
            while block := client.recv(1 << 16):
                received += block
    head, _, body = received.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return (int(words[1]) if words[0].startswith(b"HTTP/") else 0), body


def request(body: bytes, path: str = "/v1/describejobs", *headers: str) -> bytes:
    length = (
        () if any(header.lower().startswith(("content-length", "transfer")) for header in headers) else (len(body),)
    )
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    lines += [f"Content-Length: {number}" for number in length]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def lives(server: ThreadedServer) -> None:
    status, body = answer_to(server, request(b'{"jobs": ["x"]}'))
    assert (status, json.loads(body)) == (200, {"jobs": []})


BODIES = {
    "nothing": b"",
    "no JSON": b"\x00\xff\xfe",
    "a list": b"[]",
    "a number": b"1e999",
    "not a number": b'{"jobs": NaN}',
    "no UTF-8": b'{"jobs": ["\xff"]}',
    "a lone surrogate": b'{"jobs": ["\\ud800"]}',
    "a null character": b'{"jobs": ["\\u0000"]}',
    "a key twice": b'{"jobs": ["a"], "jobs": 1}',
    "very deep": b"[" * 100_000,
    "a very large number": b'{"maxResults": ' + b"9" * 10_000 + b"}",
    "half of it": b'{"jobs": ["x"',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_request_is_refused_in_json(server: ThreadedServer, body: bytes) -> None:
    status, answer = answer_to(server, request(body))
    # A null character is a character; no job has it in its id.
    assert status == (200 if body == BODIES["a null character"] else 400), answer
    assert isinstance(json.loads(answer), dict)
    lives(server)


def test_a_body_over_the_limit_is_refused(server: ThreadedServer) -> None:
    status, _ = answer_to(server, request(b" " * 20_000_000), wait_seconds=2)
    # Closed while it was still being sent, the answer may be lost on the way.
    assert status in (0, 413)
    lives(server)


STRANGE = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no path": b"GET\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "a very long header": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "two lengths": request(b"{}", "/v1/describejobs", "Content-Length: 2", "Content-Length: 3"),
    "a length below zero": request(b"{}", "/v1/describejobs", "Content-Length: -1"),
    "less than was said": request(b"{}", "/v1/describejobs", "Content-Length: 1000"),
    "bad chunks": request(b"zz\r\n{}\r\n", "/v1/describejobs", "Transfer-Encoding: chunked"),
    "bad compression": request(b"\x1f\x8b no gzip", "/v1/describejobs", "Content-Encoding: gzip"),
    "a path that leads out": request(b"{}", "/v1/../../etc/passwd"),
    "an encoded path that leads out": request(b"{}", "/v1/%2e%2e/%2e%2e/etc/passwd%00"),
    "a path that is no UTF-8": request(b"{}", "/v1/\udcff"),
}


@pytest.mark.parametrize("data", STRANGE.values(), ids=STRANGE)
def test_what_is_no_request_has_an_answer_that_blames_it_or_none(server: ThreadedServer, data: bytes) -> None:
    status, body = answer_to(server, data, wait_seconds=0.3)
    assert status == 0 or 400 <= status < 500, (status, body)
    assert b"Traceback" not in body
    lives(server)


@FUZZ
@given(data=st.one_of(st.binary(max_size=60), st.binary(max_size=40).map(request)))
def test_any_bytes_leave_a_service_that_answers(server: ThreadedServer, data: bytes) -> None:
    status, body = answer_to(server, data, wait_seconds=0.05)
    assert status in (0, 200) or 400 <= status < 500, (status, body)
    assert b"Traceback" not in body
    lives(server)
