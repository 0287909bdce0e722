"""From an operation's name to its answer: faults, shapes, rules, and the error for what is not supported here."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from .... import machine_time
from ...api import BatchCalls, BatchError
from ..compact_json import encode_compactly
from ..faults import DROP_RESPONSE, SERVER_ERROR, SLOW, STALE_DESCRIBE, THROTTLE, Fault, FaultPlan
from . import shapes
from .batch_errors import server_error, unsupported_operation
from .compute_environments import ComputeEnvironments
from .context import Answer, Context, Operation, Request
from .job_definitions import JobDefinitions
from .job_operations import JobOperations
from .job_queues import JobQueues
from .tags import Tagging

KEPT_ANSWERS = 50
Result = TypeVar("Result")


class LostResponseError(BatchError):
    """The call was carried out and its answer is lost: over HTTP the connection closes without one."""

    def __init__(self) -> None:
        super().__init__("RequestError", "the connection was closed before an answer came", 500)


class Dispatcher(BatchCalls):
    """Its methods take requests whose shape is right, but for those that came over HTTP."""

    def __init__(self, context: Context, faults: FaultPlan) -> None:
        self._faults = faults
        self._region = context.settings.region
        definitions, queues, environments = JobDefinitions(context), JobQueues(context), ComputeEnvironments(context)
        jobs, tags = JobOperations(context), Tagging(context)
        self._jobs = jobs
        self._operations: dict[str, Operation] = {
            "CancelJob": jobs.cancel,
            "CancelJobs": jobs.cancel_several,
            "CreateComputeEnvironment": environments.create,
            "CreateJobQueue": queues.create,
            "DeleteComputeEnvironment": environments.delete,
            "DeleteJobQueue": queues.delete,
            "DeregisterJobDefinition": definitions.deregister,
            "DescribeComputeEnvironments": environments.describe,
            "DescribeJobDefinitions": definitions.describe,
            "DescribeJobQueues": queues.describe,
            "DescribeJobs": jobs.describe,
            "ListJobs": jobs.list_jobs,
            "ListTagsForResource": tags.list,
            "RegisterJobDefinition": definitions.register,
            "SubmitJob": jobs.submit,
            "TagResource": tags.tag,
            "TerminateJob": jobs.terminate,
            "TerminateJobs": jobs.terminate_several,
            "UntagResource": tags.remove_tags,
            "UpdateComputeEnvironment": environments.update,
            "UpdateJobQueue": queues.update,
        }
        self._answers: deque[tuple[float, tuple[str, ...], Answer]] = deque(maxlen=KEPT_ANSWERS)

    @property
    def region(self) -> str:
        return self._region

    def call(self, operation: str, request: Request) -> Answer:
        """Carries a call out, with the faults that are set. Raises BatchError."""
        hit = self._faults.of_call(operation)
        for fault in hit:
            if fault.kind == SLOW:
                time.sleep(fault.seconds)
        return self._with_faults(operation, request, hit)

    def _with_faults(self, operation: str, request: Request, hit: list[Fault], size: int | None = None) -> Answer:
        """Carries a call out with all faults but slowness, which is the caller's to act.

        :param size: in bytes, of a request that came over HTTP.
        """
        kinds = {fault.kind: fault for fault in hit}
        if THROTTLE in kinds:
            raise BatchError("TooManyRequestsException", "Too Many Requests", 429)
        if SERVER_ERROR in kinds:
            raise server_error("An internal error occurred (a fault that was asked for)")
        stale = kinds.get(STALE_DESCRIBE)
        if stale is not None:
            return self._stale(request, stale.seconds)
        answer = self.dispatch_without_faults(operation, request, size)
        if DROP_RESPONSE in kinds:
            raise LostResponseError
        return answer

    def dispatch_text(self, operation: str, request: Request, hit: list[Fault], size: int) -> str:
        """The same as JSON, for a caller over HTTP. The most frequent question takes a shorter way."""
        shapes.check_request(operation, request)
        if operation == "DescribeJobs" and not hit:
            return self._carried_out(request, self._jobs.describe_jobs_text)
        return encode_compactly(self._with_faults(operation, request, hit, size))

    def dispatch_without_faults(self, operation: str, request: Request, size: int | None = None) -> Answer:
        """:param size: as for `_with_faults`."""
        perform = self._operations.get(operation)
        if perform is None:
            raise unsupported_operation(operation)
        if operation == "SubmitJob":
            return self._carried_out(request, lambda submission: self._jobs.submit(submission, size))
        return self._carried_out(request, perform)

    def _carried_out(self, request: Request, perform: Callable[[Request], Result]) -> Result:
        try:
            return perform(request)
        except sqlite3.Error as error:
            raise server_error(f"the service's state could not be read or written: {error}") from error

    def _stale(self, request: Request, seconds: float) -> Answer:
        """The newest answer to the same question that is at least so old, else the oldest there is; the first is
        always fresh.
        """
        now = machine_time.monotonic()
        wanted = tuple(request.get("jobs") or ())
        fresh = self.dispatch_without_faults("DescribeJobs", request)
        known = [(at, answer) for at, ids, answer in self._answers if ids == wanted]
        self._answers.append((now, wanted, fresh))
        old = [answer for at, answer in known if now - at >= seconds]
        if old:
            return old[-1]
        return known[0][1] if known else fresh
