"""From an operation's name to its answer: faults, shapes, rules, and the words for what is not supported here."""

from __future__ import annotations

import sqlite3
import time
from collections import deque

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.compact_json import compact
from flytekitplugins.awsbatch.batch.emulator.faults import (
    DROP_RESPONSE,
    SERVER_ERROR,
    SLOW,
    STALE_DESCRIBE,
    THROTTLE,
    Fault,
    FaultPlan,
)
from flytekitplugins.awsbatch.batch.emulator.operations.core import Answer, Core, Operation, Request
from flytekitplugins.awsbatch.batch.emulator.operations.errors import failed, refused, unsupported
from flytekitplugins.awsbatch.batch.emulator.operations.job_definitions import Definitions
from flytekitplugins.awsbatch.batch.emulator.operations.jobs import JobOperations
from flytekitplugins.awsbatch.batch.emulator.operations.queues import Environments, Queues
from flytekitplugins.awsbatch.batch.emulator.operations.tags import Tagging

KEPT_ANSWERS = 50


def check_ids(request: Request) -> None:
    """DescribeJobs' shape."""
    wanted = request.get("jobs")
    if not isinstance(wanted, list) or not all(isinstance(each, str) for each in wanted):
        raise refused("jobs is required: a list of strings")


class LostResponseError(BatchError):
    """The call was carried out and its answer is lost: over HTTP the connection closes without one."""

    def __init__(self) -> None:
        super().__init__("RequestError", "the connection was closed before an answer came", 500)


class Calls:
    def __init__(self, core: Core, faults: FaultPlan, validate_shapes: bool) -> None:
        self._faults = faults
        self._validate = validate_shapes
        definitions, queues, environments = Definitions(core), Queues(core), Environments(core)
        jobs, tags = JobOperations(core), Tagging(core)
        self._jobs = jobs
        self._operations: dict[str, Operation] = {
            "CancelJob": jobs.cancel,
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
            "UntagResource": tags.untag,
            "UpdateComputeEnvironment": environments.update,
            "UpdateJobQueue": queues.update,
        }
        self._answers: deque[tuple[float, tuple[str, ...], Answer]] = deque(maxlen=KEPT_ANSWERS)

    def __call__(self, operation: str, request: Request) -> Answer:
        """With the faults that are set. Raises BatchError."""
        hit = self.faults_of(operation)
        for fault in hit:
            if fault.kind == SLOW:
                time.sleep(fault.seconds)
        return self.with_faults(operation, request, hit)

    def faults_of(self, operation: str) -> list[Fault]:
        return self._faults.of_call(operation)

    def with_faults(self, operation: str, request: Request, hit: list[Fault], size: int | None = None) -> Answer:
        """Carries a call out with all faults but slowness, which is the caller's to act.

        :param size: of a request that came from afar, in bytes.
        """
        if not hit and operation != "DescribeJobs":
            return self.now(operation, request, size)
        kinds = {fault.kind: fault for fault in hit}
        if THROTTLE in kinds:
            raise BatchError("TooManyRequestsException", "Too Many Requests", 429)
        if SERVER_ERROR in kinds:
            raise failed("An internal error occurred (a fault that was asked for)")
        stale = kinds.get(STALE_DESCRIBE)
        if stale is not None:
            return self._stale(request, stale.seconds)
        answer = self.now(operation, request, size)
        if DROP_RESPONSE in kinds:
            raise LostResponseError
        return answer

    def text_with_faults(self, operation: str, request: Request, hit: list[Fault], size: int) -> str:
        """The same as JSON, for a caller from afar; the commonest question takes a shorter way."""
        if operation == "DescribeJobs" and not hit:
            if self._validate:
                check_ids(request)
            return self._jobs.describe_text(request)
        return compact(self.with_faults(operation, request, hit, size))

    def now(self, operation: str, request: Request, size: int | None = None) -> Answer:
        """Without faults. `size` as for `with_faults`."""
        perform = self._operations.get(operation)
        if perform is None:
            raise unsupported(operation)
        if self._validate:
            from flytekitplugins.awsbatch.batch.emulator.operations import shapes

            shapes.check(operation, request)
        try:
            if operation == "SubmitJob":
                return self._jobs.submit(request, size)
            return perform(request)
        except sqlite3.Error as error:
            raise failed(f"the service's state could not be read or written: {error}") from error
        except KeyError as error:
            if error.args and isinstance(error.args[0], str) and error.args[0] not in request:
                raise refused(f"{operation} needs {error.args[0]}") from error
            raise

    def _stale(self, request: Request, seconds: float) -> Answer:
        """The newest answer to the same question that is at least so old, else the oldest there is; the first is
        always fresh.
        """
        now = time.monotonic()
        wanted = tuple(request.get("jobs") or ())
        fresh = self.now("DescribeJobs", request)
        known = [(at, answer) for at, ids, answer in self._answers if ids == wanted]
        self._answers.append((now, wanted, fresh))
        old = [answer for at, answer in known if now - at >= seconds]
        if old:
            return old[-1]
        return known[0][1] if known else fresh
