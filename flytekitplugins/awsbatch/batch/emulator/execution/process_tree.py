"""The processes below a process: who they are, how they are killed, who adopts orphans, who ends with a parent.
Standard library alone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


def adopt_orphan_processes() -> None:
    """Makes orphans below this process its children, as in a container those of process 1 (Linux)."""
    if libc is not None:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent_process(parent: int) -> None:
    """Lets the kernel kill this process when `parent` ends; ends it now when that has happened already (Linux)."""
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def child_processes(pid: int) -> list[int]:
    """The living and dead children of a process; empty where the kernel does not tell."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                found.extend(map(int, file.read().split()))
    return found


def descendant_processes(pid: int) -> list[int]:
    found = child_processes(pid)
    for each in found:
        found.extend(child_processes(each))
    return found


def has_child_process() -> bool:
    """Whether this process has a living or dead child, which it has while anything is below it: it adopts orphans."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def kill_descendant_processes() -> None:
    """Kills all processes below this one, and waits for them."""
    while has_child_process():
        for each in descendant_processes(os.getpid()):
            kill_process(each, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(each, 0)


def kill_process(pid: int, number: int, group: bool = False) -> None:
    """:param group: the whole group that the process leads. One that has just been forked leads none yet, and gets the
    signal for itself.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)
                return
        os.kill(pid, number)


def process_environment_has(pid: int, entries: tuple[bytes, ...]) -> bool:
    """Whether a process was started with these variables, each as `NAME=value`."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read().split(b"\0")
    except OSError:
        return False
    return all(entry in environment for entry in entries)
