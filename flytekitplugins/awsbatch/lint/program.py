"""The program around a task, as far as flytekit has seen it: which calls there are of it, and what maps it.

flytekit keeps every entity it made in one list; a workflow's nodes are there once it was compiled, which is before
anything of it is put on the wire.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from flytekit.core.condition import BranchNode
from flytekit.core.context_manager import FlyteContextManager, FlyteEntities
from flytekit.core.legacy_map_task import MapPythonTask
from flytekit.core.node import Node
from flytekit.core.python_function_task import PythonFunctionTask
from flytekit.core.workflow import ImperativeWorkflow, PythonFunctionWorkflow, WorkflowBase

from ..sdk.switch import variable_of_job
from ..wire import ARRAY_TASK_TYPE, SINGLE_TASK_TYPE


def runs_on_batch(entity: Any) -> bool:
    """Whether an entity is a task, or a map, whose jobs go to AWS Batch."""
    return getattr(entity, "task_type", None) in (SINGLE_TASK_TYPE, ARRAY_TASK_TYPE)


def program_calls_of(task: Any) -> tuple[Node, ...]:
    """The nodes that call a task, in the workflows compiled so far."""
    nodes = (node for workflow in program_workflows() for node in program_nodes_of(workflow))
    return tuple(node for node in nodes if _is_same(node.flyte_entity, task))


def _is_same(one: Any, other: Any) -> bool:
    """Whether two entities are one for Flyte: a map made in a workflow's function is another object each time that
    runs."""
    if one is other:
        return True
    maps = isinstance(one, MapPythonTask) and isinstance(other, MapPythonTask)
    return maps and one.run_task is other.run_task and one.name == other.name


def program_maps_over(task: Any) -> tuple[Any, ...]:
    """The array tasks made so far that map a task: ours, and flytekit's legacy ones."""
    return tuple(one for one in FlyteEntities.entities if isinstance(one, MapPythonTask) and one.run_task is task)


def is_our_map_in_program(mapping: Any) -> bool:
    """Whether a map task is an AWSBatchMapTask, which alone says what is fine for it."""
    return hasattr(mapping, "lint_ignore")


def compile_program_workflow(workflow: WorkflowBase) -> None:
    """Raises whatever compiling it raises. flytekit marks a workflow as compiled before it compiles it, and does not
    take that back."""
    try:
        workflow.compile()
    except BaseException:
        workflow.compiled = False
        raise


def compile_program_workflows() -> None:
    """Compiles the workflows that flytekit has not compiled yet.

    One that cannot be compiled is left as it was: flytekit tells when it is sent. Nothing is done in a job, or while a
    workflow is being compiled: what is sent then is known already.
    """
    context = FlyteContextManager.current_context()
    if variable_of_job() or context.compilation_state is not None:
        return
    for workflow in list(program_workflows()):
        if isinstance(workflow, PythonFunctionWorkflow) and not workflow.compiled:
            with contextlib.suppress(Exception):
                compile_program_workflow(workflow)


def are_program_calls_known() -> bool:
    """Whether all calls are known, and so all maps: one is made while the workflow that calls it is compiled, or while
    the `@dynamic` or `@eager` task runs that does."""
    compiled = all(one.compiled for one in program_workflows() if isinstance(one, PythonFunctionWorkflow))
    tasks = (entity for entity in FlyteEntities.entities if isinstance(entity, PythonFunctionTask))
    return compiled and all(task.execution_mode is PythonFunctionTask.ExecutionBehavior.DEFAULT for task in tasks)


def program_workflows() -> Iterator[WorkflowBase]:
    """All but those that flytekit makes of `@dynamic` tasks when these run: nothing is registered of them, and to
    compile one is to run the task's function without its inputs."""
    entities = list(FlyteEntities.entities)
    dynamic = {id(getattr(entity, "_wf", None)) for entity in entities if isinstance(entity, PythonFunctionTask)}
    return (entity for entity in entities if isinstance(entity, WorkflowBase) and id(entity) not in dynamic)


def program_nodes_of(workflow: WorkflowBase) -> Iterator[Node]:
    """The nodes of a workflow, as far as it was compiled."""
    # Not `nodes` of a function, which would compile the workflow.
    nodes = workflow.nodes if isinstance(workflow, ImperativeWorkflow) else workflow._nodes
    for node in [*nodes, *([workflow.failure_node] if workflow.failure_node else [])]:
        yield from _with_branches(node)


def _with_branches(node: Node) -> Iterator[Node]:
    """A node and, if it is a conditional, the nodes in its branches."""
    yield node
    if isinstance(node.flyte_entity, BranchNode):
        block = node.flyte_entity._ifelse_block
        branches = [block.case.then_node, *(case.then_node for case in block.other or []), block.else_node]
        for branch in branches:
            if branch is not None:
                yield from _with_branches(branch)


def is_only_mapped(task: Any) -> bool:
    """Whether a task is registered only because a map of ours has to find it: nothing calls it as a single job."""
    return (
        not isinstance(task, MapPythonTask)
        and not program_calls_of(task)
        and any(map(is_our_map_in_program, program_maps_over(task)))
    )
