"""The executions of this process: one for each outermost workflow or task that is called, as FlyteAdmin would make
them.

Names them and remembers which one a call belongs to.
"""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING

from .execution_identity import LOOP_FILE, LOOP_RUNNER, identified_call_has_ended
from .node_identity import Nodes

if TYPE_CHECKING:
    from ..run.call import Call
    from ..run.concurrent_nodes import RunningNode

_FIRST = string.ascii_lowercase
_ALPHABET = string.ascii_lowercase + string.digits
_LENGTH = 20


def _new_name() -> str:
    """A name like FlyteAdmin's own: 20 characters, a letter first."""
    return secrets.choice(_FIRST) + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH - 1))


@dataclass
class Execution:
    """One execution: what its names and paths are made of, and its nodes so far.

    :param resumed: whether an earlier process began it.
    :param running: its nodes that run beside others, by node id.
    :param under_way: the calls of a workflow's nodes that have not ended, those that wait for others included.
    :param failure: the error for which they were aborted; no further one begins. Both change under `lock`.
    """

    name: str
    project: str
    domain: str
    workflow: str
    resumed: bool = False
    nodes: Nodes = field(default_factory=Nodes)
    running: dict[str, RunningNode] = field(default_factory=dict)
    under_way: list[Call] = field(default_factory=list)
    failure: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)


def _is_of_its_own(thread: threading.Thread) -> bool:
    """Whether it is one of the user's threads: neither the main one nor that of an event loop of flytekit's."""
    return thread is not threading.main_thread() and not thread.name.endswith(LOOP_RUNNER)


class Executions:
    """Finds the execution a call belongs to; a call with another root starts another one.

    Several may be under way at once: an `@eager` function may launch workflows side by side.

    :ivar names: of all executions so far.
    """

    def __init__(self) -> None:
        # Each with the thread that began it.
        self._of_roots: dict[FrameType, tuple[Execution, threading.Thread]] = {}
        self._latest: Execution | None = None
        self._finished: list[str] = []
        self._lock = threading.Lock()
        self.names: list[str] = []

    def take_finished_executions(self) -> list[str]:
        """The names of executions whose outermost call has returned, each one once."""
        with self._lock:
            finished, self._finished = self._finished, []
            return finished

    def running(self) -> list[str]:
        """The names of executions whose outermost call has not returned. Not for a signal's handler: asking a call that
        has returned drops the values that its frame still holds, and so may run code of the user's."""
        return [
            execution.name
            for root, (execution, _) in list(self._of_roots.items())
            if not identified_call_has_ended(root)
        ]

    def running_at_signal(self, frame: FrameType | None) -> list[str]:
        """The same for a signal's handler: takes no lock, and only looks at the stack that was interrupted. An
        execution of another thread counts as long as the thread lives (`cut_by_signal` knows better, later), and one of
        flytekit's event loop while this thread waits for that.

        :param frame: that was interrupted, of the main thread.
        """
        interrupted: set[FrameType] = set()
        waits_for_loop = False
        while frame is not None:
            interrupted.add(frame)
            waits_for_loop = waits_for_loop or frame.f_code.co_filename.endswith(LOOP_FILE)
            frame = frame.f_back
        found = []
        for root, (execution, thread) in list(self._of_roots.items()):
            in_loop = waits_for_loop and thread.name.endswith(LOOP_RUNNER)
            if root in interrupted or in_loop or (_is_of_its_own(thread) and thread.is_alive()):
                found.append(execution.name)
        return found

    def cut_by_signal(self, running: Iterable[str]) -> list[str]:
        """Those of `running_at_signal` that the signal has cut short: a thread may live on after its call has returned,
        as those of a pool do. Not for a signal's handler, as `running`."""
        returned = {
            execution.name
            for root, (execution, thread) in list(self._of_roots.items())
            if _is_of_its_own(thread) and identified_call_has_ended(root)
        }
        return [name for name in running if name not in returned]

    def of(
        self,
        root: FrameType | None,
        project: str,
        domain: str,
        workflow: str,
        earlier: Callable[[], str | None] = lambda: None,
    ) -> tuple[Execution, bool]:
        """Returns (the execution, whether this process has just begun it).

        :param root: identifies the outermost call; the same object again means the same execution. None: not known,
            which joins the latest execution of the same workflow.
        :param earlier: asked for the name of an execution to resume, when the call would begin a new one.
        """
        with self._lock:
            known = self._latest if root is None else self._of_roots.get(root, (None, None))[0]
            if known and (known.project, known.domain, known.workflow) == (project, domain, workflow):
                return known, False
            for returned in [root for root in self._of_roots if identified_call_has_ended(root)]:
                self._finished.append(self._of_roots.pop(returned)[0].name)
            resumed = earlier()
            self._latest = Execution(resumed or _new_name(), project, domain, workflow, resumed is not None)
            self.names.append(self._latest.name)
            if root is not None:
                self._of_roots[root] = self._latest, threading.current_thread()
            return self._latest, True
