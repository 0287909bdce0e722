"""What the kernel counts for a container: OOM kills, peak memory, computing time.

For engines on this machine only. Not every engine reports an OOM kill (Podman 4.3's monitor does not notice it under
cgroup v1), and none keeps the peak. A control group is gone soon after its container, so its files are opened while it
runs and read in the moment in which the main process ends. On a busy machine that may be too late: then the last look
counts, and of OOM kills an event counter that outlives the group.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
# Seconds to wait for the counters of a process that has ended.
WAIT_SECONDS = 2.0
# Seconds between two looks at running containers, and until the kernel has reported a group's end.
LOOK_EVERY = 0.5
TELLING = 0.1
OOM_CONTROL = "memory.oom_control"


@dataclass(frozen=True)
class ContainerUsage:
    """:param out_of_memory: whether the kernel killed anything in the container because of its memory limit.
    :param peak_memory: bytes, 0 where it is not known; `cpu_seconds` likewise.
    """

    out_of_memory: bool = False
    peak_memory: int = 0
    cpu_seconds: float = 0.0


@dataclass
class WatchedCgroup:
    """:ivar files: descriptors by what they tell.
    :ivar events: an event counter (cgroup v1) that counts OOM events, and the end of the group; -1: there is none.
    """

    process: int
    files: dict[str, int]
    events: int = -1
    texts: dict[str, str] = field(default_factory=dict)
    usage: ContainerUsage = field(default_factory=ContainerUsage)
    ended: threading.Event = field(default_factory=threading.Event)

    def look(self) -> bool:
        """Reads the files; returns whether the group is still there."""
        there = True
        for name, descriptor in self.files.items():
            try:
                self.texts[name] = os.pread(descriptor, 4096, 0).decode()
            except OSError:
                there = False
        return there

    def finish(self) -> None:
        there = self.look()
        usage = cgroup_usage(self.texts)
        if not there and self.events >= 0:
            # One of the events is the end of the group itself.
            usage = replace(usage, out_of_memory=_count_of(self.events) > 1)
        for descriptor in (*self.files.values(), self.process, self.events):
            if descriptor >= 0:
                os.close(descriptor)
        self.usage = usage
        self.ended.set()


class CgroupWatch:
    """Containers of one executor. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: dict[str, WatchedCgroup] = {}
        self._by_process: dict[int, WatchedCgroup] = {}
        self._epoll: select.epoll | None = None
        self._stop = -1

    def add(self, key: str, pid: int, container: str) -> None:
        """Watches a container whose main process is `pid`, if that is one of this machine's."""
        if not pid or not hasattr(os, "pidfd_open"):
            return
        try:
            process = os.pidfd_open(pid)
        except OSError:
            return
        files = _open_cgroup_files(pid, container)
        if not files:
            os.close(process)
            return
        events = _oom_events(files)
        with self._lock:
            self._by_key[key] = self._by_process[process] = WatchedCgroup(process, files, events)
            if self._epoll is None:
                self._start()
            assert self._epoll is not None
            self._epoll.register(process, select.EPOLLIN)

    def take(self, key: str) -> ContainerUsage:
        """The usage of a container that has ended."""
        with self._lock:
            watched = self._by_key.pop(key, None)
        if watched is None:
            return ContainerUsage()
        watched.ended.wait(WAIT_SECONDS)
        return watched.usage

    def stop_watching(self) -> None:
        with self._lock:
            if self._epoll is not None:
                os.close(self._stop)

    def _start(self) -> None:
        self._epoll = select.epoll()
        awake, self._stop = os.pipe()
        self._epoll.register(awake, select.EPOLLIN)
        thread = threading.Thread(target=self._watch, args=(awake,), name="awsbatch-cgroups", daemon=True)
        thread.start()

    def _watch(self, awake: int) -> None:
        assert self._epoll is not None
        while True:
            found = self._epoll.poll(LOOK_EVERY)
            with self._lock:
                running = [] if found else list(self._by_process.values())
            for watched in running:
                watched.look()
            for descriptor, _ in found:
                if descriptor == awake:
                    os.close(awake)
                    self._epoll.close()
                    return
                with self._lock:
                    watched = self._by_process.pop(descriptor)
                self._epoll.unregister(descriptor)
                watched.finish()


def _open_cgroup_files(pid: int, container: str) -> dict[str, int]:
    """Opens the files with counters in a process's control group; none where the group is not the container's."""
    paths: dict[str, Path] = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii").splitlines():
            number, controllers, path = line.split(":", 2)
            if container[:12] not in path:
                continue
            relative = path.lstrip("/")
            if number == "0":
                folder = CGROUP / relative
                paths = {name: folder / name for name in ("memory.events", "memory.peak", "cpu.stat")} | paths
            if "memory" in controllers.split(","):
                folder = CGROUP / controllers / relative
                paths |= {name: folder / name for name in (OOM_CONTROL, "memory.max_usage_in_bytes")}
            if "cpuacct" in controllers.split(","):
                paths["cpuacct.usage"] = CGROUP / controllers / relative / "cpuacct.usage"
    found = {}
    for name, file in paths.items():
        with contextlib.suppress(OSError):
            found[name] = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    return found


def _oom_events(files: dict[str, int]) -> int:
    """A counter of a group's OOM events, for root and cgroup v1; -1 elsewhere."""
    if OOM_CONTROL not in files or not hasattr(os, "eventfd"):
        return -1
    counter = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    try:
        folder = Path(f"/proc/self/fd/{files[OOM_CONTROL]}").readlink().parent
        with (folder / "cgroup.event_control").open("w", encoding="ascii") as control:
            control.write(f"{counter} {files[OOM_CONTROL]}")
    except OSError:
        os.close(counter)
        return -1
    return counter


def _count_of(counter: int) -> int:
    """How many events a counter of a group that has gone has counted."""
    count = 0
    waiting = select.poll()
    waiting.register(counter, select.POLLIN)
    while count < 2 and waiting.poll(TELLING * 1000):
        count += os.eventfd_read(counter)
    return count


def cgroup_usage(texts: dict[str, str]) -> ContainerUsage:
    """:param texts: of the control group's files, by name; of cgroup v1 or v2."""
    counts = dict(
        line.split(None, 1)
        for name in (OOM_CONTROL, "memory.events", "cpu.stat")
        for line in texts.get(name, "").splitlines()
        if " " in line
    )
    cpu = int(counts.get("usage_usec", 0)) / 1e6
    if "cpuacct.usage" in texts:
        cpu = int(texts["cpuacct.usage"]) / 1e9
    peak = texts.get("memory.max_usage_in_bytes") or texts.get("memory.peak") or "0"
    return ContainerUsage(int(counts.get("oom_kill", 0)) > 0, int(peak), cpu)
