"""The record of a call's node: what is written of it on its way, and what an earlier process has written."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_result import NodeResult, Progress
from flytekitplugins.awsbatch.propeller.node.node_state import NodeState

from ... import machine_time
from ..console.child_counts import child_counts_of_phases
from ..console.redaction import redact_request
from ..deployment.opening import Deployment
from ..history.record import RunRecord, child_records, understanding_record
from ..history.record_pace import RecordPace
from ..history.resume import EarlierRun, Fingerprint, decide_resume
from ..identity.executions import Execution
from ..identity.node_identity import Place
from .serialise import Serialised

if TYPE_CHECKING:
    from flytekit.core.base_task import PythonTask


class CallRecord:
    """
    :ivar fingerprint: by which a later run recognises the call.
    :ivar launch: what another process needs to start the jobs again.
    :ivar job: name and id of the current attempt's job; None while it has no id.
    :ivar progress: what was last heard of the node.
    :ivar queue_decision: how the queue and the role were found; the page of the run shows it.
    """

    def __init__(
        self,
        deployment: Deployment,
        task: PythonTask[Any],
        function: str,
        execution: Execution,
        place: Place,
        serialised: Serialised,
    ) -> None:
        self._deployment = deployment
        self._task = task.name
        self._function = function
        self._execution = execution
        self._call = place.call
        self._node_id = place.label
        self._cacheable = serialised.template.metadata.discoverable
        self._record = RunRecord(deployment.home.run(execution.name))
        self._pace = RecordPace(deployment.backend.endpoint is not None)
        self._attempts: dict[int, dict[str, Any]] = {}
        # What was sent for each job, by its id.
        self._sent: dict[str, dict[str, Any] | None] = {}
        self.fingerprint = Fingerprint(task.name, "", "")
        self.launch: dict[str, Any] = {}
        self.job: tuple[str, str | None] = ("", None)
        self.progress: Progress | None = None
        self.queue_decision: dict[str, Any] = {}

    def understood(self) -> AbstractContextManager[None]:
        """What an earlier process has written is taken for what it should be. Raises RecordError where it is not."""
        return understanding_record(self._record.node_file(self._node_id))

    def earlier_run(self) -> EarlierRun | None:
        """What an earlier process did for this node. Raises RecordError."""
        if not self._execution.resumed or not self._record.node_file(self._node_id).exists():
            return None
        record = self._record.node(self._node_id)
        self.job = (record.get("job_name", ""), None)
        with self.understood():
            # This process has not submitted that job.
            self._sent[record.get("job_id", "")] = record.get("request")
            self._attempts = {int(each["attempt"]): each for each in record.get("attempts", ())}
            self._complete_last_attempt(record)
            return decide_resume(record, self.fingerprint)

    def _complete_last_attempt(self, record: dict[str, Any]) -> None:
        """Another attempt may follow the one that was the last; the record has its error and children elsewhere."""
        last = self._attempts.get(int(record["attempt"]))
        if last is None:
            return
        last["children"] = record.get("children") or last.get("children")
        ending = NodeState.from_dict(record["snapshot"]).ending if record["snapshot"] else None
        if record["status"] == "failed" and ending is not None and ending.error is not None:
            last |= {"failed": True, "reason": _first_line(ending.error.message)}

    def note_progress(self, node: NodeExecution, progress: Progress) -> None:
        self.progress = progress
        self.job = (progress.job_name, progress.job_id)
        failed = progress.failed_attempts > 0
        self._attempts[progress.attempt] = {
            "attempt": progress.attempt,
            "job_name": progress.job_name,
            "job_id": progress.job_id,
            "link": progress.link,
            "failed": failed,
            "reason": _first_line(progress.retry_reason),
            "children": child_records(node.children()) if failed else None,
        }

    def write_if_due(self, node: NodeExecution, progress: Progress) -> None:
        if self._pace.is_record_due(progress):
            with self._pace.record_writing():
                self.write_record("running", node)

    def write_record(self, status: str, node: NodeExecution, result: NodeResult | None = None) -> None:
        """The record of the node as it is now. Without one the run continues; resumed, it begins where the last one was
        written."""
        try:
            self._record.write_node(
                self._node_id,
                {
                    "task": self._task,
                    "function": self._function,
                    "call": self._call,
                    "status": status,
                    "updated": machine_time.wall(),
                    "fingerprint": vars(self.fingerprint),
                    "attempt": node.request.attempt,
                    "attempts": list(self._attempts.values()),
                    "snapshot": node.snapshot(),
                    "job_name": self.job[0],
                    "job_id": self.job[1],
                    "link": self.progress.link if self.progress is not None else "",
                    "region": self._deployment.services.batch.region,
                    "children": self._children(node, result),
                    "counts": self._counts_elsewhere(),
                    "cacheable": self._cacheable,
                    "launch": self.launch,
                    "output_prefix": node.output_prefix,
                    "queue": self.queue_decision,
                    "request": self._request_sent(),
                },
            )
        except OSError as error:
            self._deployment.say_once(
                f"This run cannot be recorded further: {error}. Resumed, it would run again what is not recorded."
            )

    def _children(self, node: NodeExecution, result: NodeResult | None) -> list[dict[str, Any]] | None:
        """What the record says of the children: at the end, and while they run where nobody else can look."""
        if result is None and not self._pace.elsewhere:
            return None
        return child_records(node.children() if result is None else result.children)

    def _counts_elsewhere(self) -> dict[str, int] | None:
        """Of an account's large array AWS tells how many children run, and not which."""
        if not self._pace.elsewhere or self.progress is None:
            return None
        return vars(child_counts_of_phases(self.progress.counts, self.progress.cached))

    def _request_sent(self) -> dict[str, Any] | None:
        """The SubmitJob request of the current job, without secrets; the page of the run shows it."""
        job_id = self.job[1]
        if job_id is None:
            return None
        if job_id not in self._sent:
            sent = self._deployment.submissions.submitted_request(job_id)
            self._sent[job_id] = None if sent is None else redact_request(sent, os.environ)
        return self._sent[job_id]


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")
