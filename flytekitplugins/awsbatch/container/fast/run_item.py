"""Runs an ordinary task on one item without an event loop, a copy of its inputs on disk or an upload directory: what is
left of flytekit's `setup_execution` and `_dispatch_execute` for files on this machine.

A forked child copies every page that it touches, so that each function called costs; the results are flytekit's own. As
soon as anything is out of the ordinary, flytekit's `_dispatch_execute` takes over and writes what it always writes.
"""

from __future__ import annotations

import os
from typing import Any

from flytekit.bin.entrypoint import _dispatch_execute as dispatch_execute
from flytekit.core.context_manager import FlyteContext, flyte_context_Var
from flytekit.exceptions.user import FlyteUserRuntimeException
from flytekit.models.literals import LiteralMap

from ...wire import OUTPUTS_FILE
from ..array_index import ChildIndex, original_index_in_container
from ..input_files import write_item_inputs
from .array_context import ArrayContext, local_path_of_array
from .item_context import item_context


def run_item(array: ArrayContext, child: ChildIndex) -> bool:
    """Returns whether the item was run. If not, nothing of the user's code has run but the import of the module."""
    try:
        index = original_index_in_container(child, array.lookup)
        inputs = array.inputs.item(index)
        context = item_context(array, index)
        stack = flyte_context_Var.get()
        stack.append(context)
    except Exception:
        return False
    try:
        try:
            literals = array.task_literals
            given = literals.to_python(context, inputs) if literals is not None and inputs is not None else None
        except Exception:
            return False
        if literals is None or inputs is None or given is None:
            return False
        task = literals.task
        prefix = array.child.item_prefix(index)
        try:
            native = task.execute(**given)
        except Exception as error:
            outcome = ItemOutcome(task, error=FlyteUserRuntimeException(error))
            outcome.error.__cause__ = error
        else:
            outputs = literals.serialised_outputs(context, native)
            if outputs is not None:
                _write_outputs(local_path_of_array(prefix), outputs)
                return True
            outcome = ItemOutcome(task, native=native)
        dispatch_execute(context, lambda: outcome, write_item_inputs(context, inputs), prefix)
        return True
    finally:
        while stack.pop() is not context:
            pass


class ItemOutcome:
    """A task that has been run: flytekit's `_dispatch_execute` handles its outputs or its exception."""

    def __init__(self, task: Any, native: Any = None, error: FlyteUserRuntimeException | None = None) -> None:
        self._task = task
        self._native = native
        self.error: Any = error

    def dispatch_execute(self, context: FlyteContext, inputs: LiteralMap) -> Any:
        if self.error is not None:
            raise self.error from self.error.__cause__
        return self._task.dispatch_execute.__func__(self, context, inputs)

    def execute(self, **_: Any) -> Any:
        """Returns the earlier outputs to flytekit's own `dispatch_execute`."""
        return self._native

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


def _write_outputs(prefix: str, data: bytes) -> None:
    """outputs.pb. Nobody reads it before the job has succeeded, so that what a killed process has left does not matter
    (a rename would cost as much as all the rest here).
    """
    try:
        os.mkdir(prefix)  # noqa: PTH102
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(prefix, exist_ok=True)  # noqa: PTH103
    path = f"{prefix}/{OUTPUTS_FILE}"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
    except BaseException:
        os.unlink(path)  # noqa: PTH108
        raise
    finally:
        os.close(file)
