"""One connection to the service: what counts as a request, in which pieces it may come, what becomes of the rest."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.emulator.faults import Fault
from flytekitplugins.awsbatch.batch.emulator.http import server as http_server
from flytekitplugins.awsbatch.batch.emulator.http.server import MAX_BODY, MAX_HEADER
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

HEALTH = b"GET /_awsbatch/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
LIST = b"POST /v1/listjobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
Answer = tuple[int, bytes]


def asked(array: str) -> bytes:
    """A request whose answer names the array."""
    body = json.dumps({"arrayJobId": array}).encode()
    return LIST % (len(body), body)


def answer_to(array: str) -> Answer:
    return 400, json.dumps({"message": f"{array} is no array job"}, separators=(",", ":")).encode()


@pytest.fixture(scope="module")
def service() -> Iterator[LocalBatch]:
    service = LocalBatch(None)
    yield service
    service.close()


@pytest.fixture(scope="module")
def server(service: LocalBatch) -> Iterator[ThreadedServer]:
    with ThreadedServer(service) as served:
        yield served


class Client:
    """A client's end."""

    def __init__(self, server: ThreadedServer) -> None:
        address = urlsplit(server.url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        # The other end may have heard enough.
        with contextlib.suppress(OSError):
            for piece in pieces:
                self.socket.sendall(piece)

    def answer(self, without_body: bool = False) -> Answer | None:
        """The next one; None when the service has closed the connection."""
        with contextlib.suppress(ConnectionResetError):
            status = self.file.readline()
            if not status:
                return None
            headers = {}
            while (line := self.file.readline()).strip():
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            return int(status.split()[1]), self.file.read(0 if without_body else int(headers.get("content-length", 0)))
        return None

    def answers(self) -> list[Answer]:
        """All until the service closes the connection."""
        found = []
        while (answer := self.answer()) is not None:
            found.append(answer)
        return found


LAST = b"GET /_awsbatch/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
OK = (200, b'{"status":"ok"}')


def said(server: ThreadedServer, *pieces: bytes) -> list[Answer]:
    """The answers to these pieces, until the service closes the connection."""
    with Client(server) as client:
        client.send(*pieces)
        return client.answers()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /_awsbatch/health HTTP/1.1\r\nhOST:localhost\r\n\r\n", 200),
        (b"GET /_awsbatch/health?y HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"PUT /_awsbatch/health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab", 404),
        (b"GET /_awsbatch/health HTTP/1.0\r\nHost: localhost\r\n\r\n", 200),
        (b"POST /v1/describejobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
         b'8\r\n{"jobs":\r\n3;x=y\r\n[]}\r\n0\r\n\r\n', 200),
        (b"GET /_awsbatch/health HTTP/1.0\r\n\r\n", 403),
        (b"GET /_awsbatch/health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /x\r\n\r\n", 403),
        (b"GET /x HTTP/2.0\r\nHost: localhost\r\n\r\n", 404),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400),
        (b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: localhost\r\nX : b\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: localhost\r\nX: b\x00c\r\n\r\n", 400),
        (b"GET /" + b"x" * (MAX_HEADER + 5000) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * (MAX_HEADER + 5000) + b"\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
         + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 17, 413),
        (b"GET /_awsbatch/health HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
         200),
    ],
)  # fmt: skip
def test_what_counts_as_a_request(server: ThreadedServer, request_: bytes, status: int) -> None:
    with Client(server) as client:
        client.send(request_)
        answer = client.answer()

    assert answer is not None
    assert answer[0] == status, answer


def test_after_what_is_no_request_the_connection_is_closed(server: ThreadedServer) -> None:
    assert [status for status, _ in said(server, b"nonsense\r\n\r\n" + HEALTH)] == [400]
    with Client(server) as client:
        client.send(HEALTH)
        assert client.answer() == OK
        client.send(b"nonsense\r\n\r\n")
        assert [status for status, _ in client.answers()] == [400]


def test_a_body_as_large_as_may_be_is_taken(server: ThreadedServer) -> None:
    head = b"POST /v1/describejobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % MAX_BODY
    with Client(server) as client:
        client.send(head, b'{"jobs":[]}'.ljust(MAX_BODY))

        assert client.answer() == (200, b'{"jobs":[]}')


def test_answers_come_in_the_order_of_the_requests(server: ThreadedServer, service: LocalBatch) -> None:
    requests = [asked(str(number)) for number in range(6)]
    expected = [answer_to(str(number)) for number in range(6)]
    service.faults.add(Fault("slow", operation="ListJobs", every=2, seconds=0.02))
    try:
        assert said(server, b"".join(requests) + LAST) == [*expected, OK]
        assert said(server, *requests, LAST) == [*expected, OK]
    finally:
        service.faults.clear()


def test_an_answer_that_gets_lost_closes_the_connection(server: ThreadedServer, service: LocalBatch) -> None:
    service.faults.add(Fault("drop_response", operation="DescribeJobs", times=1))
    request = b"POST /v1/describejobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\n" + b'{"jobs":[]}'

    assert said(server, request) == []


def test_a_client_that_waits_to_be_told_to_go_on_is_told(server: ThreadedServer) -> None:
    with Client(server) as client:
        client.send(
            b"POST /v1/describejobs HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n"
        )
        first = client.answer(without_body=True)
        client.send(b'{"jobs"', b":[]}")

        assert (first, client.answer()) == ((100, b""), (200, b'{"jobs":[]}'))


@pytest.mark.parametrize(
    ("version", "header", "stays"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: keep-alive\r\n", True),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_who_closes_is_the_client_s_choice(server: ThreadedServer, version: bytes, header: bytes, stays: bool) -> None:
    with Client(server) as client:
        client.send(b"GET /_awsbatch/health HTTP/" + version + b"\r\nHost: localhost\r\n" + header + b"\r\n")
        assert client.answer() == OK
        client.send(HEALTH)

        assert (client.answer() == OK) is stays


def test_a_client_that_does_not_read_does_not_stop_the_others(server: ThreadedServer) -> None:
    with Client(server) as deaf, Client(server) as other:
        deaf.socket.settimeout(0.5)
        # Its answers fill every buffer on the way; what it sends is taken up to a bound only.
        with pytest.raises(TimeoutError):
            for _ in range(1_000):
                deaf.socket.sendall(asked("x" * 20_000))
        other.send(HEALTH)

        assert other.answer() == OK


def test_a_body_that_does_not_arrive_and_a_connection_that_rests_are_ended(
    service: LocalBatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http_server, "BODY_TIMEOUT", 0.2)
    monkeypatch.setattr(http_server, "IDLE_TIMEOUT", 0.5)
    with ThreadedServer(service) as server:
        assert said(server, asked("x")[:-1]) == []
        assert said(server, b"G", b"E") == []
        assert said(server, HEALTH) == [OK]

    assert caplog.records == []


def test_requests_that_are_being_answered_are_answered_before_the_service_closes(service: LocalBatch) -> None:
    service.faults.add(Fault("slow", operation="ListJobs", seconds=0.2, times=1))
    with ThreadedServer(service) as server:
        client = Client(server)
        client.send(asked("x"))
        until = time.monotonic() + 20
        while service.faults.active_faults():
            assert time.monotonic() < until
            time.sleep(0.005)

    with client:
        assert client.answers() == [answer_to("x")]


# Inputs that nobody thought of

TOKENS = st.sampled_from(["Host", "host", "Content-Length", "X-Amz-Target", "Connection", "TE", "Expect", "a_b", "A1"])
VALUES = st.one_of(
    st.sampled_from(["localhost", "4", "close", "chunked", " 4 ", "", "100-continue"]), st.text(max_size=8)
)
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
    st.lists(st.one_of(st.just(("Host", " localhost")), st.tuples(TOKENS, VALUES)), max_size=4),
    st.binary(max_size=12),
    st.booleans(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrays=st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 800), max_size=8),
)
def test_requests_may_come_in_any_pieces(server: ThreadedServer, arrays: list[str], cuts: list[int]) -> None:
    data = b"".join(map(asked, arrays)) + LAST
    places = [0, *sorted({cut % len(data) for cut in cuts}), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]

    assert said(server, *pieces) == [*map(answer_to, arrays), OK]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=60), REQUESTS, st.just(HEALTH)), max_size=4))
def test_whatever_comes_is_answered_or_refused(server: ThreadedServer, pieces: list[bytes]) -> None:
    with Client(server) as client:
        client.send(*pieces)
        with contextlib.suppress(OSError):
            client.socket.shutdown(socket.SHUT_WR)
        answers = client.answers()

    assert all(status in (100, 200) or 400 <= status < 500 for status, _ in answers), answers
    assert said(server, LAST) == [OK]
