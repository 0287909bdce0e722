"""From a task call in flytekit to its outputs: which execution the call belongs to, then the call itself."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from flytekit.models.literals import LiteralMap

from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.queue_matching import match_queue
from flytekitplugins.awsbatch.lint.codes import lint_code_in_one_line
from flytekitplugins.awsbatch.lint.findings import LintFinding
from flytekitplugins.awsbatch.lint.lint_warnings import (
    lint_execution_env,
    report_lint_findings,
    report_lint_findings_to,
)
from flytekitplugins.awsbatch.propeller.node.resolve_promise import UnresolvableInputError

from ... import machine_time
from ..console.redaction import redact_command
from ..deployment import opening as deployments
from ..deployment.job_environment import DROP, NEVER_INHERITED
from ..deployment.opening import Deployment
from ..deployment.packaging import CallCode
from ..history.page_address import page_address_of_run
from ..history.process_mark import process_mark
from ..history.record import RunRecord
from ..history.resume import resume_digest_of_inputs
from ..home import HomeError
from ..identity.execution_identity import (
    Identity,
    bound_inputs_of_workflows,
    identity_of_call,
    inputs_that_the_plan_fixes,
)
from ..identity.executions import Execution
from ..identity.node_identity import NUMBERED
from .call import Call
from .concurrent_nodes import run_node_concurrently
from .default_inputs import default_inputs
from .promises import call_promise_reader, drop_hashes_of_constants, resolve_call_promises
from .replaced_uses import warn_of_replaced_uses
from .serialise import Serialised, check_image_to_serialise, serialise


def resolve_call_arguments(task: Any, given: dict[str, Any]) -> tuple[dict[str, Any], UnresolvableInputError | None]:
    """A call's arguments with attributes of promises resolved, and the reason if one cannot be."""
    for written, literals in bound_inputs_of_workflows():
        for name, value in written.items():
            drop_hashes_of_constants(value, literals[name])
    read = call_promise_reader(lambda: deployments.current_deployment().services.store)
    return resolve_call_promises(given, {name: one.type for name, one in task.interface.inputs.items()}, read)


def compose_and_run_call(
    task: Any, inputs: LiteralMap, unresolvable: UnresolvableInputError | None = None
) -> LiteralMap:
    """Runs one task call on the deployment of this process and returns its outputs.

    :param unresolvable: why `inputs` are not whole: the node fails before it starts.

    Raises FileNotFoundError where the working directory has been removed, TaskFailedError, NotLoadableError,
    ImageError, StorageError, NotHandledError, RefusedError, SettingsError, HomeError, SwitchError, ResumeError,
    RecordError, UnusableHomeError, NotReadyError, LeftRunningError, and flytekit's FlyteAssertion where an input's
    file does not exist. On the main thread also KeyboardInterrupt or SystemExit, after a signal.
    """
    deployment = deployments.current_deployment()
    deployment.check_open()
    deployment.reporter.call_begins()
    deployment.between_calls.note_call_between()
    who = identity_of_call(deployment.settings.admin.emulator, task.name)
    deployment.check_storage()
    _check_queues(deployment, who)
    findings: list[LintFinding] = []
    with contextlib.ExitStack() as opened:
        code = opened.enter_context(CallCode(deployment.packaging, who)) if deployment.sends_code else None
        with report_lint_findings_to(
            partial(report_lint_findings, on_warning=findings.append), deployment.settings.lint_settings
        ):
            serialised = _serialised(deployment, task, who, code)
        if deployment.backend.from_images:
            check_image_to_serialise(serialised.template)
        if code is not None:
            code.upload()
    defaults = default_inputs(task, inputs, bound=len(who.calls) > 1)
    message = deployment.uploads.upload(LiteralMap({**inputs.literals, **defaults}), task.python_interface.inputs)
    execution = _execution(deployment, who, task.name, lambda: resume_digest_of_inputs(message, defaults))
    for finding in findings:
        what = finding.code, finding.file, finding.entity
        if deployment.backend.endpoint is not None or deployment.told.first_time(*what):
            deployment.say_once(lint_code_in_one_line(finding))
    place = execution.nodes.place(who.calls, task.name)
    if place.numbered:
        deployment.say_once(NUMBERED)
    if len(who.calls) > 1 and (late := place.called_too_late(who.calls[-2].entity)):
        deployment.say_once(
            f"{place.label} runs before {', '.join(late)}, the other way round than on a cluster: `>>` puts them in an "
            "order in which the workflow does not call them, and here nodes start as they are called."
        )
    plan, fixed = inputs_that_the_plan_fixes(who)
    if fixed:
        deployment.say_once(
            f"The launch plan {plan} fixes {', '.join(fixed)}, and a cluster runs it with its own value, whatever the "
            "call gives. Here it runs with the call's, as in any local run."
        )
    call = Call(deployment, task, execution, place, serialised, who, unresolvable, frozenset(defaults))
    outputs = run_node_concurrently(call, message, place, who.calls, execution, deployment.close_deployment)
    if len(who.calls) == 1:
        # A task on its own is all of its execution. Workers of celery and rq end without telling anybody.
        deployment.note_executions_ended([execution.name])
    return outputs


def _serialised(deployment: Deployment, task: Any, who: Identity, code: CallCode | None) -> Serialised:
    local = deployment.settings.local
    task.check_emulated_call()
    warn_of_replaced_uses(task)
    # Only a job that this machine starts can be given variables beside its definition's.
    if local.execution_env == DROP or deployment.backend.endpoint is not None:
        lint_execution_env(task, [name for name in who.execution_env if not name.startswith(NEVER_INHERITED)])
    from_images = deployment.backend.from_images
    build = from_images and local.build_images
    return serialise(
        task,
        who.project,
        who.domain,
        who.image_config,
        default_resources=who.default_resources,
        code=code,
        build=build,
        images_are_names=not from_images,
    )


def say_task_is_replaced(name: str) -> None:
    """Tells, once per task, that a task whose function or step of a call was replaced is not run as a job."""
    deployments.current_deployment().say_once(
        f"{name} is called in this process, not as a job: its function or one of its methods has been replaced, as a "
        "test's mock does, and a job would run the original."
    )


def say_task_is_inside_another(name: str) -> None:
    """Tells, once per task, that a task that another one's function calls is not run as a job."""
    deployments.current_deployment().say_once(
        f"{name} is called in the function of another task. It runs there and not as a job, as on a cluster: call it "
        "in a workflow or in a @dynamic task."
    )


def _check_queues(deployment: Deployment, who: Identity) -> None:
    """Before an image is built or anything uploaded. Which of its queues an execution gets depends on its name."""
    if deployment.backend.endpoint is not None:
        launched = LaunchedExecution(who.project, who.domain, who.workflow)
        possible = match_queue(deployment.settings.admin, launched).explained_queues
        deployment.backend.check_queues(sorted(possible - {""}))


def _execution(deployment: Deployment, who: Identity, task: str, digest: Callable[[], str]) -> Execution:
    """The execution that a call belongs to. A new one is recorded, and then announced.

    :param digest: of the inputs, which may be large; by it a resumed execution is found again.
    """

    def earlier() -> str | None:
        return deployment.resumptions.take((who.project, who.domain, who.workflow), task, digest)

    execution, begins = deployment.executions.of(who.root, who.project, who.domain, who.workflow, earlier)
    if not begins:
        return execution
    deployment.note_executions_ended(deployment.executions.take_finished_executions())
    if not execution.resumed:
        _record(deployment, execution)
    resumed = ", resumed" * execution.resumed
    deployment.reporter.say(f"Execution {execution.name}  of {execution.workflow}{resumed}")
    if address := page_address_of_run(deployment.home, execution.name):
        deployment.reporter.say(f"Its page: {address}", to_copy=True)
    deployment.between_calls.watch_interrupts()
    return execution


def _record(deployment: Deployment, execution: Execution) -> None:
    try:
        folder = str(Path.cwd())
    except FileNotFoundError:
        text = (
            "The working directory of this process has been removed, and its jobs start there: change to another one."
        )
        raise FileNotFoundError(text) from None
    try:
        RunRecord(deployment.home.run(execution.name)).write_execution(
            {
                "execution": execution.name,
                "endpoint": deployment.backend.endpoint,
                "region": deployment.backend.batch.region,
                "launch": deployment.executions.names[0],
                "project": execution.project,
                "domain": execution.domain,
                "workflow": execution.workflow,
                "started": machine_time.wall(),
                "process": process_mark(),
                "command": redact_command(sys.argv, os.environ),
                "folder": folder,
            }
        )
    except OSError as error:
        raise HomeError(f"The run cannot be recorded in {deployment.home.path}: {error.strerror}.") from error
