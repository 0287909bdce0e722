"""A Batch client that submits no job twice, and remembers what it submitted for tests that ask what would have
reached AWS.

SubmitJob is not idempotent: when its answer is lost, or the process dies before it wrote the answer down, the job may
run. Names are unique to an attempt of a node, so ListJobs tells. Flyte has no such look-up.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any

from flytekitplugins.awsbatch.batch.api import BatchCalls, BatchError


class Submissions(BatchCalls):
    """Passes every call on.

    :ivar made: (request, job id) of each job that was accepted, in order.
    :param found: called for a job of an earlier process that takes the place of a submit.
    :param lag: seconds after which ListJobs is asked again, once each, before it is believed that there is no such job:
        AWS lists a job a moment after it was submitted.
    """

    def __init__(
        self,
        batch: BatchCalls,
        found: Callable[[str], None] = lambda job_id: None,
        lag: Sequence[float] = (),
    ) -> None:
        self._batch = batch
        self._found = found
        self._lag = lag
        self._answers: dict[str, dict[str, Any]] = {}
        # Names (and queues) whose last submit brought no answer, and names that an earlier process may have submitted.
        self._unanswered: dict[str, str] = {}
        self._earlier: set[str] = set()
        self.made: list[tuple[dict[str, Any], str]] = []

    def submitted_request(self, job_id: str) -> dict[str, Any] | None:
        """The request with which this process submitted a job."""
        return next((request for request, known in reversed(self.made) if known == job_id), None)

    def expect_submission(self, name: str) -> None:
        """Notes that an earlier process may have submitted a job of this name."""
        self._earlier.add(name)

    @property
    def region(self) -> str:
        return self._batch.region

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        return self._submit(request) if operation == "SubmitJob" else self._batch.call(operation, request)

    def _submit(self, request: dict[str, Any]) -> dict[str, Any]:
        name, queue = request["jobName"], request["jobQueue"]
        if name in self._answers:
            # Something else in the handler's round failed after the submit, and the round comes again.
            return self._answers[name]
        answer = self.named(queue, name) if name in self._unanswered or name in self._earlier else None
        ours = answer is None or name in self._unanswered
        if answer is None:
            try:
                answer = self._batch.call("SubmitJob", request)
            except BatchError as error:
                if error.transient:
                    self._unanswered[name] = queue
                raise
        self._unanswered.pop(name, None)
        self._answers[name] = answer
        if ours:
            self.made.append((copy.deepcopy(request), answer["jobId"]))
        else:
            self._found(answer["jobId"])
        return answer

    def submitted_job(self, name: str) -> str | None:
        """The id of the job of this name that was submitted here, as far as can be found out. Raises BatchError."""
        answer = self._answers.get(name)
        if answer is None and name in self._unanswered:
            answer = self.named(self._unanswered[name], name)
        return None if answer is None else answer["jobId"]

    def named(self, queue: str, name: str) -> dict[str, Any] | None:
        """The newest job of this name as SubmitJob would have answered. Raises BatchError."""
        found = self._listed(queue, name)
        for seconds in self._lag:
            if found is not None:
                break
            time.sleep(seconds)
            found = self._listed(queue, name)
        return found

    def _listed(self, queue: str, name: str) -> dict[str, Any] | None:
        filters = [{"name": "JOB_NAME", "values": [name]}]
        for page in self._batch.all_pages("ListJobs", {"jobQueue": queue, "filters": filters}):
            for job in page["jobSummaryList"]:
                # The filter does not mind case.
                if job["jobName"] == name:
                    return {"jobArn": job["jobArn"], "jobName": name, "jobId": job["jobId"]}
        return None
