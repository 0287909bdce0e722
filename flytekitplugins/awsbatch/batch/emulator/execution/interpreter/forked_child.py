"""A forked child: it gets a session, a log and an environment of its own, runs the script, and exits as an interpreter
does.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any, NoReturn

from ..process_tree import adopt_orphan_processes, end_with_parent_process
from .exit import exit_process
from .random_state import RandomState

SIGCHLD, SIG_DFL = int(signal.SIGCHLD), int(signal.SIG_DFL)
# Frames between the handler below and the script.
OWN_FRAMES = 1


@dataclass(frozen=True)
class ForkContext:
    """What all children of an interpreter have in common.

    :param import_output: what the imports wrote to stdout and stderr; a process started from nothing would have it in
        its own log.
    :param inherited: descriptors of the interpreter's that a child has no use for, and `journals` those of the services
        that it works for now.
    """

    interpreter: int
    import_output: bytes
    inherited: tuple[int, ...]
    journals: Mapping[int, int]
    random_state: RandomState
    main: ModuleType


def run_forked_child(
    context: ForkContext, code: CodeType, environment: Mapping[str, str], log: int, copies: list[tuple[str, str]]
) -> NoReturn:
    """Called in the child, right after the fork.

    :param environment: the attempt's own variables.
    :param log: a descriptor.
    :param copies: pairs of a directory and the one that it is copied to.
    """
    detach_child(context)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    if context.import_output:
        os.write(1, context.import_output)
    for name, value in environment.items():
        os.environ[name] = value
    forget_temporary_folder_in_forked_child()
    context.random_state.reseed_after_fork()
    error: BaseException | None = None
    try:
        if copies:
            copy_into_forked_child(copies)
        exec(code, context.main.__dict__)  # noqa: S102 - the job's own command
    except BaseException as raised:
        error = raised
    exit_process(error, OWN_FRAMES)


def detach_child(context: ForkContext) -> None:
    """Gives this process a session of its own, makes it adopt its orphans and end with the interpreter, and closes the
    interpreter's descriptors.
    """
    os.setsid()
    end_with_parent_process(context.interpreter)
    adopt_orphan_processes()
    signal.set_wakeup_fd(-1)
    # Not by the wrapper in `signal`, whose enumerations are more code than all the rest here.
    _signal.signal(SIGCHLD, SIG_DFL)
    for descriptor in (*context.inherited, *context.journals.values()):
        os.close(descriptor)


def forget_temporary_folder_in_forked_child() -> None:
    """Makes `tempfile` read TMPDIR again, which has changed."""
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None


def copy_into_forked_child(copies: list[tuple[str, str]]) -> None:
    import shutil

    for source, target in copies:
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
