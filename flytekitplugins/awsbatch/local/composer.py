"""From a task call in flytekit to its outputs: serialised, launched, driven by the handler, collected."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyteidl.core import tasks_pb2
from flytekit.models.literals import LiteralMap

from flytekitplugins.awsbatch.admin.launch import Decision, apply, decide
from flytekitplugins.awsbatch.admin.plugins import handler_of
from flytekitplugins.awsbatch.lint.report import told_to
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.node.execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.request import ExecutionId, NodeRequest, WorkflowId
from flytekitplugins.awsbatch.propeller.node.result import ChildFact, NodeResult, Progress

from . import deployment as deployments
from .deployment import Deployment
from .executions import Execution
from .failure import LogTail, TaskFailedError, failure
from .history import process_mark
from .identity import Identity, identity
from .nodes import NUMBERED, Place
from .progress import Counts
from .record import RunRecord
from .serialise import Serialised, serialise

if TYPE_CHECKING:
    from flytekit.core.base_task import PythonTask

LOG_LINES = 20


class NotHandledError(Exception):
    """The deployment's settings give this task type to nobody, or to a plugin that is not emulated."""


def run(task: PythonTask[Any], inputs: LiteralMap) -> LiteralMap:
    """Runs one task call on the deployment of this process and returns its outputs.

    Raises TaskFailedError, NotLoadableError, NotHandledError, SettingsError, HomeError, SwitchError.
    """
    deployment = deployments.current()
    who = identity(deployment.settings.admin.emulator, task.name)
    execution = _execution(deployment, who)
    place = execution.nodes.place(who.calls, task.name)
    if place.numbered:
        deployment.say_once(NUMBERED)
    with told_to(lambda finding: deployment.say_once(f"On a cluster: {finding}")):
        serialised = serialise(task, execution.project, execution.domain, who.image_config)
    return _Call(deployment, task, execution, place, serialised, who).run(inputs)


def _execution(deployment: Deployment, who: Identity) -> Execution:
    """The execution that a call belongs to; a new one is announced and recorded."""
    execution, new = deployment.executions.of(who.root, who.project, who.domain, who.workflow)
    if new:
        RunRecord(deployment.home.run(execution.name)).write_execution(
            {
                "execution": execution.name,
                "project": execution.project,
                "domain": execution.domain,
                "workflow": execution.workflow,
                "started": time.time(),
                "process": process_mark(),
                "command": sys.argv,
                "folder": str(Path.cwd()),
            }
        )
        deployment.reporter.started(execution.name, {"of": execution.workflow})
    return execution


class _Call:
    """One task call on its way through admin, propeller and Batch."""

    def __init__(
        self,
        deployment: Deployment,
        task: PythonTask[Any],
        execution: Execution,
        place: Place,
        serialised: Serialised,
        who: Identity,
    ) -> None:
        self._deployment = deployment
        self._task = task
        self._execution = execution
        self._place = place
        self._node = place.label
        self._serialised = serialised
        self._who = who
        self._record = RunRecord(deployment.home.run(execution.name))
        self._saved: tuple[object, ...] = ()
        self._job: tuple[str, str | None] = ("", None)

    def run(self, inputs: LiteralMap) -> LiteralMap:
        deployment = self._deployment
        template = self._serialised.template
        self._check_handled(template)
        decision = decide(
            deployment.settings.admin,
            project=self._execution.project,
            domain=self._execution.domain,
            workflow=self._execution.workflow,
            execution_name=self._execution.name,
            plan=self._who.plan,
        )
        for warning in (*deployment.settings.notes, *decision.warnings):
            deployment.say_once(warning)
        apply(template, decision)
        if decision.queue and deployment.local_batch is not None:
            deployment.local_batch.ensure_queue(decision.queue)
        deployment.launch.add_code(template.id.name, self._serialised.code_root)
        request = self._request(template, inputs, decision)
        self._write(request, {}, "running")
        node = NodeExecution(request, deployment.services, observer=self._observe)
        try:
            result = node.run(deployment.wait)
        except BaseException:
            node.abort("Aborted")
            self._write(request, node.snapshot(), "aborted")
            raise
        self._write(request, node.snapshot(), "succeeded" if result.succeeded else "failed", result)
        deployment.reporter.finished(self._label, _counts_of(result))
        if result.succeeded and result.outputs is not None:
            return LiteralMap.from_flyte_idl(result.outputs)
        raise self._error(result, decision)

    @property
    def _label(self) -> str:
        """How progress lines name this call: a map task's own name is for machines, and so is the node of a task on its
        own, which has that in it."""
        mapped = getattr(self._task, "run_task", None)
        name = (mapped or self._task).name.rsplit(".", 1)[-1]
        name = f"map {name}" if mapped else name
        return name if self._place.single else f"{self._node} {name}"

    def _check_handled(self, template: tasks_pb2.TaskTemplate) -> None:
        handler = handler_of(template.type, self._deployment.settings.admin.task_plugins)
        if handler.error:
            raise NotHandledError("\n".join(part for part in (handler.error, handler.help) if part))
        if handler.note:
            self._deployment.say_once(handler.note)

    def _request(self, template: tasks_pb2.TaskTemplate, inputs: LiteralMap, decision: Decision) -> NodeRequest:
        execution = self._execution
        folder = self._deployment.home.run(execution.name)
        return NodeRequest(
            execution=ExecutionId(execution.project, execution.domain, execution.name),
            workflow=WorkflowId(execution.project, execution.domain, execution.workflow),
            node_id=self._place.node_id,
            parents=self._place.parents,
            template=template,
            inputs=inputs.to_flyte_idl(),
            metadata_prefix=str(folder / "meta"),
            raw_output_prefix=str(folder / "raw"),
            iam_role=decision.role.iam_role or None,
            annotations=decision.role.annotations,
            override_resources=self._place.resources,
            retries=self._place.retries(self._task),
            timeout=self._place.timeout(self._task),
        )

    def _observe(self, execution: NodeExecution, progress: Progress) -> None:
        self._deployment.reporter.update(self._label, _counts(progress.counts))
        self._job = (progress.job_name, progress.job_id)
        mark = (progress.attempt, progress.phase, progress.job_id)
        if mark != self._saved:
            self._saved = mark
            self._write(execution.request, execution.snapshot(), "running")

    def _write(
        self, request: NodeRequest, snapshot: Mapping[str, Any], status: str, result: NodeResult | None = None
    ) -> None:
        self._record.write_node(
            self._node,
            {
                "task": self._task.name,
                "call": self._place.call,
                "status": status,
                "updated": time.time(),
                "request": request.to_json(),
                "snapshot": snapshot,
                "code_root": self._serialised.code_root,
                "job_name": self._job[0],
                "job_id": self._job[1],
                "children": [_fact(child) for child in result.children] if result is not None else None,
            },
        )

    def _error(self, result: NodeResult, decision: Decision) -> TaskFailedError:
        hints = [] if decision.queue else [decision.no_queue_help]
        return failure(
            result,
            task=self._task.name,
            execution=self._execution.name,
            node=self._node,
            store=self._deployment.services.store,
            tail_of=self._tail,
            hints=hints,
        )

    def _tail(self, child: ChildFact) -> LogTail | None:
        batch = self._deployment.local_batch
        if batch is None or not child.log_streams:
            return None
        path = batch.log_path(child.log_streams[-1])
        job_id, _, index = child.job_id.partition(":")
        tail = batch.log_tail(job_id, int(index) if index else None, lines=LOG_LINES)
        return LogTail(str(path), tail.splitlines())


def _fact(child: ChildFact) -> dict[str, Any]:
    """A child as the record keeps it."""
    return {
        "original": child.original,
        "child": child.child,
        "job_id": child.job_id,
        "phase": child.phase.name,
        "attempts": child.attempts,
        "message": child.message,
    }


_STATES = {
    TaskPhase.RUNNING: "running",
    TaskPhase.SUCCESS: "succeeded",
    TaskPhase.PERMANENT_FAILURE: "failed",
    TaskPhase.RETRYABLE_FAILURE: "failed",
    TaskPhase.ABORTED: "failed",
}


def _counts(phases: Mapping[TaskPhase, int]) -> Counts:
    counted = dict.fromkeys(("queued", "running", "succeeded", "failed"), 0)
    for phase, count in phases.items():
        counted[_STATES.get(phase, "queued")] += count
    return Counts(**counted)


def _counts_of(result: NodeResult) -> Counts:
    cached = sum(child.child is None for child in result.children)
    phases: dict[TaskPhase, int] = {}
    for child in result.children:
        if child.child is not None:
            phases[child.phase] = phases.get(child.phase, 0) + 1
    counts = _counts(phases)
    return Counts(counts.queued, counts.running, counts.succeeded, cached, counts.failed)


__all__ = ["NotHandledError", "run"]
