"""The HTTP server: takes a request apart as AWS's protocols put it together, and answers in their shapes.

aiohttp speaks HTTP. The operations are short enough to be carried out in the event loop of the caller.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, NoReturn, Protocol
from urllib.parse import parse_qs, unquote

from aiohttp import web

from ...api import BatchError
from ..compact_json import encode_compactly
from ..faults import SLOW, Fault
from ..operations import shapes
from ..operations.batch_errors import client_error
from ..operations.dispatch import LostResponseError
from ..operations.job_operations import new_job_id
from ..service import LocalBatch
from .cloudwatch import CloudWatch
from .guard import RequestGuard

log = logging.getLogger(__name__)
# aiohttp reports what is no HTTP as an error, with a traceback; the client's mistake is not the service's.
connections_log = log.getChild("connections")
connections_log.setLevel(logging.CRITICAL)

TARGET = "X-Amz-Target"
LOGS_TARGET = "Logs_20140328."
TAGS = "/v1/tags/"
FAULTS = "/_awsbatch/faults"
HEALTH = "/_awsbatch/health"

# Bytes. AWS's largest request (a job definition of 24 KiB) fits many times.
MAX_BODY = 1 << 20
MAX_HEADER = 1 << 16
# Seconds for a request's body to arrive, between two requests, and for requests that are answered while the service
# closes. An idle connection outlives those of the usual clients (Go closes after 90 s), so that none is closed just
# when a request that must not be sent twice is on its way.
BODY_TIMEOUT = 60.0
IDLE_TIMEOUT = 600.0
CLOSING_TIMEOUT = 1.0

Call = tuple[str, dict[str, Any]]
Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages(Protocol):
    """What people look at beside the service; it has to see to who may."""

    def answers(self, method: str, path: str) -> bool: ...

    async def respond(self, request: web.Request) -> web.StreamResponse: ...


class HttpServer:
    """:param guard: decides who may call it. :param pages: answer what is theirs."""

    def __init__(self, service: LocalBatch, guard: RequestGuard, pages: Pages | None = None) -> None:
        self._service = service
        self._guard = guard
        self._pages = pages
        self._logs = CloudWatch(service.logs, service.region, service.account_id)
        self._own: dict[tuple[str, str], Callable[[bytes], Any]] = {
            ("GET", HEALTH): lambda _: {"status": "ok"},
            ("GET", FAULTS): lambda _: {"faults": [asdict(fault) for fault in service.faults.active_faults()]},
            ("POST", FAULTS): self._add_fault,
            ("DELETE", FAULTS): self._clear_faults,
        }

    async def respond(self, request: web.Request) -> web.StreamResponse:
        as_logs = TARGET in request.headers
        path = request.rel_url.raw_path
        if self._pages is not None and not as_logs and self._pages.answers(request.method, path):
            return await self._pages.respond(request)
        try:
            return _http_response(200, await self._carry_out(request, await _body_of(request)), as_logs)
        except LostResponseError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        except BatchError as error:
            return _http_refusal(error, as_logs)
        except Exception:
            log.exception("%s %s", request.method, request.raw_path)
            return _http_refusal(BatchError("ServerException", "an internal error occurred; see the log", 500), as_logs)

    async def _carry_out(self, request: web.Request, body: bytes) -> str:
        """The answer's JSON."""
        # Of a target in absolute form, as for a proxy, without the host.
        method, target = request.method, request.rel_url.raw_path_qs
        if len(request.headers.getall("Host", ())) > 1:
            raise client_error("a request has one Host")
        self._guard.check_request(method, target, request.headers, body)
        amazon = request.headers.get(TARGET)
        if amazon is not None:
            if not amazon.startswith(LOGS_TARGET):
                raise BatchError("UnknownOperationException", f"{amazon}: not supported here", 400)
            return encode_compactly(self._logs.call(amazon.removeprefix(LOGS_TARGET), _json_of(body)))
        own = self._own.get((method, target.partition("?")[0]))
        if own is not None:
            return encode_compactly(own(body))
        operation, arguments = _batch_call(method, target, body)
        hit = self._service.faults.of_call(operation)
        for fault in hit:
            if fault.kind == SLOW:
                await asyncio.sleep(fault.seconds)
        return self._service.calls.dispatch_text(operation, arguments, hit, len(body))

    def _add_fault(self, body: bytes) -> Any:
        values = _json_of(body)
        unknown = set(values) - {field.name for field in fields(Fault)}
        if unknown:
            raise client_error(f"a fault has no {', '.join(sorted(unknown))}")
        try:
            self._service.faults.add(Fault(**values))
        except (TypeError, ValueError) as error:
            raise client_error(str(error)) from error
        return {}

    def _clear_faults(self, _body: bytes) -> Any:
        self._service.faults.clear()
        return {}


async def _body_of(request: web.Request) -> bytes:
    """Raises BatchError for a body that is too large or broken. One that does not arrive closes the connection."""
    if (request.content_length or 0) > MAX_BODY:
        raise BatchError("RequestEntityTooLargeException", "the body is too large", 413)
    too_late = asyncio.get_running_loop().call_later(BODY_TIMEOUT, request.protocol.force_close)
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BatchError("RequestEntityTooLargeException", "the body is too large", 413) from None
    except (web.RequestPayloadError, ConnectionError) as error:
        # Broken, or the client went before all of it had come.
        raise BatchError("BadRequest", f"the body cannot be read: {error}") from error
    finally:
        too_late.cancel()


def _http_response(status: int, answer: str, as_logs: bool, **headers: str) -> web.Response:
    kind = "application/x-amz-json-1.1" if as_logs else "application/json"
    headers |= {"Content-Type": kind, "x-amzn-RequestId": new_job_id()}
    return web.Response(status=status, body=answer.encode(), headers=headers)


def _http_refusal(error: BatchError, as_logs: bool) -> web.Response:
    answer = {"message": error.message, **({"__type": error.code} if as_logs else {})}
    return _http_response(error.status, encode_compactly(answer), as_logs, **{"x-amzn-ErrorType": error.code})


def _batch_call(method: str, raw_path: str, body: bytes) -> Call:
    """The operation and its arguments of a REST-JSON request. Raises BatchError for what is neither."""
    path, _, query = raw_path.partition("?")
    if path.startswith(TAGS):
        template = TAGS + "{resourceArn}"
        arguments: dict[str, Any] = {"resourceArn": unquote(path.removeprefix(TAGS))}
    else:
        template, arguments = path, {}
    operation = shapes.operation_shapes_by_path().get((method, template))
    if operation is None:
        raise BatchError("UnknownOperationException", f"{method} {path}: not supported here", 404)
    if query:
        arguments |= {name: values for name, values in parse_qs(query).items() if name == "tagKeys"}
    return operation, {**_json_of(body), **arguments}


def _json_of(body: bytes) -> Mapping[str, Any]:
    try:
        text = body.decode() or "{}"
        hook = _members_with_values if "null" in text else None
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=hook)
        if "\\ud" in text.lower():
            # Half of a pair: JSON lets it pass, and nothing that keeps text does.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BatchError("SerializationException", f"the body is no JSON: {error}", 400) from None
    if not isinstance(value, dict):
        raise BatchError("SerializationException", "the body is no JSON object", 400)
    return value


def _members_with_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose members that are null are left out, as AWS's REST-JSON services read it."""
    return {name: value for name, value in pairs if value is not None}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


async def listen_http(
    service: LocalBatch, guard: RequestGuard, host: str, port: int, pages: Pages | None = None
) -> tuple[web.AppRunner, int]:
    """Starts to answer; returns what listens (to be cleaned up) and the port. Raises OSError when the address cannot
    be had.
    """
    # Reading the service model takes a moment that no request should wait for.
    shapes.operation_shapes_by_path()
    shapes.check_request("SubmitJob", {"jobName": "", "jobQueue": "", "jobDefinition": ""})
    return await listen_http_with(HttpServer(service, guard, pages).respond, host, port)


async def listen_http_with(respond: Respond, host: str, port: int) -> tuple[web.AppRunner, int]:
    """The same with what answers every request."""
    application = web.Application(client_max_size=MAX_BODY)
    application.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=connections_log,
        keepalive_timeout=IDLE_TIMEOUT,
        shutdown_timeout=CLOSING_TIMEOUT,
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, runner.addresses[0][1]
