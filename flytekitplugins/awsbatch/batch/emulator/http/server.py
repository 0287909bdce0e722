"""The HTTP server: takes a request apart as AWS's protocols put it together, and answers in their shapes.

Called in the event loop of whoever serves; the operations are quick enough to be carried out there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.compact_json import compact
from flytekitplugins.awsbatch.batch.emulator.faults import SLOW, Fault
from flytekitplugins.awsbatch.batch.emulator.http import listening
from flytekitplugins.awsbatch.batch.emulator.http.cloudwatch import CloudWatch
from flytekitplugins.awsbatch.batch.emulator.http.connection import LIMITS, Later, Limits, Reply
from flytekitplugins.awsbatch.batch.emulator.http.guard import Guard
from flytekitplugins.awsbatch.batch.emulator.http.request import Asked
from flytekitplugins.awsbatch.batch.emulator.operations import shapes
from flytekitplugins.awsbatch.batch.emulator.operations.dispatch import LostResponseError
from flytekitplugins.awsbatch.batch.emulator.operations.errors import refused
from flytekitplugins.awsbatch.batch.emulator.operations.jobs import new_id
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

log = logging.getLogger(__name__)

TARGET = "x-amz-target"
LOGS_TARGET = "Logs_20140328."
TAGS = "/v1/tags/"
FAULTS = "/_awsbatch/faults"
HEALTH = "/_awsbatch/health"

Call = tuple[str, dict[str, Any]]
parsed = json.JSONDecoder().decode
REFUSALS = {413: "RequestEntityTooLargeException", 408: "RequestTimeout"}


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

    def respond(self, asked: Asked) -> Reply | Later | None:
        """None for an answer that gets lost."""
        return self._answered(asked, self._carry_out)

    def refuse(self, status: int, what: str) -> Reply:
        """The answer to what is no request."""
        return self._refusal(BatchError(REFUSALS.get(status, "BadRequest"), what, status), as_logs=False)

    def _answered(self, asked: Asked, action: Callable[[Asked], str | Later]) -> Reply | Later | None:
        as_logs = TARGET in asked.headers
        try:
            answer = action(asked)
        except LostResponseError:
            return None
        except BatchError as error:
            return self._refusal(error, as_logs)
        except Exception:
            log.exception("%s %s", asked.method, asked.target)
            return self._refusal(BatchError("ServerException", "an internal error occurred; see the log", 500), as_logs)
        return self._reply(200, answer, as_logs) if isinstance(answer, str) else answer

    def _carry_out(self, asked: Asked) -> str | Later:
        """The answer's JSON."""
        method, target, headers, body = asked
        self._guard.check(method, target, headers, body)
        amazon = headers.get(TARGET)
        if amazon is not None:
            if not amazon.startswith(LOGS_TARGET):
                raise BatchError("UnknownOperationException", f"{amazon}: not supported here", 400)
            return compact(self._logs.call(amazon.removeprefix(LOGS_TARGET), json_of(body)))
        own = self._own.get((method, target.partition("?")[0]))
        if own is not None:
            return compact(own(body))
        operation, arguments = batch_call(method, target, body)
        calls = self._service.calls
        hit = calls.faults_of(operation)
        seconds = sum(fault.seconds for fault in hit if fault.kind == SLOW)
        if not seconds:
            return calls.text_with_faults(operation, arguments, hit, len(body))

        def carry_out(_asked: Asked) -> str:
            return calls.text_with_faults(operation, arguments, hit, len(body))

        return Later(seconds, partial(self._answered, asked, carry_out))

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

    def _reply(self, status: int, answer: str, as_logs: bool, more: str = "") -> Reply:
        kind = "application/x-amz-json-1.1" if as_logs else "application/json"
        headers = f"Content-Type: {kind}\r\nx-amzn-RequestId: {new_id()}\r\n{more}"
        return Reply(status, headers, answer.encode())

    def _refusal(self, error: BatchError, as_logs: bool) -> Reply:
        answer = {"message": error.message, **({"__type": error.code} if as_logs else {})}
        return self._reply(error.status, compact(answer), as_logs, f"x-amzn-ErrorType: {error.code}\r\n")


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
        text = body.decode() or "{}"
        value = parsed(text)
        if "\\ud" in text.lower():
            # Half of a pair: JSON lets it pass, and nothing that keeps text does.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BatchError("SerializationException", f"the body is no JSON: {error}", 400) from None
    if not isinstance(value, dict):
        raise BatchError("SerializationException", "the body is no JSON object", 400)
    return value


async def listen(
    service: LocalBatch, guard: Guard, host: str, port: int, limits: Limits = LIMITS
) -> tuple[listening.Listening, int]:
    """Starts to answer; returns what listens (to be cleaned up) and the port. Raises OSError when the address cannot
    be had.
    """
    server = Server(service, guard)
    # Reading the service model takes a moment that no request should wait for.
    shapes.operations()
    shapes.check("SubmitJob", {"jobName": "", "jobQueue": "", "jobDefinition": ""})
    listens = await listening.listen(server.respond, server.refuse, host, port, limits)
    return listens, listens.port
