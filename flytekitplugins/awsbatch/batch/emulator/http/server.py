"""The HTTP server: takes a request apart as AWS's protocols put it together, and answers in their shapes.

Runs in the event loop of whoever serves; the operations are quick enough to be carried out there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any
from urllib.parse import parse_qs, unquote

from aiohttp import web

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator import shapes
from flytekitplugins.awsbatch.batch.emulator.calls import LostResponseError
from flytekitplugins.awsbatch.batch.emulator.errors import refused
from flytekitplugins.awsbatch.batch.emulator.faults import SLOW, Fault
from flytekitplugins.awsbatch.batch.emulator.http.cloudwatch import CloudWatch
from flytekitplugins.awsbatch.batch.emulator.http.guard import Guard
from flytekitplugins.awsbatch.batch.emulator.operations.jobs import new_id
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

log = logging.getLogger(__name__)

# AWS's largest request (a job definition of 24 KiB) fits many times.
MAX_BODY = 1 << 20
TARGET = "X-Amz-Target"
LOGS_TARGET = "Logs_20140328."
TAGS = "/v1/tags/"
FAULTS = "/_awsbatch/faults"
HEALTH = "/_awsbatch/health"

Call = tuple[str, dict[str, Any]]
compact = json.JSONEncoder(separators=(",", ":")).encode


class Server:
    """:param guard: who may speak to it."""

    def __init__(self, service: LocalBatch, guard: Guard) -> None:
        self._service = service
        self._guard = guard
        self._logs = CloudWatch(service.logs, service.region, service.account_id)
        self._own: dict[tuple[str, str], Callable[[bytes], Any]] = {
            ("GET", HEALTH): lambda _: {"status": "ok"},
            ("GET", FAULTS): lambda _: {"faults": [asdict(fault) for fault in service.faults.all()]},
            ("POST", FAULTS): self._add_fault,
            ("DELETE", FAULTS): self._clear_faults,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        target = request.headers.get(TARGET)
        as_logs = target is not None
        try:
            body = await request.read()
            self._guard.check(request.method, request.raw_path, request.headers, body)
            return self._answer(200, await self._respond(request, target, body), as_logs)
        except LostResponseError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        except BatchError as error:
            return self._refusal(error, as_logs)
        except web.HTTPRequestEntityTooLarge:
            return self._refusal(BatchError("RequestEntityTooLargeException", "the body is too large", 413), as_logs)
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return self._refusal(BatchError("ServerException", "an internal error occurred; see the log", 500), as_logs)

    async def _respond(self, request: web.BaseRequest, target: str | None, body: bytes) -> str:
        """The answer's JSON."""
        if target is not None:
            if not target.startswith(LOGS_TARGET):
                raise BatchError("UnknownOperationException", f"{target}: not supported here", 400)
            return compact(self._logs.call(target.removeprefix(LOGS_TARGET), json_of(body)))
        own = self._own.get((request.method, request.path))
        if own is not None:
            return compact(own(body))
        operation, arguments = batch_call(request.method, request.raw_path, body)
        hit = self._service.calls.faults_of(operation)
        for fault in hit:
            if fault.kind == SLOW:
                await asyncio.sleep(fault.seconds)
        return self._service.calls.text_with_faults(operation, arguments, hit)

    def _add_fault(self, body: bytes) -> Any:
        values = json_of(body)
        unknown = set(values) - {field.name for field in fields(Fault)}
        if unknown:
            raise refused(f"a fault has no {', '.join(sorted(unknown))}")
        try:
            self._service.faults.add(Fault(**values))
        except (TypeError, ValueError) as error:
            raise refused(str(error)) from error
        return {}

    def _clear_faults(self, _body: bytes) -> Any:
        self._service.faults.clear()
        return {}

    def _answer(self, status: int, answer: str, as_logs: bool) -> web.Response:
        return web.Response(
            status=status,
            body=answer.encode(),
            content_type="application/x-amz-json-1.1" if as_logs else "application/json",
            headers={"x-amzn-RequestId": new_id()},
        )

    def _refusal(self, error: BatchError, as_logs: bool) -> web.Response:
        answer = {"message": error.message, **({"__type": error.code} if as_logs else {})}
        response = self._answer(error.status, compact(answer), as_logs)
        response.headers["x-amzn-ErrorType"] = error.code
        return response


def batch_call(method: str, raw_path: str, body: bytes) -> Call:
    """The operation and its arguments of a REST-JSON request. Raises BatchError for what is neither."""
    path, _, query = raw_path.partition("?")
    if path.startswith(TAGS):
        template = TAGS + "{resourceArn}"
        arguments: dict[str, Any] = {"resourceArn": unquote(path.removeprefix(TAGS))}
    else:
        template, arguments = path, {}
    operation = shapes.operations().get((method, template))
    if operation is None:
        raise BatchError("UnknownOperationException", f"{method} {path}: not supported here", 404)
    if query:
        arguments |= {name: values for name, values in parse_qs(query).items() if name == "tagKeys"}
    return operation, {**json_of(body), **arguments}


def json_of(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body or b"{}")
        if b"\\ud" in body.lower():
            # Half of a pair: JSON lets it pass, and nothing that keeps text does.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BatchError("SerializationException", f"the body is no JSON: {error}", 400) from None
    if not isinstance(value, dict):
        raise BatchError("SerializationException", "the body is no JSON object", 400)
    return value


def bounded_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """aiohttp's own, with a bound on the body."""
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY
    )


async def listen(service: LocalBatch, guard: Guard, host: str, port: int) -> tuple[web.ServerRunner, int]:
    """Starts to answer; returns the runner (to be cleaned up) and the port. Raises OSError when the address cannot be
    had.
    """
    handler = Server(service, guard)
    # Reading the service model takes a moment that no request should wait for.
    shapes.operations()
    shapes.check("SubmitJob", {"jobName": "", "jobQueue": "", "jobDefinition": ""})
    server = web.Server(handler.handle, request_factory=bounded_request, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    address = runner.addresses[0]
    return runner, int(address[1])
