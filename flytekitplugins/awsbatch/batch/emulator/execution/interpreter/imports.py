"""Imports what the jobs need and finds out whether the result can be forked safely: what a fork would share or lose,
and a process started from nothing would have for itself, is a reason to refuse. Decides nothing about the jobs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from types import FrameType

from flytekitplugins.awsbatch import wire

from .rng import unknown_generator

Hook = tuple[str, tuple[str, ...]]
# What `os.environ.get`, `os.getenv` and the like come through.
BETWEEN = ("os", "collections.abc")
# A descriptor on one of these is the same for everybody.
SHAREABLE = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/full")
# Threads by the name that their library gives them, which takes all their locks before a fork and does without them in
# the child: that of jemalloc's, which comes with pyarrow, and so with pandas (`jemalloc_prefork`,
# `background_thread_postfork_child`).
FORKABLE = ("jemalloc_bg_thd",)
# Thresholds of the garbage collector.
RARELY = (1_000_000, 1000, 1000)


class RefusedError(Exception):
    """Why the attempts have to be started as processes of their own."""


def call(hook: Hook) -> None:
    target, arguments = hook
    module, _, function = target.partition(":")
    getattr(importlib.import_module(module), function)(*arguments)


class ReadNames:
    """While it is entered, notes which of the withheld variables somebody asks the environment for.

    They may differ between attempts: where an import has asked for one, only attempts for which it is the same can be
    forked.

    :param harmless: modules that may ask.
    """

    def __init__(self, withheld: tuple[str, ...], harmless: tuple[str, ...] = ()) -> None:
        self.names: set[str] = set()
        noted = self.names
        self._kind = kind = type(os.environ)

        class Noting(kind):  # type: ignore[valid-type,misc]
            def __getitem__(self, name: str) -> str:
                if isinstance(name, str) and name.startswith(withheld) and asking() not in harmless:
                    noted.add(name)
                return str(super().__getitem__(name))

        self._noting = Noting

    def __enter__(self) -> set[str]:
        os.environ.__class__ = self._noting
        return self.names

    def __exit__(self, *_: object) -> None:
        os.environ.__class__ = self._kind


def asking() -> str:
    """The module that asks the environment for something."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in BETWEEN:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__")) if frame is not None else ""


def run(modules: Iterable[str], settle: Iterable[Hook], install: Hook | None) -> None:
    """Raises RefusedError."""
    before = descriptors()
    step = "installing the code"
    os.environ[wire.WARMING] = "1"
    try:
        if install is not None:
            call(install)
            importlib.invalidate_caches()
        for name in modules:
            step = f"importing {name}"
            importlib.import_module(name)
        for hook in settle:
            step = f"calling {hook[0]}"
            call(hook)
    except BaseException as error:
        traceback.print_exc()
        raise RefusedError(f"{step} failed: {type(error).__name__}: {error}") from None
    finally:
        del os.environ[wire.WARMING]
    check_threads()
    check_objects(before)


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
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


def check_objects(before: dict[int, str]) -> None:
    """Raises RefusedError, unless it is garbage only that is in the way."""
    try:
        check_descriptors(before)
        check_generators()
    except RefusedError:
        gc.collect()
        check_descriptors(before)
        check_generators()


def check_threads() -> None:
    """Only the thread that forks goes on in a child; whatever another held stays as it was for ever."""
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        raise RefusedError(f"an import started threads: {', '.join(others)}")
    # Libraries that take care (OpenBLAS) end their threads when a process forks: what is left after one does not.
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    left = [name for name in other_threads() if name not in FORKABLE]
    if left:
        raise RefusedError(f"an import started threads outside of Python: {', '.join(left)}")


def other_threads() -> list[str]:
    """The kernel's names of this process's threads but the main one."""
    found = []
    for number in os.listdir("/proc/self/task"):
        if int(number) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/self/task/{number}/comm") as file:
                found.append(file.read().strip())
    return found


def descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
    return found


def check_descriptors(before: dict[int, str]) -> None:
    """Children would share connections, positions in files, and whatever a device driver keeps for a process."""
    for number, target in sorted(descriptors().items()):
        if before.get(number) == target or target in SHAREABLE:
            continue
        if target.startswith("/dev/nvidia"):
            raise RefusedError("an import opened CUDA, which does not survive a fork")
        raise RefusedError(f"an import left {target} open")


def check_generators() -> None:
    """One with a seed from the system would give all children the same numbers."""
    if "numpy.random" in sys.modules and any(map(unknown_generator, gc.get_objects())):
        raise RefusedError("an import made a random number generator of numpy's")
