"""Nodes of a workflow that run side by side, as propeller runs them, although flytekit calls one task after another.

A node that another one does not wait for runs on a thread of its own. Its outputs are literals that are filled in when
something reads them; flytekit only passes them on. Reading a value waits for the node, and raises the node's error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from flyteidl.core import literals_pb2
from flytekit.core.base_task import PythonTask
from flytekit.core.workflow import WorkflowBase
from flytekit.models.literals import Binding, Literal, LiteralMap

from flytekitplugins.awsbatch.sdk.emulated_calls import EmulatedCalls

from ..console.interrupts import Interrupted, Interrupts
from .promises import nodes_of_promises

if TYPE_CHECKING:
    from flytekit.core.node import Node

    from ..identity.executions import Execution
    from ..identity.node_identity import Place
    from .call import Call


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

    :param run: runs it to its end and gives its outputs. It sets `submitted` once AWS Batch has the job.
    :param upstream: nodes that must have succeeded first.
    :param stop: closes the deployment when a signal comes while the main thread waits.
    """

    def __init__(
        self,
        run: Callable[[], LiteralMap],
        upstream: Sequence[RunningNode],
        name: str,
        submitted: threading.Event,
        stop: Callable[[], None],
    ) -> None:
        self._run = run
        self._upstream = upstream
        self._submitted = submitted
        self.stop = stop
        self._outputs: LiteralMap | None = None
        self.error: BaseException | None = None
        self.ended = threading.Event()
        # A daemon, so that a process that ends early comes to its `atexit` functions, which stop the jobs.
        threading.Thread(target=self._to_its_end, name=f"node {name}", daemon=True).start()

    def _to_its_end(self) -> None:
        try:
            for node in self._upstream:
                node.outputs()
            self._outputs = self._run()
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()
            self._submitted.set()

    def outputs(self) -> LiteralMap:
        """Waits for the node's end. Raises what its call raised; on the main thread also KeyboardInterrupt or
        SystemExit after a signal."""
        _wait_for(self.ended, self.stop)
        if self._outputs is None:
            assert self.error is not None
            raise self.error
        return self._outputs


def run_node_concurrently(
    call: Call,
    inputs: literals_pb2.LiteralMap,
    place: Place,
    workflow: Any,
    execution: Execution,
    stop: Callable[[], None],
) -> LiteralMap:
    """Runs a node where its workflow lets it: beside others on a thread of its own, or here.

    :param workflow: the workflow that was launched, if the node is one of its own nodes; else None.
    """
    node = place.node
    if node is None or not isinstance(workflow, WorkflowBase):
        return call.run(inputs)
    running = execution.running
    upstream = [running[one.id] for one in node.upstream_nodes if one.id in running]
    if not runs_beside_others(workflow, node):
        for one in upstream:
            _outputs_of(one, running.values())
        return _run_in_place(call, inputs, running.values())
    running[node.id] = RunningNode(lambda: call.run(inputs), upstream, call.label, call.submitted, stop)
    if all(one.ended.is_set() for one in upstream):
        # Jobs are submitted in the order in which the tasks were called.
        _wait_for(call.submitted, stop)

    def outputs() -> LiteralMap:
        return _outputs_of(running[node.id], running.values())

    return LiteralMap({name: PendingLiteral(outputs, name) for name in node.flyte_entity.interface.outputs})


def _run_in_place(call: Call, inputs: literals_pb2.LiteralMap, beside: Collection[RunningNode]) -> LiteralMap:
    try:
        return call.run(inputs)
    except Exception as error:
        own = error
    raise _first_error(beside) or own


def _outputs_of(node: RunningNode, beside: Collection[RunningNode]) -> LiteralMap:
    """The outputs of a node that runs or has ended. Raises the first error if it failed."""
    try:
        return node.outputs()
    except Exception as error:
        own = error
    # A node's thread must not wait for itself.
    on_main_thread = threading.current_thread() is threading.main_thread()
    raise (_first_error(beside) if on_main_thread else None) or own


def _first_error(nodes: Collection[RunningNode]) -> BaseException | None:
    """The first error of some nodes in the order of their calls, once all of them have ended: on a cluster they are not
    cut short by another one's failure either."""
    for node in nodes:
        _wait_for(node.ended, node.stop)
    return next((node.error for node in nodes if node.error is not None), None)


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


def _refers_to(binding: Binding, node: Node) -> bool:
    return node.id in nodes_of_promises(binding.binding)
