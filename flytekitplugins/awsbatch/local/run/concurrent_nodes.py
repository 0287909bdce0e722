"""Nodes of a workflow that run side by side, as propeller runs them, although flytekit calls one task after another.

A node that another one does not wait for runs on a thread of its own. Its outputs are literals that are filled in when
something reads them; flytekit only passes them on. Reading a value waits for the node, and raises the node's error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from flyteidl.core import literals_pb2
from flytekit.core.base_task import PythonTask
from flytekit.core.constants import GLOBAL_INPUT_NODE_ID
from flytekit.core.workflow import WorkflowBase, WorkflowFailurePolicy
from flytekit.models.literals import Binding, Literal, LiteralMap

from flytekitplugins.awsbatch.propeller.aws_array.concurrently import concurrently_in_order
from flytekitplugins.awsbatch.sdk.emulated_calls import EmulatedCalls

from ..console.failure import TaskFailedError
from ..console.interrupts import Interrupted, Interrupts
from .call import Call, NodeAbortedError
from .promises import nodes_of_promises

if TYPE_CHECKING:
    from flytekit.core.node import Node

    from ..identity.execution_identity import EntityCall
    from ..identity.executions import Execution
    from ..identity.node_identity import Place


class PendingLiteral(Literal):  # type: ignore[misc]
    """One output of a node that may still run. Reading an attribute waits for the node, and reads that of the
    literal."""

    def __init__(self, outputs: Callable[[], LiteralMap], name: str) -> None:
        self.__dict__["outputs_of_node"] = outputs
        self.__dict__["name_of_output"] = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute in ("outputs_of_node", "name_of_output"):
            raise AttributeError(attribute)
        literal = self.outputs_of_node().literals[self.name_of_output]
        self.__dict__.update(vars(literal))
        return getattr(literal, attribute)


class RunningNode:
    """A node that runs on a thread of its own.

    :param run: runs the node's call to its end.
    :param stop: closes the deployment when a signal comes while the main thread waits.
    """

    def __init__(
        self, call: Call, run: Callable[[], LiteralMap], stop: Callable[[], None], workflow: WorkflowBase
    ) -> None:
        self._call = call
        self._run = run
        self.stop = stop
        self.workflow = workflow
        self._outputs: LiteralMap | None = None
        self.error: BaseException | None = None
        self.ended = threading.Event()
        # A daemon, so that a process that ends early comes to its `atexit` functions, which stop the jobs.
        self.thread = threading.Thread(target=self._to_its_end, name=f"node {call.label}", daemon=True)
        self.thread.start()

    def _to_its_end(self) -> None:
        try:
            self._outputs = self._run()
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()
            # Last: whoever waits for the job asks then which nodes have ended.
            self._call.submitted.set()

    def outputs(self) -> LiteralMap:
        """Waits for the node's end. Raises what its call raised; on the main thread also KeyboardInterrupt or
        SystemExit after a signal."""
        _wait_for(self.ended, self.stop)
        if self._outputs is None:
            assert self.error is not None
            raise self.error
        return self._outputs


class NodeStart(Enum):
    """How a node is started when flytekit calls its task."""

    # Here and right away: no workflow around it is known, or it belongs to what a failure node calls.
    AT_ONCE = auto()
    # Here, when no other node runs any more.
    AFTER_FAILURE = auto()
    # Here, after the nodes that it needs.
    IN_TURN = auto()
    # On a thread of its own, while flytekit calls the next tasks.
    BESIDE_OTHERS = auto()


def concurrent_node_start(place: Place, calls: Sequence[EntityCall]) -> NodeStart:
    """:param calls: that lead from the one that launched the execution to the task's own, where they are known."""
    workflow = calls[0].entity if len(calls) > 1 else None
    if not isinstance(workflow, WorkflowBase):
        return NodeStart.AT_ONCE
    if any(one.on_failure for one in calls):
        return NodeStart.AFTER_FAILURE if calls[1].on_failure else NodeStart.AT_ONCE
    # A node of a subworkflow, or of what a branch calls, runs when flytekit calls it.
    if len(calls) > 2 or place.node is None or not runs_beside_others(workflow, place.node):
        return NodeStart.IN_TURN
    return NodeStart.BESIDE_OTHERS


def run_node_concurrently(
    call: Call,
    inputs: literals_pb2.LiteralMap,
    place: Place,
    calls: Sequence[EntityCall],
    execution: Execution,
    stop: Callable[[], None],
) -> LiteralMap:
    """Runs a node where its workflow lets it: beside others on a thread of its own, or here.

    :param calls: as for `concurrent_node_start`.
    """
    start = concurrent_node_start(place, calls)
    if start is NodeStart.AT_ONCE:
        return call.run(inputs)
    workflow = calls[0].entity
    if start is NodeStart.AFTER_FAILURE:
        # Propeller comes to the failure node when no other node runs any more; a plain task may have failed here.
        _abort_others(None, None, workflow, execution)
        _wait_for_running_nodes(execution)
        return call.run(inputs)
    _note_under_way(call, execution)
    # A @dynamic task may catch the errors of what it calls in a local run, and go on.
    may_be_caught = not all(isinstance(one.entity, WorkflowBase) for one in calls[:-1])

    node = place.node if len(calls) == 2 else None
    needed = node.upstream_nodes if node is not None else []
    upstream = [execution.running[one.id] for one in needed if one.id in execution.running]

    def run() -> LiteralMap:
        try:
            for one in upstream:
                one.outputs()
            return call.run(inputs)
        except TaskFailedError as error:
            # Other errors, a damaged record say, are no failure that a cluster would know: what runs may go on.
            if not may_be_caught:
                _abort_others(call, error, workflow, execution)
            raise
        finally:
            with execution.lock:
                execution.under_way.remove(call)

    if node is None or start is NodeStart.IN_TURN:
        return _run_in_turn(run, execution, may_be_caught, place)
    execution.running[node.id] = RunningNode(call, run, stop, workflow)
    if all(one.ended.is_set() for one in upstream):
        # Jobs are submitted in the order in which the tasks were called.
        _wait_for(call.submitted, stop)
    return _outputs_to_come(node, execution)


def _note_under_way(call: Call, execution: Execution) -> None:
    """Notes that a call begins. Raises the workflow's error where a node has failed: no further one starts."""
    with execution.lock:
        failure = execution.failure
        if failure is None:
            execution.under_way.append(call)
    if failure is not None:
        raise _reported_error(execution) or failure


def _run_in_turn(run: Callable[[], LiteralMap], execution: Execution, may_be_caught: bool, place: Place) -> LiteralMap:
    try:
        return run()
    except Exception as error:
        own = error
    wait = not may_be_caught or isinstance(own, NodeAbortedError)
    # In the workflow that was launched it is the error of the node that leads to this one.
    outermost = place.parents[0].node_id if place.parents else place.node_id
    raise (_reported_error(execution, ((outermost, own),)) if wait else None) or own


def _outputs_to_come(node: Node, execution: Execution) -> LiteralMap:
    def outputs() -> LiteralMap:
        return _outputs_of(execution.running[node.id], execution)

    return LiteralMap({name: PendingLiteral(outputs, name) for name in node.flyte_entity.interface.outputs})


def _outputs_of(node: RunningNode, execution: Execution) -> LiteralMap:
    """The outputs of a node that runs or has ended. Raises the workflow's error if it failed."""
    try:
        return node.outputs()
    except Exception as error:
        own = error
    # A node's thread must not wait for itself.
    on_node_thread = threading.current_thread() in [one.thread for one in execution.running.values()]
    raise (None if on_node_thread else _reported_error(execution)) or own


def _abort_others(failed: Call | None, error: Exception | None, workflow: WorkflowBase, execution: Execution) -> None:
    """Aborts what else is under way, as propeller does once a node has failed, unless the workflow's policy is to let
    it end (`handleFailingWorkflow` in Flyte's `workflow/executor.go`).

    :param failed: None where it was no call of this package's.
    """
    if _lets_others_end(workflow):
        return
    with execution.lock:
        if execution.failure is not None:
            return
        execution.failure = error
        others = [one for one in execution.under_way if one is not failed]
    name = failed.label if failed is not None else "another task"
    # AWS may refuse one of them for a while, for which the others do not wait.
    for _ in concurrently_in_order(lambda one: one.abort_beside(name), others, len(others)):
        pass


def _wait_for_running_nodes(execution: Execution) -> None:
    for node in list(execution.running.values()):
        _wait_for(node.ended, node.stop)


def _reported_error(execution: Execution, in_turn: tuple[tuple[str, BaseException], ...] = ()) -> BaseException | None:
    """The error that the workflow ends with, once all nodes that run beside others have ended: the first in the order
    of the calls, never that of a node that was aborted; the last that propeller comes to where the policy lets the
    others end.

    :param in_turn: the id and the error of a node that ran when flytekit called it.
    """
    _wait_for_running_nodes(execution)
    running = execution.running
    errors = {name: node.error for name, node in running.items() if node.error is not None} | dict(in_turn)
    workflow = next((node.workflow for node in running.values()), None)
    if workflow is not None and _lets_others_end(workflow):
        return _last_error(workflow, errors)
    return next((error for error in errors.values() if not isinstance(error, NodeAbortedError)), execution.failure)


def _last_error(workflow: WorkflowBase, errors: Mapping[str, BaseException]) -> BaseException | None:
    """The last error on propeller's way through the nodes, which goes from each that has succeeded to those after it,
    in the order of their ids as texts (`handleDownstream` in Flyte's `nodes/executor.go`).

    :param errors: by node id; a node that waited for another one has that one's.
    """
    # What propeller comes to last, of a node and of what comes after it.
    last: dict[str, BaseException] = {}

    def last_of(nodes: list[Node]) -> BaseException | None:
        found = [last[one.id] for one in sorted(nodes, key=lambda one: one.id) if one.id in last]
        return found[-1] if found else None

    for node in reversed(workflow.nodes):
        own = errors.get(node.id)
        if own is None:
            found = last_of([one for one in workflow.nodes if node in one.upstream_nodes])
        else:
            found = None if any(own is errors.get(one.id) for one in node.upstream_nodes) else own
        if found is not None:
            last[node.id] = found
    # Those that take an input of the workflow follow on its start, whatever else they wait for.
    return last_of([one for one in workflow.nodes if not one.upstream_nodes or _refers_to_inputs(one)])


def _lets_others_end(workflow: WorkflowBase) -> bool:
    return workflow.workflow_metadata.on_failure is not WorkflowFailurePolicy.FAIL_IMMEDIATELY


def _wait_for(event: threading.Event, stop: Callable[[], None]) -> None:
    with Interrupts() as interrupts:
        try:
            interrupts.wait_for(event)
            return
        except Interrupted as interrupted:
            stop()
            number = interrupted.number
    raise interrupts.as_before(number)


def runs_beside_others(workflow: WorkflowBase, node: Node) -> bool:
    """Whether a node may run on while flytekit calls the next task: another node of the workflow and this one do not
    depend on each other, and every node that must come after this one waits for its outputs."""
    downstream = [other for other in workflow.nodes if node in _upstream_of(other)]
    related = {one.id for one in (*_upstream_of(node), *downstream, node)}
    if all(other.id in related for other in workflow.nodes):
        return False
    returned = any(_refers_to(binding, node) for binding in workflow.output_bindings)
    after = [other for other in workflow.nodes if node in other.upstream_nodes]
    consumers = [other for other in after if any(_refers_to(binding, node) for binding in other.bindings)]
    waited_for = returned or any(isinstance(other.flyte_entity, PythonTask) for other in consumers)
    return waited_for and all(other in consumers or isinstance(other.flyte_entity, EmulatedCalls) for other in after)


def _upstream_of(node: Node) -> list[Node]:
    """All nodes that a node waits for, directly or not."""
    found: list[Node] = []
    waiting = list(node.upstream_nodes)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.append(one)
            waiting.extend(one.upstream_nodes)
    return found


def _refers_to_inputs(node: Node) -> bool:
    return any(GLOBAL_INPUT_NODE_ID in nodes_of_promises(binding.binding) for binding in node.bindings)


def _refers_to(binding: Binding, node: Node) -> bool:
    return node.id in nodes_of_promises(binding.binding)
