"""`flyte-awsbatch plan`: what an execution would send to AWS Batch, without running or sending anything."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import rich_click as click
from flytekit.configuration import ImageConfig
from flytekit.core.base_task import Task
from flytekit.core.context_manager import FlyteEntities
from flytekit.core.launch_plan import LaunchPlan
from flytekit.core.reference_entity import ReferenceEntity
from flytekit.core.workflow import PythonFunctionWorkflow, WorkflowBase
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from flytekitplugins.awsbatch.admin.decision_data import decision_data, decision_data_by_matching
from flytekitplugins.awsbatch.lint.program import compile_program_workflows
from flytekitplugins.awsbatch.lint.targets import TargetError, target_of
from flytekitplugins.awsbatch.local.deployment.locations import Locations, locations_of_settings
from flytekitplugins.awsbatch.local.home import home_from_environment
from flytekitplugins.awsbatch.local.run.execution_plan import Plan, PlannedNode, planned_workflow_name
from flytekitplugins.awsbatch.local.run.execution_plan import plan_workflow as plan_of

from .common import (
    FOUND,
    command_console,
    config_option,
    ending_command_with_problems,
    execution_click_options,
    fail_command,
    json_option,
    print_json,
    settings_of_command,
    show_block,
    show_indented,
)
from .lint import NOT_LOADED, image_option, say_error_of_users_code
from .queue import queue_answer_text


# The inputs of `pyflyte run` are options that only the workflow knows.
@click.command("plan", context_settings={"ignore_unknown_options": True})
@click.argument("target", metavar="FILE|MODULE")
@click.argument("name", metavar="WORKFLOW|TASK|LAUNCH_PLAN")
@click.argument("inputs", nargs=-1, type=click.UNPROCESSED, metavar="[INPUTS]")
@execution_click_options
@image_option("The image that the tasks start from, as for pyflyte run.")
@config_option
@json_option
def plan_command(
    target: str,
    name: str,
    inputs: tuple[str, ...],
    project: str | None,
    domain: str | None,
    execution: str,
    images: ImageConfig,
    files: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print the queue, the role and the requests of an execution, without running anything.

    Imports FILE or MODULE, as `pyflyte run` does. What only a run can know, such as the length of a list that comes out
    of a task, is said to be unknown. Ends with status 1 when there is no queue, or a task that cannot be sent, and with
    2 when FILE cannot be imported or the workflow does not compile.

    INPUTS may stand there as for `pyflyte run`, so that its command line can be taken as it is: they change nothing.
    """
    settings = settings_of_command(files, as_json)
    entity = _entity(target, name)
    _check_compiles(entity)
    _check_inputs(entity, inputs)
    who = settings.admin.emulator.launched(planned_workflow_name(entity), project, domain, execution)
    home = home_from_environment(os.environ)
    with ending_command_with_problems(as_json):
        where = locations_of_settings(settings, home, elsewhere=False) if settings.local.storage else Locations(home)
        planned = plan_of(entity, settings, who, where, images)
    if as_json:
        decision = decision_data(planned.decision, decision_data_by_matching(settings.admin, planned.decision))
        print_json({"decision": decision, "nodes": planned.nodes, "unknown": planned.unknown})
    else:
        _show(command_console(), planned)
    sys.exit(0 if planned.decision.queue and not any(node.problem for node in planned.nodes) else FOUND)


def _entity(target: str, name: str) -> Any:
    """The workflow or task of this name, or with this last part of its name; a launch plan by its variable's, too."""
    try:
        found = target_of(target)
    except TargetError as error:
        raise click.BadParameter(str(error), param_hint="FILE|MODULE") from error
    with found.importable():
        for module in found.modules:
            try:
                found.load(module)
            except (Exception, SystemExit) as error:
                say_error_of_users_code(f"{module} could not be loaded", error)
                sys.exit(NOT_LOADED)
        compile_program_workflows()
    own = tuple(f"{module}." for module in found.modules)
    entities = [each for each in FlyteEntities.entities if isinstance(each, WorkflowBase | Task)]
    every = [each for each in entities if each.name.startswith(own)]
    named = [each for each in every if f".{each.name}".endswith(f".{name}")]
    if not named:
        variables = [pair for module in found.modules for pair in vars(sys.modules[module]).items()]
        # The workflow of a reference is somewhere else.
        plans = [
            (known, each)
            for known, each in variables
            if isinstance(each, LaunchPlan) and not isinstance(each, ReferenceEntity)
        ]
        named = [each for known, each in plans if known == name or f".{each.name}".endswith(f".{name}")]
    if not named:
        names = {str(each.name).rpartition(".")[2] for each in every if not hasattr(each, "run_task")}
        known = ", ".join(sorted(names)) or "none"
        fail_command(f"{target} has no workflow, task or launch plan {name!r}; it has {known}.")
    return next((each for each in named if each.name == name), named[0])


def _check_compiles(entity: Any) -> None:
    entity = entity.workflow if isinstance(entity, LaunchPlan) else entity
    if isinstance(entity, PythonFunctionWorkflow) and not entity.compiled:
        try:
            entity.compile()
        except Exception as error:
            say_error_of_users_code(f"{entity.name} does not compile", error)
            sys.exit(NOT_LOADED)


def _check_inputs(entity: Any, given: tuple[str, ...]) -> None:
    """Any other option is a mistake that should not be taken for an input."""
    known = [word for name in entity.python_interface.inputs for word in (f"--{name}", f"--{name.replace('_', '-')}")]
    known.append("--inputs-file")
    for word in given:
        if word.startswith("--") and word.partition("=")[0] not in known:
            raise click.NoSuchOption(word.partition("=")[0], possibilities=[*dict.fromkeys(known)])


def _show(out: Console, planned: Plan) -> None:
    who, decision = planned.decision.explanation.execution, planned.decision
    out.print(Text.assemble("Workflow ", (who.workflow, "bold"), f" in {who.project}/{who.domain}"))
    out.print(queue_answer_text(decision.explanation))
    if decision.no_queue_help:
        show_indented(out, decision.no_queue_help)
    source = f" ({decision.role.source})" if decision.role.source else ""
    out.print(f"Role: {decision.job_role or 'none'}{source}", markup=False, soft_wrap=True)
    for node in planned.nodes:
        out.print()
        _show_node(out, node)
    if not planned.nodes:
        out.print("No task of it is known to run on AWS Batch.")
    for sentence in planned.unknown:
        out.print()
        show_indented(out, f"Not known before it runs: {sentence}", 0)


def _show_node(out: Console, node: PlannedNode) -> None:
    what = "a job" if node.size is None else f"an array of {node.size}" if isinstance(node.size, int) else "an array"
    line = Text.assemble((f"{node.node} {node.function}", "bold"))
    if node.problem:
        out.print(line)
        show_indented(out, f"This cannot be sent: {node.problem}")
        return
    tries = node.request.get("retryStrategy", {}).get("attempts", 1)
    line.append(f": {what}, tried {'once' if tries == 1 else f'up to {tries} times'}")
    if node.attempts > 1:
        line.append(f" in each of {node.attempts} attempts of the node")
    out.print(line)
    for title, body in (("RegisterJobDefinition", node.definition), ("SubmitJob", node.request)):
        out.print(Text(f"  {title}", style="dim"))
        show_block(out, Syntax("", "json", background_color="default").highlight(json.dumps(body, indent=2)))
