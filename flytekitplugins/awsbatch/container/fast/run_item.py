"""Runs an ordinary task on one item without an event loop, a copy of its inputs on disk or an upload directory: what is
left of flytekit's `setup_execution` and `_dispatch_execute` for files on this machine.

A forked child copies every page it touches, so that each function called costs; the results are flytekit's own. As soon
as anything is out of the ordinary, flytekit's `_dispatch_execute` gets to see it and writes what it always writes.
"""

from __future__ import annotations

import os
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from flyteidl.core.literals_pb2 import LiteralMap as LiteralMapMessage
from flytekit.bin.entrypoint import _dispatch_execute as dispatch_execute
from flytekit.core.checkpointer import SyncCheckpoint
from flytekit.core.context_manager import ExecutionParameters, FlyteContext, flyte_context_Var
from flytekit.core.data_persistence import FileAccessProvider
from flytekit.exceptions.user import FlyteUserRuntimeException
from flytekit.models.literals import LiteralMap

from ...wire import INPUTS_FILE, OUTPUTS_FILE
from ..array_index import OriginalIndex
from ..command_line import at_index
from .array_context import Siblings, local


def run(siblings: Siblings, index: OriginalIndex, inputs: LiteralMapMessage) -> bool:
    """Whether the item was run; if not, nothing of the user's has been called yet."""
    context = item_context(siblings, index)
    stack = flyte_context_Var.get()
    stack.append(context)
    try:
        given = siblings.conversion.to_python(context, inputs)
        if given is None:
            return False
        task = siblings.task
        prefix = siblings.child.item_prefix(index)
        try:
            native = task.execute(**given)
        except Exception as error:
            outcome = Outcome(task, error=FlyteUserRuntimeException(error))
            outcome.error.__cause__ = error
        else:
            outputs = siblings.conversion.to_message(context, native)
            if outputs is not None:
                write(local(prefix), outputs)
                return True
            outcome = Outcome(task, native=native)
        dispatch_execute(context, lambda: outcome, written(context, inputs), prefix)
        return True
    finally:
        while stack.pop() is not context:
            pass


class Outcome:
    """A task that has been run, for flytekit's `_dispatch_execute` to deal with what came out."""

    def __init__(self, task: Any, native: Any = None, error: FlyteUserRuntimeException | None = None) -> None:
        self._task = task
        self._native = native
        self.error: Any = error

    def dispatch_execute(self, context: FlyteContext, inputs: LiteralMap) -> Any:
        if self.error is not None:
            raise self.error from self.error.__cause__
        finished = self._task.dispatch_execute.__func__
        return finished(Finished(self._task, self._native), context, inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


class Finished:
    """The same task for flytekit's own `dispatch_execute`, except that executing it gives what came out before."""

    def __init__(self, task: Any, native: Any) -> None:
        self._task = task
        self._native = native

    def execute(self, **_: Any) -> Any:
        return self._native

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


def item_context(siblings: Siblings, index: OriginalIndex) -> FlyteContext:
    """The context that `setup_execution` would make for this item; its directories are made when they are asked for."""
    child, base = siblings.child, siblings.context
    state = base.execution_state
    # This attempt's own, and not the one of the interpreter that it was forked from.
    sandbox = f"{tempfile.gettempdir()}/flyte{os.urandom(16).hex()}/local_flytekit"
    checkpoint = at_index(child.checkpoint_path, index)
    parameters = changed(
        state.user_space_params,
        LateParameters,
        _execution_date=datetime.now(timezone.utc),
        _working_directory=f"{sandbox}/{os.urandom(16).hex()}",
        _output_metadata_prefix=child.item_prefix(index),
        _checkpoint=None if checkpoint is None else LateCheckpoint(checkpoint, at_index(child.prev_checkpoint, index)),
        _decks=[],
    )
    return changed(
        base,
        None,
        file_access=changed(base.file_access, LateFileAccess, _local_sandbox_dir=sandbox),
        execution_state=changed(
            state, None, working_dir=sandbox, engine_dir=f"{sandbox}/engine_dir", user_space_params=parameters
        ),
        output_metadata_tracker=changed(base.output_metadata_tracker, None, output_metadata={}),
    )


class LateParameters(ExecutionParameters):  # type: ignore[misc]
    """flytekit's, which makes the working directory when it is asked for."""

    @property
    def working_directory(self) -> Any:
        path = self._working_directory
        os.makedirs(path, 0o700, exist_ok=True)  # noqa: PTH103
        return path


class LateFileAccess(FileAccessProvider):  # type: ignore[misc]
    """flytekit's, which makes the sandbox directory when it is asked for."""

    @property
    def _local_sandbox_dir(self) -> Path:
        path = Path(self.__dict__["_local_sandbox_dir"])
        path.mkdir(0o700, parents=True, exist_ok=True)
        return path


def changed(original: Any, kind: Any, **values: Any) -> Any:
    """A copy of an object with some of its attributes changed, which must be there.

    :param kind: the copy's class, None for the same.
    """
    copy = object.__new__(kind or type(original))
    before = original.__dict__
    after = {**before, **values}
    object.__setattr__(copy, "__dict__", after)
    if len(after) != len(before):
        raise AttributeError(f"{type(original).__name__} has changed: {sorted(values.keys() - before.keys())}")
    return copy


class LateCheckpoint(SyncCheckpoint):  # type: ignore[misc]
    """flytekit's, which makes its directory when something is saved or restored."""

    def __init__(self, destination: str, source: str | None) -> None:
        self._places = (destination, source)

    def __getattr__(self, name: str) -> Any:
        if name in ("_td", "_checkpoint_dest", "_checkpoint_src", "_prev_download_path"):
            super().__init__(*self._places)
            return self.__dict__[name]
        raise AttributeError(name)

    def __del__(self) -> None:
        if "_td" in self.__dict__:
            super().__del__()


def written(context: FlyteContext, inputs: LiteralMapMessage) -> str:
    """The item's inputs as the file that flytekit's dispatch reads."""
    path = Path(context.execution_state.working_dir) / "item" / INPUTS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(inputs.SerializeToString())
    return str(path)


def write(prefix: str, data: bytes) -> None:
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
