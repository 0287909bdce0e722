"""What the children of one array have in common, found out once by the interpreter that forks them: where the items
lie, and flytekit's context as far as it does not depend on the item. The user's module is not needed for it.

Only for arrays whose inputs and outputs lie on this machine. Everything else runs flytekit's own way
(`entrypoint._run_child`).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flyteidl.core.literals_pb2 import LiteralCollection
from flytekit.bin.entrypoint import setup_execution
from flytekit.core.context_manager import FlyteContext, flyte_context_Var
from flytekit.loggers import logger
from google.protobuf.message import DecodeError

from ...wire import INDEX_LOOKUP_FILE
from ..array_index import OriginalIndex
from ..command_line import Child
from .input_index import InputIndex, UnexpectedBytesError
from .item_context import item_context
from .literals import TaskLiterals, has_ordinary_literals

# Variables that flytekit reads for an execution or a task. An array context is useless once one of them differs.
ENVIRONMENT = (b"FLYTE_", b"_F_")
INFO = 20

Signature = tuple[int, int, int] | None


@dataclass(frozen=True)
class ArrayContext:
    """:param environment: the variables that were read for all children.
    :param paths: inputs.pb and indexlookup.pb.
    :param signatures: the signatures of these files.
    """

    child: Child
    inputs: InputIndex
    lookup: LiteralCollection | None
    context: FlyteContext
    environment: dict[bytes, bytes]
    paths: tuple[str, ...]
    signatures: list[Signature]

    @functools.cached_property
    def task_literals(self) -> TaskLiterals | None:
        """The literals of the task, which is loaded now; None: let flytekit handle it. Raises what importing the user's
        module raises."""
        task = self.child.load_task()
        return TaskLiterals(task) if has_ordinary_literals(task) else None

    def is_context_valid(self) -> bool:
        """Whether files and environment are as they were when this context was made."""
        # As bytes, which is how `os` keeps them: a child compares a dozen.
        get = os.environb.get
        for name, value in self.environment.items():
            if get(name) != value:
                return False
        return self.signatures == _signatures(self.paths)


def find_array_context(child: Child) -> ArrayContext | None:
    """The context of an array. None: let flytekit handle the array, and report what is wrong, if anything is."""
    if not (_is_on_this_machine(child.inputs) and _is_on_this_machine(child.output_prefix)):
        return None
    if not child.raw_output_data_prefix or child.dynamic_addl_distro or child.timeout:
        return None
    # Large outputs may go to files of their own (`_dispatch_execute` in flytekit), and INFO tells of each step.
    if "_F_L_MIN_SIZE_MB" in os.environ or logger.isEnabledFor(INFO):
        return None
    inputs = local_path_of_array(child.inputs)
    paths = inputs, f"{inputs.rpartition('/')[0]}/{INDEX_LOOKUP_FILE}"
    before = _signatures(paths)
    try:
        lookup = _read_lookup(Path(paths[1]))
        index = InputIndex.of_file(Path(inputs), child.bound)
    except (OSError, ValueError, DecodeError, UnexpectedBytesError):
        return None
    if index.empty:
        return None
    with ExitStack() as stack:
        with _making_no_folders():
            context = stack.enter_context(setup_execution(child.raw_output_data_prefix, child.output_prefix))
        relevant = {name: value for name, value in os.environb.items() if name.startswith(ENVIRONMENT)}
        array = ArrayContext(child, index, lookup, context, relevant, paths, before)
        # If flytekit has changed, this fails here and not in the children.
        item_context(array, OriginalIndex(0))
        # The context does not end: children push copies of it. It is not the current one for anybody else.
        stack.pop_all()
        flyte_context_Var.get().pop()
    return array


@contextmanager
def _making_no_folders() -> Iterator[None]:
    """flytekit makes folders for the context of an array, which nobody uses: each child makes its own, where its task
    wants one (`item_context`). Nothing else runs in this process meanwhile. pathlib of Python 3.10 makes them still.
    """
    make, os.mkdir = os.mkdir, lambda *_, **__: None
    try:
        yield
    finally:
        os.mkdir = make


def local_path_of_array(path: str) -> str:
    return path.removeprefix("file://")


def _is_on_this_machine(path: str) -> bool:
    return "://" not in local_path_of_array(path)


def _read_lookup(path: Path) -> LiteralCollection | None:
    try:
        return LiteralCollection.FromString(path.read_bytes())
    except FileNotFoundError:
        return None


def _signatures(paths: tuple[str, ...]) -> list[Signature]:
    found: list[Signature] = []
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - in every child, where each call costs
        except OSError:
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return found
