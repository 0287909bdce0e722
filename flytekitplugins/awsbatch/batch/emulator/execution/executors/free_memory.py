"""Whether the memory of this machine, or of the container that this process runs in, is short."""

from __future__ import annotations

from pathlib import Path

# The part of all memory below which it is short.
SHORT = 0.1
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def is_memory_short() -> bool:
    return min(_machine_available(), _cgroup_available()) < SHORT


def _machine_available() -> float:
    """The part of the machine's memory that is still available; 1 where that is not known."""
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text(encoding="ascii").splitlines())
        return int(lines["MemAvailable"].split()[0]) / int(lines["MemTotal"].split()[0])
    except (OSError, KeyError, ValueError, ZeroDivisionError):
        return 1.0


def _cgroup_available() -> float:
    """The part of a container's memory that is still available (cgroup v2, seen from inside)."""
    try:
        most = int((CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
        return (most - used + int(stat["inactive_file"])) / most
    except (OSError, KeyError, ValueError, ZeroDivisionError):
        return 1.0
