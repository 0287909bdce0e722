"""What the kernel knows of the processes below this one: adopts orphans, ends with the parent, lists children, sums
memory. Linux.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PAGE = os.sysconf("SC_PAGE_SIZE")

_libc = ctypes.CDLL(None, use_errno=True)


def adopt() -> None:
    """Orphans below this process become its children, as in a container those of process 1."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with(parent: int) -> None:
    """The kernel kills this process when `parent` ends; it ends now when that has happened already."""
    _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def children(pid: int) -> list[int]:
    """Living and dead children that the main thread of a process forked or adopted."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb", buffering=0) as file:
            return [int(number) for number in file.read().split()]
    except OSError:
        return []


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{each}/task"):
                with open(f"/proc/{each}/task/{thread}/children", "rb", buffering=0) as file:
                    found.extend(map(int, file.read().split()))
    return found


def own_bytes(pid: int) -> int:
    """Resident memory without mapped files, as a container is charged for it; pages shared with the zygote count,
    since a process started from nothing would have them of its own.
    """
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            fields = file.read().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * PAGE


def kill(pid: int, number: int, group: bool = False) -> None:
    """:param group: the whole group that the process leads. One that has just been forked leads none yet, and gets the
    signal for itself.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)
                return
        os.kill(pid, number)


def private_bytes(pid: int) -> int:
    """Memory that a process shares with nobody (slower to ask for)."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Private_Dirty:"):
                return int(line.split()[1]) * 1024
    return 0


def end_all() -> None:
    """Kills all below this process, and waits for them."""
    while any_child():
        for each in tree(os.getpid())[1:]:
            kill(each, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(each, 0)


def any_child() -> bool:
    """Whether this process has a living or dead child, which it must have while anything is below it: it adopts
    orphans.
    """
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
