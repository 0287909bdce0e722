"""How much memory an attempt holds, and whether that is more than it may. Standard library alone."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from .process_tree import descendant_processes

if TYPE_CHECKING:
    from .reaper import ReapedAttempt

PAGE = os.sysconf("SC_PAGE_SIZE")
# Bytes by which a quick sum of an attempt's memory has to grow before the slower one is made.
WORTH_A_LOOK = 8 << 20


def exceeds_memory_limit(attempt: ReapedAttempt) -> bool:
    """Whether an attempt holds more memory than it may. Writes into it what it was seen to hold."""
    below = descendant_processes(attempt.pid)
    rough = sum(map(_anonymous_bytes, [attempt.pid, *below]))
    if rough <= min(attempt.limit, attempt.rough + WORTH_A_LOOK):
        return False
    attempt.rough = max(attempt.rough, rough)
    held = _held_bytes(attempt.pid, below) if below else rough
    attempt.peak = max(attempt.peak, held)
    return held > attempt.limit


def _held_bytes(pid: int, below: list[int]) -> int:
    """How many bytes of memory of their own a process and all below it hold.

    A page that several of them share counts once. Two sums never count one twice: all pages of the first process with
    the private ones of the others, and each page divided among all who share it. The larger one is nearer to the
    truth. What an interpreter shares with an attempt forked from it counts in the first sum: a process started from
    nothing would have it of its own.
    """
    private = _anonymous_bytes(pid) + sum(_mapped_bytes(each, b"Private_Dirty:") for each in below)
    return max(private, sum(_mapped_bytes(each, b"Pss_Anon:") for each in [pid, *below]))


def _anonymous_bytes(pid: int) -> int:
    """Resident memory without mapped files, as a container is charged for it."""
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            fields = file.read().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * PAGE


def _mapped_bytes(pid: int, field: bytes) -> int:
    """One sum over a process's mappings (slower to ask for). Kernels before 5.9 have no `Pss_Anon`: 0."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0
