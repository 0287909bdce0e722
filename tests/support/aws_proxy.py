"""An AWS in front of `flyte-awsbatch serve` that counts calls, and refuses or mangles those that a test names."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# An answer in place of the service's: (status, AWS's error type, message).
Refusal = tuple[int, str, str]
Rule = Callable[[str, dict[str, Any], str], "Refusal | dict[str, Any] | None"]


def denied(operation: str) -> Refusal:
    arn = "arn:aws:iam::123456789012:user/ada"
    return 403, "AccessDeniedException", f"User: {arn} is not authorized to perform: batch:{operation}"


def expired() -> Refusal:
    return 403, "ExpiredTokenException", "The security token included in the request is expired"


class Proxy:
    """
    :ivar calls: how often each operation was asked for, by AWS's name in lower case.
    :ivar allowed: the operations, in lower case, that the caller's policy allows; None for all. Others are denied.
    :ivar outside: what was asked for all the same.
    :ivar rule: is asked before each call (operation, request, access key): a refusal, an answer, or None to pass it on.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.calls: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.allowed: frozenset[str] | None = None
        self.outside: set[str] = set()
        self.rule: Rule = lambda operation, request, key: None
        self.url = ""

    def deny(self, *operations: str) -> None:
        names = {one.lower(): one for one in operations}
        self.rule = lambda operation, request, key: denied(names[operation]) if operation in names else None

    def answer(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        operation = (headers.get("X-Amz-Target") or path).rpartition("/" if path != "/" else ".")[2].lower()
        request = json.loads(body or b"{}")
        self.calls[operation] += 1
        self.requests.append((operation, request))
        key = headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        if self.allowed is not None and operation not in self.allowed:
            self.outside.add(operation)
            said: Refusal | dict[str, Any] | None = denied(operation)
        else:
            said = self.rule(operation, request, key)
        if isinstance(said, dict):
            return 200, {"Content-Type": "application/json"}, json.dumps(said).encode()
        if said is not None:
            status, code, message = said
            told = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
            return status, told, json.dumps({"message": message, "__type": code}).encode()
        passed = {name: value for name, value in headers.items() if name.lower() not in ("host", "content-length")}
        out = urllib.request.Request(f"{self.target}{path}", data=body, headers=passed, method="POST")
        try:
            with urllib.request.urlopen(out) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    made = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, answer = made.answer(self.path, self.headers, body)
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
