"""Marks of processes in records: which process runs an execution, and whether it still lives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def process_mark() -> dict[str, Any]:
    """Names this process so that another one can tell later whether it still lives (process ids are used again)."""
    return {"pid": os.getpid(), "since": _start_of(os.getpid())}


def _start_of(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None where there is no /proc or no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def process_lives(mark: dict[str, Any] | None) -> bool:
    """Whether the marked process still runs."""
    pid = mark["pid"] if mark else 0
    # Of a damaged record: 0 and -1 mean many processes to `kill`.
    if type(pid) is not int or pid <= 1:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    since = mark.get("since") if mark else None
    return since is None or _start_of(pid) == since
