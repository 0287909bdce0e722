"""One task call on its way through admin, propeller and Batch. It is recorded on the way, and resumed where an earlier
process left it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flyteidl.core import literals_pb2, tasks_pb2
from flytekit.core.workflow import WorkflowBase
from flytekit.models.literals import LiteralMap

from flytekitplugins.awsbatch.admin.decision_data import decision_data, decision_data_by_matching
from flytekitplugins.awsbatch.admin.enabled_plugins import enabled_plugin_of
from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.launch_decision import Decision, decide_launch, write_decided_queue
from flytekitplugins.awsbatch.batch.api import BatchError, UnreachableError
from flytekitplugins.awsbatch.propeller.aws_array.handler import ABORTED
from flytekitplugins.awsbatch.propeller.aws_array.handler_errors import HandlerError
from flytekitplugins.awsbatch.propeller.aws_array.output_files import error_message_in_output_files
from flytekitplugins.awsbatch.propeller.aws_array.phases import Phase, TaskPhase
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_request import NodeRequest
from flytekitplugins.awsbatch.propeller.node.node_result import NodeResult, Progress
from flytekitplugins.awsbatch.propeller.node.resolve_promise import UnresolvableInputError
from flytekitplugins.awsbatch.sdk.key_order import KEYS, restore_key_order
from flytekitplugins.awsbatch.wire import RAW_SCHEME

from ..console.child_counts import child_counts_of_phases, child_counts_of_result, shown_counts_of_statuses
from ..console.failure import task_failed_error
from ..console.interrupts import Interrupted, Interrupts
from ..console.stopping import resume_command_at_stopping
from ..deployment.opening import ClosedError, Deployment
from ..history.resume import Fingerprint
from ..identity.execution_identity import Identity
from ..identity.executions import Execution
from ..identity.node_identity import Place
from .account_job import account_job_needs, account_job_tags
from .call_notices import CallNotices
from .call_record import CallRecord
from .launched_node import launched_node_request, settle_launched_resources
from .promises import nodes_of_promises
from .resume_node import resume_node
from .serialise import Serialised

if TYPE_CHECKING:
    from flytekit.core.base_task import PythonTask

    from flytekitplugins.awsbatch.propeller.node.node_result import ChildFact
    from flytekitplugins.awsbatch.propeller.node.waiting import Wait

# Enough lines of a log to begin at a frame of a traceback.
LOG_LINES = 100
# `buildDynamicWorkflowTemplate` in propeller's `nodes/dynamic/dynamic_workflow.go`
NO_QUEUE_FROM_POD = (
    "A @dynamic task with a pod template hands no queue on: propeller takes it from the container that such a task "
    "does not have. Take the pod template off the task that calls this one."
)
# The node whose outputs are the workflow's inputs; flytekit compiles it without a name.
START_NODE = "start-node"
# What the record of a node says of its end.
_STATUSES = {TaskPhase.SUCCESS: "succeeded", TaskPhase.PERMANENT_FAILURE: "failed", TaskPhase.ABORTED: "aborted"}


class NotHandledError(Exception):
    """The deployment's settings give this task type to nobody, or to a plugin that is not emulated."""


class LeftRunningError(Exception):
    """AWS Batch cannot be asked any more, while the jobs run on. The message has the command that resumes the run."""


class NodeAbortedError(Exception):
    """The node did not come to its end, because another node of its workflow failed or its deployment was closed."""


class Call:
    """A call to be run once, on the thread that makes it."""

    def __init__(
        self,
        deployment: Deployment,
        task: PythonTask[Any],
        execution: Execution,
        place: Place,
        serialised: Serialised,
        who: Identity,
        unresolvable: UnresolvableInputError | None = None,
        left_out: frozenset[str] = frozenset(),
    ) -> None:
        """:param left_out: the inputs that the call leaves to their defaults."""
        self._left_out = left_out
        self._deployment = deployment
        self._task = task
        self._execution = execution
        self._place = place
        self._node_id = place.label
        self._serialised = serialised
        self._who = who
        self._unresolvable = unresolvable
        self._record = CallRecord(deployment, task, self._function, execution, place, serialised)
        self._notices = CallNotices(deployment, self.label, place, serialised.template)
        self._node: NodeExecution | None = None
        self._interrupts = Interrupts()
        self._failed_beside = ""
        self.submitted = threading.Event()

    @property
    def label(self) -> str:
        """The node's id and the function that it runs. The node of a task on its own is named after that anyway."""
        return self._function if self._place.single else f"{self._node_id} {self._function}"

    @property
    def _function(self) -> str:
        """The name of the task's function; of a map task, the mapped task's."""
        return str(getattr(self._task, "run_task", self._task).name.rpartition(".")[2])

    def run(self, inputs: literals_pb2.LiteralMap) -> LiteralMap:
        """See `composer.compose_and_run_call`. Raises NodeAbortedError too."""
        deployment, serialised = self._deployment, self._serialised
        template = serialised.template
        self._check_handled(template)
        self._notices.asked.CopyFrom(template.container.resources)
        settle_launched_resources(template, deployment.settings.admin)
        decision = self._decide_launch()
        self._record.launch = deployment.launch.add_code(
            template.id.name, serialised.code_root, self._who.execution_env, serialised.image_id
        )
        request = self._request(inputs, decision)
        if deployment.backend.endpoint is not None:
            self._check_account(request, decision)
        with Interrupts(noted=deployment.backend.hurry) as self._interrupts:
            try:
                result = self._result(request)
                self._interrupts.raise_if_interrupted()
            except Interrupted as interrupted:
                deployment.close_deployment()
                number = interrupted.number
            except UnreachableError as error:
                deployment.backend.lose()
                self._write("interrupted")
                back = resume_command_at_stopping(self._execution.name)
                raise LeftRunningError(f"{error}. What was submitted runs on. To come back: {back}") from error
            else:
                number = 0
        if number:
            raise self._interrupts.as_before(number)
        if result.succeeded and result.outputs is not None:
            return self._outputs(result.outputs)
        raise self._error(result, decision)

    # Called from other threads: when another node has failed, or the deployment closes before the call has ended.

    def abort_beside(self, failed: str) -> None:
        """Terminates the job, or keeps it from being submitted. Where that cannot be done, the call goes on.

        :param failed: the label of the node that has failed.
        """
        self._failed_beside = failed
        if self._deployment.closed:
            # What becomes of the job has been decided.
            return
        try:
            self.abort(self._wait)
        except ClosedError:
            return
        except (BatchError, UnreachableError) as error:
            self._deployment.reporter.say(f"{self.label}: its job could not be terminated: {error}")

    def abort(self, wait: Wait | None = None) -> None:
        """Terminates the job, also one that was submitted in a round that then failed.

        :param wait: see `NodeExecution.abort`.

        Raises BatchError, UnreachableError, and what `wait` raises.
        """
        if self._node is None:
            return
        if self._node.abort(ABORTED, wait).phase is not TaskPhase.ABORTED:
            return
        name, known = self._record.job
        batch = self._deployment.submissions
        with contextlib.suppress(BatchError):
            job_id = None if known else batch.submitted_job(name)
            if job_id is not None:
                batch.terminate_job(jobId=job_id, reason=ABORTED)
        self._write("aborted")

    def interrupt(self) -> str:
        """Records the node so that it can be resumed; returns in words how far it came."""
        if self._node is not None and self._node.result is None:
            self._write("interrupted")
        progress = self._record.progress
        done = child_counts_of_phases(progress.counts, progress.cached) if progress is not None else "not begun"
        return f"{self.label} until then: {done}"

    # The steps of a call.

    def _check_handled(self, template: tasks_pb2.TaskTemplate) -> None:
        handler = enabled_plugin_of(template.type, self._deployment.settings.admin.task_plugins)
        if handler.error:
            raise NotHandledError("\n".join(part for part in (handler.error, handler.help) if part))
        if handler.note:
            self._deployment.say_once(handler.note)

    def _decide_launch(self) -> Decision:
        """The queue and the role, as FlyteAdmin finds them when it launches the execution; the queue is in the template
        then."""
        deployment, own = self._deployment, self._execution
        admin = deployment.settings.admin
        launched = LaunchedExecution(own.project, own.domain, own.workflow, own.name)
        decision = decide_launch(admin, launched, self._who.plan, self._who.launch)
        if any(getattr(call.entity, "pod_template", None) is not None for call in self._who.calls[:-1]):
            decision = replace(decision, queue="", no_queue_help=NO_QUEUE_FROM_POD)
        self._record.queue_decision = decision_data(decision, decision_data_by_matching(admin, decision))
        for warning in (*deployment.settings.notes, *decision.warnings):
            deployment.say_once(warning)
        write_decided_queue(self._serialised.template, decision)
        if decision.queue:
            deployment.backend.ensure_queue(decision.queue)
        return decision

    def _check_account(self, request: NodeRequest, decision: Decision) -> None:
        deployment = self._deployment
        self._notices.queue = decision.queue
        with contextlib.suppress(HandlerError):
            # The handler refuses such a task itself, in Flyte's words.
            needs = account_job_needs(request, decision.queue, deployment.settings.handler)
            deployment.backend.check_task(needs, decision.job_role)

    def _request(self, inputs: literals_pb2.LiteralMap, decision: Decision) -> NodeRequest:
        deployment, who = self._deployment, decision.explanation.execution
        template, admin = self._serialised.template, deployment.settings.admin
        request = launched_node_request(
            self._task, self._place, template, inputs, who, deployment.locations, admin, decision
        )
        return replace(
            request,
            unresolved=self._unresolved(),
            raw_output_prefix=self._who.raw_output_prefix or request.raw_output_prefix,
            job_tags=self._tags() if deployment.backend.endpoint is not None else {},
        )

    def _unresolved(self) -> str:
        """The error of a node whose inputs cannot be resolved (`Resolve` in Flyte's `nodes/resolve.go`)."""
        error = self._unresolvable
        if error is None:
            return ""
        bindings = self._place.node.bindings if self._place.node is not None else ()
        sources = {one for each in bindings if each.var == error.name for one in nodes_of_promises(each.binding)}
        source = min(sources, default="") or START_NODE
        return (
            f"failed at Node[{self._place.node_id}]. BindingResolutionError: Error binding Var [wf].[{error.name}], "
            f"caused by: failed at Node[{source}]. {error.code}: {error.message}"
        )

    def _tags(self) -> dict[str, str]:
        """The tags by which people find a job in an account, and what it costs."""
        own = self._execution
        return account_job_tags(
            project=own.project,
            domain=own.domain,
            workflow=own.workflow,
            execution=own.name,
            node=self._node_id,
            task=self._task.name,
        )

    def _result(self, request: NodeRequest) -> NodeResult:
        deployment = self._deployment
        if self._failed_beside:
            raise NodeAbortedError(f"{self.label} was not begun, because {self._failed_beside} has failed.")
        self._record.fingerprint = Fingerprint.of(request, self._left_out)
        before = self._record.earlier_run()
        with self._record.understood() if before else contextlib.nullcontext():
            resumed = resume_node(deployment, request, before, self._observe)
        if resumed.note:
            deployment.reporter.say(f"{self.label}: {resumed.note}")
        node = resumed.node
        known = node.result
        # From here on another thread may abort it.
        self._node = node
        if before is not None and not before.restart_reason and before.job_id is not None:
            # A process that resumes this run finds the job by the record that is written next.
            self._record.job = (self._record.job[0], before.job_id)
        if known is not None:
            if not resumed.written:
                self._write("succeeded", known)
            return known
        if self._failed_beside:
            # Another node failed before this one existed.
            self.abort_beside(self._failed_beside)
        with deployment.closed_with(self):
            self._write("running")
            try:
                result = node.run(self._interrupts.interruptible_wait(self._wait))
            except Interrupted:
                # Now, while closing the deployment still looks after this call.
                deployment.close_deployment()
                raise
            except UnreachableError:
                raise
            except BaseException:
                # Once the deployment is closed, what becomes of the job has been decided.
                if not deployment.closed:
                    with contextlib.suppress(BatchError):
                        self.abort()
                raise
        self._write(_STATUSES[result.phase], result)
        deployment.reporter.finished(self.label, child_counts_of_result(result))
        if result.phase is TaskPhase.ABORTED and self._failed_beside:
            reason = f'; its job was terminated with the reason "{ABORTED}"' if result.job_id else ""
            deployment.reporter.say(f"{self.label}: aborted, because {self._failed_beside} has failed{reason}")
        return result

    def _wait(self, job_id: str | None, *, round_seconds: float, error: bool, timeout: float | None) -> None:
        """Raises ClosedError when another thread has closed the deployment meanwhile."""
        self._deployment.backend.wait(job_id, round_seconds=round_seconds, error=error, timeout=timeout)
        self._deployment.check_open()

    def _outputs(self, message: literals_pb2.LiteralMap) -> LiteralMap:
        deployment = self._deployment
        data = message.SerializeToString()
        stored = RAW_SCHEME.encode() in data
        deployment.results_folder = deployment.home.run(self._execution.name) / "raw" if stored else None
        outputs = LiteralMap.from_flyte_idl(message)
        if KEYS.encode() in data:
            restore_key_order(outputs)
        return outputs

    def _observe(self, execution: NodeExecution, progress: Progress) -> None:
        deployment = self._deployment
        if progress.phase is Phase.CHECKING_SUBTASKS and progress.job_id is not None:
            statuses = deployment.backend.children_by_status(progress.job_id)
            if statuses:
                counts = shown_counts_of_statuses(statuses, sum(progress.counts.values()))
                progress = replace(progress, counts=counts)
        deployment.reporter.update(self.label, child_counts_of_phases(progress.counts, progress.cached))
        self._record.note_progress(execution, progress)
        if progress.job_id is not None:
            self.submitted.set()
        if self._node is not None:
            self._record.write_if_due(self._node, progress)
        self._notices.tell(execution, progress)
        if execution.result is None:
            self._interrupts.raise_if_interrupted()

    def _write(self, status: str, result: NodeResult | None = None) -> None:
        if self._node is not None:
            self._record.write_record(status, self._node, result)

    def _error(self, result: NodeResult, decision: Decision) -> Exception:
        if result.phase is TaskPhase.ABORTED:
            return NodeAbortedError(f"{self.label} was aborted.")
        if all(isinstance(one.entity, WorkflowBase) for one in self._who.calls[:-1]):
            # A @dynamic task may catch the error.
            self._deployment.failed_execution = self._execution.name
        return task_failed_error(
            result,
            task=self._task.name,
            execution=self._execution.name,
            node=self._node_id,
            store=self._deployment.services.store,
            tail_of=self._tail,
            hints=[*filter(None, (decision.no_queue_help, self._notices.advice)), *self._import_hint(result)],
            command="" if self._deployment.home.temporary else self._deployment.home.command,
            eager=self._who.eager,
        )

    def _import_hint(self, result: NodeResult) -> list[str]:
        """A hint for jobs that do not have this process's import path: those at a URL see what that service gives them,
        and no job a folder that PYTHONPATH cannot hold."""
        endpoint, folder = self._deployment.backend.endpoint, self._serialised.code_root
        module = self._serialised.module.partition(".")[0]
        if folder is None:
            return []
        if endpoint is not None and "://" in endpoint:
            hint = (
                f"The jobs run at {endpoint}, which does not have {module} on its import path. Start it with "
                f"`flyte-awsbatch serve --env PYTHONPATH={folder}`."
            )
        elif os.pathsep in folder:
            hint = (
                f"{module} is in {folder}, whose name holds a {os.pathsep!r}: PYTHONPATH, by which jobs find modules, "
                "separates folders by it. Rename the folder, or run this from inside it."
            )
        else:
            return []
        missing = f"No module named '{module}"
        for child in [child for child in result.children if child.phase.failure][:1]:
            tail = self._tail(child)
            said = error_message_in_output_files(self._deployment.services.store, result.output_prefix, child.original)
            if missing in said or (tail is not None and missing in tail[1]):
                return [hint]
        return []

    def _tail(self, child: ChildFact) -> tuple[str, str] | None:
        return self._deployment.backend.log_tail(child, LOG_LINES)
