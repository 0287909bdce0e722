"""flytekit's context for one item of an array, copied from the context of the array."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flytekit.core.checkpointer import SyncCheckpoint
from flytekit.core.context_manager import ExecutionParameters, FlyteContext
from flytekit.core.data_persistence import FileAccessProvider

from ..array_index import OriginalIndex
from ..command_line import command_line_at_index

if TYPE_CHECKING:
    from .array_context import ArrayContext


def item_context(array: ArrayContext, index: OriginalIndex) -> FlyteContext:
    """The context that `setup_execution` would make for this item; its directories are made when they are asked for.

    Raises AttributeError where flytekit's classes are not as they are expected to be.
    """
    child, base = array.child, array.context
    state = base.execution_state
    # This attempt's own, and not the one of the interpreter that it was forked from.
    sandbox = f"{item_temporary_folder()}/flyte{os.urandom(16).hex()}/local_flytekit"
    checkpoint = command_line_at_index(child.checkpoint_path, index)
    parameters = _copy_with(
        state.user_space_params,
        LateParameters,
        _execution_date=datetime.now(timezone.utc),
        _working_directory=f"{sandbox}/{os.urandom(16).hex()}",
        _output_metadata_prefix=child.item_prefix(index),
        _checkpoint=None
        if checkpoint is None
        else LateCheckpoint(checkpoint, command_line_at_index(child.prev_checkpoint, index)),
        _decks=[],
    )
    return _copy_with(
        base,
        None,
        file_access=_copy_with(base.file_access, LateFileAccess, _local_sandbox_dir=sandbox),
        execution_state=_copy_with(
            state, None, working_dir=sandbox, engine_dir=f"{sandbox}/engine_dir", user_space_params=parameters
        ),
        output_metadata_tracker=_copy_with(base.output_metadata_tracker, None, output_metadata={}),
    )


def item_temporary_folder() -> str:
    """`tempfile.gettempdir()`, which writes a file into the attempt's own folder to see whether that can be written."""
    own = os.environ.get("TMPDIR", "")
    return own if own.startswith("/") and os.access(own, os.W_OK | os.X_OK) else tempfile.gettempdir()


class LateParameters(ExecutionParameters):  # type: ignore[misc]
    """flytekit's ExecutionParameters, which makes the working directory only when it is used."""

    @property
    def working_directory(self) -> Any:
        path = self._working_directory
        os.makedirs(path, 0o700, exist_ok=True)  # noqa: PTH103
        return path


class LateFileAccess(FileAccessProvider):  # type: ignore[misc]
    """flytekit's FileAccessProvider, which makes the sandbox directory only when it is used."""

    @property
    def _local_sandbox_dir(self) -> Path:
        path = Path(self.__dict__["_local_sandbox_dir"])
        path.mkdir(0o700, parents=True, exist_ok=True)
        return path


def _copy_with(original: Any, kind: Any, **values: Any) -> Any:
    """A copy of an object with other values for some of its attributes. Raises AttributeError if one is not there.

    :param kind: the class of the copy; None for the same class.
    """
    copy = object.__new__(kind or type(original))
    before = original.__dict__
    after = {**before, **values}
    object.__setattr__(copy, "__dict__", after)
    if len(after) != len(before):
        raise AttributeError(f"{type(original).__name__} has no {sorted(values.keys() - before.keys())}")
    return copy


class LateCheckpoint(SyncCheckpoint):  # type: ignore[misc]
    """flytekit's checkpointer, which makes its directory only when something is saved or restored."""

    def __init__(self, destination: str, source: str | None) -> None:
        self._places = destination, source

    def __getattr__(self, name: str) -> Any:
        places = self.__dict__.pop("_places", None)
        if places is None:
            raise AttributeError(name)
        super().__init__(*places)
        return getattr(self, name)

    def __del__(self) -> None:
        if "_places" not in self.__dict__ and hasattr(SyncCheckpoint, "__del__"):
            super().__del__()
