"""Imports what the jobs need and finds out whether the result can be forked safely: what a fork would share or lose,
and a process started from nothing would have for itself, is a reason to refuse. Decides nothing about the jobs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import threading
import traceback
from collections.abc import Iterable, Iterator

from .random_state import RandomState

Hook = tuple[str, tuple[str, ...]]
# Devices of which one descriptor is as good as another.
SHAREABLE = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/full")
# Threads by the name that their library gives them, which takes all their locks before a fork and does without them in
# the child: that of jemalloc's, which comes with pyarrow, and so with pandas (`jemalloc_prefork`,
# `background_thread_postfork_child`).
FORKABLE = ("jemalloc_bg_thd",)
# Thresholds of the garbage collector.
RARELY = (1_000_000, 1000, 1000)


class RefusedError(Exception):
    """Why the attempts have to be started as processes of their own."""


def call_import_hook(hook: Hook) -> None:
    target, arguments = hook
    module, _, function = target.partition(":")
    getattr(importlib.import_module(module), function)(*arguments)


@contextlib.contextmanager
def _refusing(step: str) -> Iterator[None]:
    """Turns whatever the block raises into a RefusedError."""
    try:
        yield
    except BaseException as error:
        traceback.print_exc()
        raise RefusedError(f"{step} failed: {type(error).__name__}: {error}") from None


def run_imports(modules: Iterable[str]) -> None:
    """Raises RefusedError."""
    for name in modules:
        with _refusing(f"importing {name}"):
            importlib.import_module(name)


def install_import(hook: Hook) -> None:
    """Brings the code. Raises RefusedError."""
    with _refusing("installing the code"):
        call_import_hook(hook)
        importlib.invalidate_caches()


def settle_imports(hooks: Iterable[Hook], before: dict[int, str], random_state: RandomState) -> None:
    """After the imports. Raises RefusedError.

    :param before: the descriptors that were open before the imports.
    """
    for hook in hooks:
        with _refusing(f"calling {hook[0]}"):
            call_import_hook(hook)
    check_import_threads()
    _check_objects(before, random_state)


@contextlib.contextmanager
def importing_without_collecting() -> Iterator[None]:
    """Imports make many objects and hardly any garbage: looking for it takes a sixth of their time. An import may still
    say something else.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        if gc.get_threshold() == RARELY:
            gc.set_threshold(*usual)


def _check_objects(before: dict[int, str], random_state: RandomState) -> None:
    """Raises RefusedError for objects that cannot be forked, unless they are garbage."""
    try:
        _check_descriptors(before)
        _check_generators(random_state)
    except RefusedError:
        # Who looks for distributions leaves each archive on the import path open, in caches of which
        # `invalidate_caches` knows Python's own from 3.12 on only.
        importlib.import_module("importlib.metadata").MetadataPathFinder().invalidate_caches()
        importlib.invalidate_caches()
        gc.collect()
        _check_descriptors(before)
        _check_generators(random_state)


def check_import_threads() -> None:
    """Only the thread that forks runs on in a child; a lock that another thread held stays locked for ever."""
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        raise RefusedError(f"an import started threads: {', '.join(others)}")
    if not _other_threads():
        return
    # Careful libraries (OpenBLAS) end their threads when a process forks. Threads that survive a fork do not.
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    left = [name for name in _other_threads() if name not in FORKABLE]
    if left:
        raise RefusedError(f"an import started threads outside of Python: {', '.join(left)}")


def _other_threads() -> list[str]:
    """The kernel's names of this process's threads but the main one."""
    found = []
    for number in os.listdir("/proc/self/task"):
        if int(number) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/self/task/{number}/comm") as file:
                found.append(file.read().strip())
    return found


def import_descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
    return found


def _check_descriptors(before: dict[int, str]) -> None:
    """Children would share connections, positions in files, and whatever a device driver keeps for a process."""
    for number, target in sorted(import_descriptors().items()):
        if before.get(number) == target or target in SHAREABLE:
            continue
        if target.startswith("/dev/nvidia"):
            raise RefusedError("an import opened CUDA, which does not survive a fork")
        raise RefusedError(f"an import left {target} open")


def _check_generators(random_state: RandomState) -> None:
    """A child gives a generator another seed, but cannot repeat what an import did with it."""
    if random_state.has_used_generator():
        raise RefusedError("an import drew from a random number generator of numpy's that it made without a seed")
