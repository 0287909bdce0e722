"""What the children of one array have in common, found out once: the command line, the task, where the items lie, and
flytekit's context as far as it does not depend on the item.

A process does it for itself; an interpreter that forks children does it before the first one (`prepare`). Only for
arrays whose files lie on this machine and whose task is an ordinary function: everything else takes the long way
(`entrypoint.run_child`), which is flytekit's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyteidl.core.literals_pb2 import LiteralCollection
from flytekit.bin.entrypoint import setup_execution
from flytekit.core.base_task import PythonTask
from flytekit.core.context_manager import FlyteContext
from flytekit.core.python_function_task import PythonFunctionTask
from flytekit.loggers import logger
from google.protobuf.message import DecodeError

from ...task import AWSBatchFunctionTask
from ...wire import INDEX_LOOKUP_FILE
from ..command_line import Child
from .input_index import InputIndex, UnexpectedBytesError
from .literals import Conversion

# What flytekit reads for a whole execution or task. Of no use once it differs.
ENVIRONMENT = (b"FLYTE_", b"_F_")
# What an ordinary task leaves to flytekit, or to our class, which does nothing before a job's task runs.
ORDINARY = ("dispatch_execute", "pre_execute", "post_execute", "_literal_map_to_python_input", "_output_to_literal_map")
ORDINARY_KINDS = (PythonTask, AWSBatchFunctionTask)
INFO = 20

Signature = tuple[int, int, int] | None


@dataclass(frozen=True)
class Siblings:
    """:param environment: the variables that were read for all of them.
    :param paths: inputs.pb and indexlookup.pb.
    :param signatures: theirs.
    """

    child: Child
    task: Any
    inputs: InputIndex
    lookup: LiteralCollection | None
    context: FlyteContext
    environment: dict[bytes, bytes]
    paths: tuple[str, ...]
    signatures: list[Signature]
    conversion: Conversion

    def hold(self) -> bool:
        """Whether all is still as it was when this was found out."""
        # As bytes, which is how they are kept: a child has a dozen of them to look at.
        asked = os.environb.get
        for name, value in self.environment.items():
            if asked(name) != value:
                return False
        return self.signatures == signatures(self.paths)


_known: dict[tuple[str, ...], Siblings] = {}


def known(arguments: Sequence[str]) -> Siblings | None:
    """What has been found out for a command line, if it still holds."""
    found = _known.get(tuple(arguments))
    return found if found is not None and found.hold() else None


def remember(arguments: Sequence[str], siblings: Siblings) -> None:
    _known[tuple(arguments)] = siblings


def find_out(child: Child) -> Siblings | None:  # noqa: PLR0911 - each line a reason of its own
    """None where the long way has to be gone, which also tells what is wrong, if something is."""
    if not all(map(on_this_machine, (child.inputs, child.output_prefix))) or not child.raw_output_data_prefix:
        return None
    if child.dynamic_addl_distro or child.timeout or offloads() or logger.isEnabledFor(INFO):
        return None
    paths = local(child.inputs), lookup_path(child.inputs)
    before = signatures(paths)
    try:
        lookup = read_lookup(child.inputs)
        index = InputIndex.of_file(Path(local(child.inputs)), child.bound)
    except (OSError, ValueError, DecodeError, UnexpectedBytesError):
        return None
    if index.empty:
        return None
    with ExitStack() as stack:
        context = stack.enter_context(setup_execution(child.raw_output_data_prefix, child.output_prefix))
        importable_from_working_directory()
        try:
            task = child.load_task()
        except Exception:
            return None
        if not ordinary(task):
            return None
        # It ends with the process.
        stack.pop_all()
    return Siblings(
        child,
        task,
        index,
        lookup,
        context,
        relevant(os.environb),
        paths,
        before,
        Conversion(task),
    )


def importable_from_working_directory() -> None:
    """As flytekit does it: a container's user code often lies in its working directory only."""
    here = Path.cwd()
    if str(here) not in sys.path and all(Path(entry).resolve() != here for entry in sys.path):
        sys.path.append(str(here))


def local(path: str) -> str:
    return path.removeprefix("file://")


def on_this_machine(path: str | None) -> bool:
    return path is not None and "://" not in local(path)


def offloads() -> bool:
    """Whether large outputs go to files of their own (flytekit's `_dispatch_execute`)."""
    return "_F_L_MIN_SIZE_MB" in os.environ


def ordinary(task: Any) -> bool:
    kind = type(task)
    return (
        isinstance(task, PythonFunctionTask)
        and all(any(getattr(kind, name) is getattr(one, name) for one in ORDINARY_KINDS) for name in ORDINARY)
        and not task.enable_deck
        and task.execution_mode == PythonFunctionTask.ExecutionBehavior.DEFAULT
    )


def read_lookup(inputs: str) -> LiteralCollection | None:
    try:
        data = Path(lookup_path(inputs)).read_bytes()
    except FileNotFoundError:
        return None
    return LiteralCollection.FromString(data)


def lookup_path(inputs: str) -> str:
    return f"{local(inputs).rpartition('/')[0]}/{INDEX_LOOKUP_FILE}"


def signatures(paths: tuple[str, ...]) -> list[Signature]:
    found: list[Signature] = []
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - in every child, where each call costs
        except OSError:
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return found


def relevant(environment: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    return {name: environment[name] for name in environment if name.startswith(ENVIRONMENT)}
