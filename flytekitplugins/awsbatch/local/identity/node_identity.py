"""Which node of its execution a task call is: what FlyteAdmin's compiler and propeller read off the compiled graph, and
a local run, which only sees calls, has to find out. Nothing is decided here about what a node's overrides do.

flytekit compiles a workflow before it runs it, so the k-th call of an entity in it is the entity's k-th node. Of the
calls in the branches of a conditional, which flytekit makes one after another, only that in the branch that is taken
leads to a task; tasks for AWS Batch tell of the others (`note_skipped_call`). Of a subworkflow that several branches
call the others are not seen, and there are no nodes to look up for what a `@dynamic` task calls: these calls are
numbered.
"""

from __future__ import annotations

import functools
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any

from flytekit.core.condition import BranchNode
from flytekit.core.workflow import ImperativeWorkflow, WorkflowBase
from flytekit.models.core.workflow import NodeMetadata

from flytekitplugins.awsbatch.admin.single_task import single_task_node_id
from flytekitplugins.awsbatch.propeller.aws_array.requirements import ResourceRequirements
from flytekitplugins.awsbatch.propeller.node.names import propeller_unique_node_id
from flytekitplugins.awsbatch.propeller.node.node_request import ParentNode

from .execution_identity import EntityCall, identified_call_has_ended

if TYPE_CHECKING:
    from flytekit.core.base_task import PythonTask
    from flytekit.core.node import Node

# flytekit compiles what a @dynamic task calls with this in front (`compile_into_workflow`). A job has compiled no
# workflow before, so that the nodes of one that is called there have it too; those of an imperative one were made when
# its module was imported.
DYNAMIC = "d"
NODE_THAT_FLYTEKIT_NAMES = re.compile(r"f?n\d+")
NUMBERED = (
    "Calls in a @dynamic task, and of a subworkflow that several branches call, are numbered as they come, and what "
    "with_overrides() says about them is not seen here; on a cluster it is."
)
# A label is a file's name; node ids have at most 63 characters, but workflows nest.
MAX_LABEL = 120


@dataclass(frozen=True)
class Place:
    """Where a task call stands in its execution.

    :param parents: the nodes around it, outermost first.
    :param node: what flytekit compiled, with its overrides; None for a task on its own, and where there is none.
    :param single: a task on its own, whose node FlyteAdmin makes.
    :param call: how many calls of the execution came before.
    """

    node_id: str
    parents: tuple[ParentNode, ...] = ()
    node: Node | None = None
    single: bool = False
    call: int = 0

    @property
    def label(self) -> str:
        """Unique within the execution: Flyte's unique id of a node, before it is cut to 20 characters by hashing."""
        text = "-".join([*(f"{parent.node_id}-{parent.attempt}" for parent in self.parents), self.node_id])
        return text if len(text) <= MAX_LABEL else propeller_unique_node_id(self.parents, self.node_id)

    @property
    def numbered(self) -> bool:
        return self.node is None and not self.single

    @property
    def resources(self) -> ResourceRequirements | None:
        """What `with_overrides(requests=, limits=)` asks for."""
        given = self.node._resources if self.node is not None else None
        return ResourceRequirements.from_template(given.to_flyte_idl()) if given is not None else None

    def called_too_late(self, workflow: Any) -> list[str]:
        """The nodes that `>>` puts before this one, and that the workflow's function calls after it."""
        if self.node is None or not isinstance(workflow, WorkflowBase):
            return []
        # Another node, in a branch of a conditional, may have the same id.
        own = next((at for at, node in enumerate(workflow.nodes) if node is self.node), len(workflow.nodes))
        later = {node.id for node in workflow.nodes[own + 1 :]}
        return [node.id for node in self.node.upstream_nodes if node.id in later]

    def retries(self, task: PythonTask[Any]) -> int | None:
        """The node's own; None for the template's (FlyteAdmin copies those into the node that it makes)."""
        return None if self.single else int(self._metadata(task).retries.retries)

    def timeout(self, task: PythonTask[Any]) -> float | None:
        """Seconds that an attempt of the node may take; FlyteAdmin gives none to the node that it makes."""
        given = None if self.single else self._metadata(task).timeout
        return (given.total_seconds() if isinstance(given, timedelta) else float(given or 0)) or None

    def _metadata(self, task: PythonTask[Any]) -> NodeMetadata:
        return self.node.metadata if self.node is not None else task.construct_node_metadata()


@dataclass
class _Scope:
    """One call of a workflow or of a @dynamic task, and the calls made in it so far.

    :param parents: of the nodes in it.
    :param prefix: of their ids.
    """

    entity: Any
    parents: tuple[ParentNode, ...]
    prefix: str
    calls: Counter[str] = field(default_factory=Counter)
    branches: Counter[str] = field(default_factory=Counter)
    numbered: int = 0

    def place(self, call: EntityCall, tells_of_skipped: bool = False) -> Place:
        """
        :param tells_of_skipped: whether the entity is a task for AWS Batch.
        """
        node = self._compiled(call)
        if node is not None:
            return Place(_id(node, self.prefix), self.parents, node)
        found = self._in_branch(call, tells_of_skipped) if call.in_branch else None
        if found is not None:
            return found
        number, self.numbered = self.numbered, self.numbered + 1
        first = len(self.entity.nodes) if isinstance(self.entity, WorkflowBase) else 0
        return Place(f"{self.prefix}n{first + number}", self.parents)

    def _compiled(self, call: EntityCall) -> Node | None:
        """The node of a call, or None. Maps are made anew with each run of the function, so names are compared."""
        if not isinstance(self.entity, WorkflowBase) or call.in_branch:
            return None
        if call.on_failure:
            return self.entity.failure_node
        count, self.calls[call.entity.name] = self.calls[call.entity.name], self.calls[call.entity.name] + 1
        same = [node for node in self.entity.nodes if _name(node) == call.entity.name]
        return same[count] if count < len(same) else None

    def _in_branch(self, call: EntityCall, tells_of_skipped: bool) -> Place | None:
        """The place of a call in a branch; None where several branches call an entity that does not tell of the calls
        in those that are not taken."""
        if not isinstance(self.entity, WorkflowBase):
            return None
        same = self._places_in_branches.get(call.entity.name, ())
        count, self.branches[call.entity.name] = self.branches[call.entity.name], self.branches[call.entity.name] + 1
        count += call.skipped
        return same[count] if count < len(same) and (tells_of_skipped or len(same) == 1) else None

    @functools.cached_property
    def _places_in_branches(self) -> Mapping[str | None, Sequence[Place]]:
        """What is called in the branches of the workflow's conditionals, by name."""
        found = defaultdict(list)
        for place in workflow_places(self.entity, self.parents, self.prefix):
            if place.parents != self.parents:
                found[_name(place.node)].append(place)
        return found


class Nodes:
    """The nodes of one execution, as its calls come. Calls may come from several threads."""

    def __init__(self) -> None:
        self._scopes: dict[FrameType, _Scope] = {}
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def place(self, calls: Sequence[EntityCall], task_name: str) -> Place:
        """
        :param calls: the calls that lead to the task's, its own last; empty when nothing is known of them.
        """
        with self._lock:
            for frame in [one for one in self._scopes if identified_call_has_ended(one)]:
                del self._scopes[frame]
            if len(calls) < 2:
                return self._taking(Place(single_task_node_id(task_name), single=True))
            scope = self._outermost(calls[0])
            for call in calls[1:-1]:
                scope = self._within(scope, call)
            return self._taking(scope.place(calls[-1], tells_of_skipped=True))

    def _outermost(self, call: EntityCall) -> _Scope:
        if call.frame not in self._scopes:
            alone = (
                () if isinstance(call.entity, WorkflowBase) else (ParentNode(single_task_node_id(call.entity.name)),)
            )
            self._scopes[call.frame] = _Scope(call.entity, alone, DYNAMIC if alone else "")
        return self._scopes[call.frame]

    def _within(self, scope: _Scope, call: EntityCall) -> _Scope:
        if call.frame not in self._scopes:
            place = scope.place(call)
            prefix = scope.prefix if isinstance(call.entity, WorkflowBase) else DYNAMIC
            if isinstance(call.entity, ImperativeWorkflow):
                prefix = ""
            self._scopes[call.frame] = _Scope(call.entity, (*place.parents, ParentNode(place.node_id)), prefix)
        return self._scopes[call.frame]

    def _taking(self, place: Place) -> Place:
        """The place, under another id if that one is taken: several threads of a user's program may belong to one
        execution."""
        number = 1
        found = place
        while found.label in self._taken:
            number += 1
            found = replace(place, node_id=f"{place.node_id}-{number}")
        self._taken.add(found.label)
        return replace(found, call=len(self._taken) - 1)


def workflow_places(workflow: WorkflowBase, parents: tuple[ParentNode, ...], prefix: str = "") -> Iterator[Place]:
    """The nodes of a workflow and of the branches of its conditionals, in the order of the calls, each once: a branch
    may also be given what was called before it, in the workflow or in another branch.

    :param prefix: of the ids that flytekit made.
    """
    known = {id(node) for node in workflow.nodes}
    for node in (*workflow.nodes, *([workflow.failure_node] if workflow.failure_node else [])):
        yield Place(_id(node, prefix), parents, node)
        for place in _branch_places(node, parents, prefix):
            if id(place.node) not in known:
                known.add(id(place.node))
                yield place


def _branch_places(node: Node, parents: tuple[ParentNode, ...], prefix: str, around: str = "") -> Iterator[Place]:
    """What the branches of a conditional call, in the order of these calls, under the ids that FlyteAdmin's compiler
    gives (`validators/branch.go`). Of another node nothing.

    :param around: of a conditional in a branch of another.
    """
    if not isinstance(node.flyte_entity, BranchNode):
        return
    conditional = f"{around}{_id(node, prefix)}"
    within = (*parents, ParentNode(conditional))
    block = node.flyte_entity._ifelse_block
    for case in (block.case.then_node, *(case.then_node for case in block.other or ()), block.else_node):
        if case is not None:
            yield Place(f"{conditional}-{_id(case, prefix)}", within, case)
            yield from _branch_places(case, within, prefix, f"{conditional}-")


def _id(node: Node, prefix: str) -> str:
    return f"{prefix}{node.id}" if NODE_THAT_FLYTEKIT_NAMES.fullmatch(node.id) else str(node.id)


def _name(node: Node | None) -> str | None:
    return getattr(node.flyte_entity, "name", None) if node is not None else None
