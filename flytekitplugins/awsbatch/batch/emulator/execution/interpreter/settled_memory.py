"""Makes forks of this process cheap: what is alive now is neither looked at by a child's collector, which would copy
its pages, nor noted page by page when a child is forked and ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc

from ..process_tree import libc

# Of Linux from 6.1 on; earlier ones refuse it.
MADV_COLLAPSE = 25
# How many forks make it worth while: it takes 10 to 50 ms, and makes a fork and its end a millisecond cheaper.
MANY_FORKS = 16
HUGE_PAGE = 2 << 20


def settle_memory() -> None:
    gc.collect()
    gc.freeze()


def settle_in_huge_pages() -> None:
    """Lets the kernel put this process's own memory into huge pages, as far as it fills whole ones. Where the kernel
    will not, everything stays as it is.

    A fork shares a huge page by one entry instead of 512. A page that a child writes is copied alone all the same.
    """
    if libc is None:
        return
    with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        for start, end in memory_to_settle(file.read()):
            first, last = -(-start // HUGE_PAGE) * HUGE_PAGE, end // HUGE_PAGE * HUGE_PAGE
            for address in range(first, last, HUGE_PAGE):
                libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(HUGE_PAGE), MADV_COLLAPSE)


def memory_to_settle(maps: str) -> list[tuple[int, int]]:
    """First and last address of what is private, may be written and comes from no file."""
    found = []
    for line in maps.splitlines():
        place, access, _, _, _, *name = line.split(maxsplit=5)
        if access == "rw-p" and (not name or name[0].strip() == "[heap]"):
            start, end = (int(each, 16) for each in place.split("-"))
            found.append((start, end))
    return found
