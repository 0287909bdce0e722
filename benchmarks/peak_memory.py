"""The most memory that a process and all below it hold together, by their proportional set sizes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

# Sums those sizes until its input ends; prints the largest sum in KiB.
SAMPLER = """
import os, select, sys
def tree(pid):
    found = [pid]
    for each in found:
        try:
            for thread in os.listdir(f"/proc/{each}/task"):
                found += map(int, open(f"/proc/{each}/task/{thread}/children").read().split())
        except OSError: pass
    return found
def size(pid):
    try:
        return next(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:"))
    except (OSError, StopIteration): return 0
most = 0
while not select.select([sys.stdin], [], [], 0.3)[0]:
    most = max(most, sum(map(size, tree(int(sys.argv[1])))))
print(most)
"""


@contextlib.contextmanager
def peak_mb(pid: int | None = None) -> Iterator[list[float]]:
    """The list holds the number once the block has ended.

    :param pid: None for this process.
    """
    found: list[float] = []
    with tempfile.TemporaryFile("w+") as most:
        sampler = subprocess.Popen(
            [sys.executable, "-c", SAMPLER, str(pid or os.getpid())], stdin=subprocess.PIPE, stdout=most, text=True
        )
        yield found
        assert sampler.stdin is not None
        sampler.stdin.close()
        sampler.wait()
        most.seek(0)
        found.append(int(most.read()) / 1024)
