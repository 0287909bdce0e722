"""The lengths of the lists that a call gets, where the program has them: in the call, or in a call, a default or a
launch plan of the workflow around it. How long task outputs and the inputs of executions are is known in a run only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flytekit.core.constants import GLOBAL_INPUT_NODE_ID
from flytekit.core.context_manager import FlyteEntities
from flytekit.core.launch_plan import LaunchPlan
from flytekit.core.node import Node
from flytekit.core.workflow import WorkflowBase

from .program import program_nodes_of, program_workflows

# (how many items, where that is written)
Written = tuple[int, str]


def lists_in_call(node: Node, name: str) -> Iterator[Written]:
    """:param name: of an input of the node's entity."""
    for binding in node.bindings:
        if binding.var != name:
            continue
        given = binding.binding
        if given.collection is not None:
            yield len(given.collection.bindings), f"in node {node.id}"
        elif (
            given.promise is not None and given.promise.node_id == GLOBAL_INPUT_NODE_ID and not given.promise.attr_path
        ):
            yield from _handed_on(node, given.promise.var)


def _handed_on(node: Node, name: str) -> Iterator[Written]:
    for workflow in program_workflows():
        if any(one is node for one in program_nodes_of(workflow)):
            yield from _lists_of_workflow(workflow, name)


def _lists_of_workflow(workflow: WorkflowBase, name: str) -> Iterator[Written]:
    """What the input of a workflow may be, by its default, its launch plans and the workflows that call it."""
    default = workflow.python_interface.default_inputs_as_kwargs.get(name)
    if isinstance(default, list):
        yield len(default), f"by default in {workflow.name}"
    plans = [one for one in list(FlyteEntities.entities) if isinstance(one, LaunchPlan) and one.workflow is workflow]
    for plan in plans:
        for size in _sizes_in_plan(plan, name):
            yield size, f"in the launch plan {plan.name}"
    callers: list[Any] = [workflow, *plans]
    for other in program_workflows():
        for node in program_nodes_of(other):
            if any(node.flyte_entity is one for one in callers):
                yield from lists_in_call(node, name)


def _sizes_in_plan(plan: LaunchPlan, name: str) -> Iterator[int]:
    fixed = plan.fixed_inputs.literals.get(name) if plan.fixed_inputs is not None else None
    parameter = plan.parameters.parameters.get(name) if plan.parameters is not None else None
    for literal in (fixed, parameter.default if parameter is not None else None):
        if literal is not None and literal.collection is not None:
            yield len(literal.collection.literals)
