"""The executions of this process: one for each outermost workflow or task that is called, as FlyteAdmin would make.

Names them, numbers their nodes, and remembers which one a call belongs to.
"""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

_FIRST = string.ascii_lowercase
_ALPHABET = string.ascii_lowercase + string.digits
_LENGTH = 20


def new_name() -> str:
    """A name like FlyteAdmin's own: 20 characters, a letter first."""
    return secrets.choice(_FIRST) + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH - 1))


@dataclass
class Execution:
    """One execution: what its names and paths are made of, and the next node's number.

    :param resumed: whether an earlier process began it.
    """

    name: str
    project: str
    domain: str
    workflow: str
    resumed: bool = False
    _nodes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_node(self) -> str:
        """The id of the next node, in the order of the calls: n0, n1, ..."""
        with self._lock:
            node = f"n{self._nodes}"
            self._nodes += 1
            return node


class Executions:
    """Finds the execution a call belongs to; a call with another root starts another one.

    :ivar names: of all executions so far.
    """

    def __init__(self) -> None:
        self._root: object = None
        self._current: Execution | None = None
        self._lock = threading.Lock()
        self.names: list[str] = []

    def of(
        self,
        root: object,
        project: str,
        domain: str,
        workflow: str,
        earlier: Callable[[], str | None] = lambda: None,
    ) -> tuple[Execution, bool]:
        """(the execution, whether this process has just begun it).

        :param root: stands for the outermost call; the same object again means the same execution. None: not known
            (a call off the main thread), which joins the current execution of the same workflow.
        :param earlier: asked, when it would be a new one, for the name of an execution to go on with.
        """
        with self._lock:
            current = self._current
            same = current is not None and (current.project, current.domain, current.workflow) == (
                project,
                domain,
                workflow,
            )
            if same and (root is None or root is self._root):
                assert current is not None
                return current, False
            taken = earlier()
            name = taken or new_name()
            self._root, self._current = root, Execution(name, project, domain, workflow, taken is not None)
            self.names.append(name)
            return self._current, True
