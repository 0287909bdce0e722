"""Runs each attempt as a container of its job's image. Stands for the ECS agent and the Docker daemon of a container
instance, whose answers and words it passes on.

An attempt has a thread of its own from pulling the image to removing the container: as many as vCPUs let run.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flytekitplugins.awsbatch.batch.emulator.execution.executors import (
    container_engine,
    container_leftovers,
    supervision,
)
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_cgroup import CgroupWatch
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_files import Ownership
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_request import (
    CannotRunError,
    ContainerRequest,
    EngineFacts,
    Folder,
    request,
)
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import (
    CANNOT_CREATE,
    CANNOT_PULL,
    CANNOT_START,
    CannotStart,
    Event,
    Events,
    Exited,
    JobProcess,
    Lost,
    Started,
)
from flytekitplugins.awsbatch.batch.emulator.execution.instance import Instance
from flytekitplugins.awsbatch.batch.emulator.execution.reaper import KILLED, journal_line
from flytekitplugins.awsbatch.batch.emulator.settings import ContainerSettings

if TYPE_CHECKING:
    from docker import APIClient

# The bytes after which a line is cut: Docker's own size of a log message.
LONGEST_PART = 16 * 1024
# Seconds after the end of a container's output before `wait` is called, which some engines answer late.
SOON = 1.0
# Seconds for attempts to end once their containers are gone.
CLOSING = 30.0
LEFTOVERS = "flytekitplugins.awsbatch.batch.emulator.execution.executors.container_leftovers"

logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """The engine did not start an attempt: ECS's name for it, and the engine's words."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error


class Running:
    """One attempt.

    :ivar container: its id once it is made.
    :ivar over: whether its end has been reported, or must not be.
    """

    def __init__(self, process: JobProcess) -> None:
        self.process = process
        self.lock = threading.Lock()
        self.container: str | None = None
        self.started = False
        self.over = False
        self.signals: list[int] = []
        self.thread: threading.Thread | None = None


class ContainerExecutor:
    """An executor of images. This process's supervisor removes what is left when this process dies.

    :param client: of the engine; see `container_engine.connect`.
    :param warn: called once for each thing that jobs ask for and do not get.
    """

    name = "container"

    def __init__(
        self,
        client: APIClient,
        settings: ContainerSettings,
        *,
        folders: Sequence[Folder] = (),
        warn: Callable[[str], None] = logger.warning,
    ) -> None:
        self._client = client
        self._settings = settings
        self._folders = tuple(folders)
        self._warn = warn
        self._warned: set[str] = set()
        self._images = container_engine.Images(client, settings.pull)
        self._cgroups = CgroupWatch()
        self._ownership = Ownership(client, self._warn_once)
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}
        self._signals: queue.SimpleQueue[tuple[Running, int] | None] = queue.SimpleQueue()
        self._signaller: threading.Thread | None = None
        self._guarded = False
        self._storage_option = True

    def open(self, instance: Instance, events: Events) -> None:
        self._instance = instance
        self._events = events
        self._home = container_leftovers.home_label(instance.directory.parent.parent)
        self._journal = os.open(instance.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        info = self._client.info()
        runtimes = info.get("Runtimes") or {}
        self._facts = EngineFacts(
            gpus="nvidia" in runtimes or bool(info.get("CDISpecDirs")),
            selinux=any("selinux" in each for each in info.get("SecurityOptions") or ()),
        )
        self._supervision = supervision.of_this_process()
        self._lease = self._supervision.lease(instance, lambda _event: None)
        self._end_of_removed_instances()

    def accepts(self, process: JobProcess) -> bool:
        return process.spec is not None

    def start(self, process: JobProcess) -> None:
        running = Running(process)
        with self._lock:
            self._running[process.key] = running
            if not self._guarded:
                self._guard()
        running.thread = threading.Thread(
            target=self._run, args=(running,), name=f"awsbatch-container-{process.key}", daemon=True
        )
        running.thread.start()

    def signal(self, key: str, number: int) -> None:
        with self._lock:
            running = self._running.get(key)
            if running is None:
                return
            if self._signaller is None:
                self._signaller = threading.Thread(target=self._signal, name="awsbatch-signals", daemon=True)
                self._signaller.start()
        self._signals.put((running, int(number)))

    def end_left_behind(self, name: str, directory: Path) -> None:
        with self._engine_errors("containers of a dead service could not be ended"):
            container_leftovers.end(self._client, self._home, name, directory)

    def close(self) -> None:
        with self._lock:
            left = list(self._running.values())
        for running in left:
            self.signal(running.process.key, signal.SIGKILL)
        for running in left:
            if running.thread is not None:
                running.thread.join(CLOSING)
        if self._signaller is not None:
            self._signals.put(None)
            self._signaller.join()
        with self._engine_errors("containers could not be removed"):
            # Containers that were started while the executor was asked to end.
            for container in container_engine.labelled(self._client, self._labels()):
                container_engine.remove(self._client, container["Id"])
        self._supervision.release(self._lease)
        self._cgroups.close()
        os.close(self._journal)

    def _labels(self, process: JobProcess | None = None) -> dict[str, str]:
        labels = {container_leftovers.HOME: self._home, container_leftovers.SERVICE: self._instance.name}
        if process is not None and process.spec is not None:
            job = process.key.partition("#")[0]
            labels |= {container_leftovers.JOB: job, container_leftovers.ATTEMPT: process.key}
        return labels

    def _guard(self) -> None:
        """Has the supervisor end this instance's containers when this process dies."""
        arguments = (self._settings.engine, self._home, self._instance.name, str(self._instance.directory))
        log = self._instance.directory / "leftovers.log"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        try:
            self._supervision.at_end(self._lease, (sys.executable, "-m", LEFTOVERS, *arguments), environment, log)
        except OSError as error:
            self._warn(f"containers are left behind if this process is killed: {error}")
        self._guarded = True

    def _end_of_removed_instances(self) -> None:
        """Ends what instances left behind that have no directory any more."""
        with self._engine_errors("containers of former services could not be ended"):
            found = container_engine.labelled(self._client, {container_leftovers.HOME: self._home})
            for name in {each["Labels"].get(container_leftovers.SERVICE, "") for each in found}:
                if not (self._instance.directory.parent / name).is_dir():
                    container_leftovers.end(self._client, self._home, name, self._instance.directory)

    @contextlib.contextmanager
    def _engine_errors(self, what: str) -> Any:
        from docker.errors import DockerException
        from requests import RequestException

        try:
            yield
        except (DockerException, RequestException) as error:
            logger.error("%s: %s", what, container_engine.root_cause(error))

    # The attempt's own thread.

    def _run(self, running: Running) -> None:
        key = running.process.key
        try:
            event = self._attempt(running)
        except RefusedError as refused:
            event = CannotStart(key, str(refused), time.time(), refused.error)
        except Exception as error:
            logger.debug("attempt %s", key, exc_info=True)
            message = f"the container engine: {container_engine.root_cause(error)}"
            event = Lost(key, message, time.time()) if running.started else CannotStart(key, message, time.time())
        self._end(running, event)
        if running.container is not None:
            with self._engine_errors("a container could not be removed"):
                container_engine.remove(self._client, running.container)
        with self._lock:
            self._running.pop(key, None)

    def _end(self, running: Running, event: Event) -> None:
        with running.lock:
            if running.over:
                return
            running.over = True
        self._events(event)

    def _attempt(self, running: Running) -> Event:
        """Runs an attempt to its end. Raises RefusedError where it could not begin, docker's and requests' errors."""
        process = running.process
        wanted = self._wanted(process)
        container = self._make(running, wanted)
        with contextlib.closing(Log(process.log)) as log:
            # Podman makes the process now, Docker with the start: whatever it writes is here from the beginning.
            output = self._asked(
                CANNOT_START, self._client.attach, container, stdout=True, stderr=True, stream=True, demux=True
            )
            pid = self._pid(container)
            self._cgroups.add(process.key, pid, container)
            self._asked(CANNOT_START, self._client.start, container)
            if not pid:
                pid = self._pid(container)
                self._cgroups.add(process.key, pid, container)
            self._tell_start(running, pid)
            for parts in output:
                log.write(*parts)
        state = self._state_at_end(container)
        usage = self._cgroups.take(process.key)
        if self._ownership.needed:
            self._ownership.settle(wanted.body, process.argv)
        code = int(state["ExitCode"])
        out_of_memory = code != 0 and (bool(state.get("OOMKilled")) or usage.out_of_memory)
        end = Exited(process.key, code, time.time(), out_of_memory, usage.peak_memory, usage.cpu_seconds)
        # A full disk must not stop the rest.
        with contextlib.suppress(OSError):
            os.write(self._journal, journal_line(end.key, code, out_of_memory, end.at, *_used(end)))
        return end

    def _wanted(self, process: JobProcess) -> ContainerRequest:
        try:
            wanted = request(process, self._settings, self._facts, self._folders, self._labels(process))
        except CannotRunError as error:
            raise RefusedError(CANNOT_CREATE, str(error)) from error
        for note in wanted.notes:
            self._warn_once(note)
        return wanted

    def _make(self, running: Running, wanted: ContainerRequest) -> str:
        """Pulls the image and creates the container; returns its id."""
        process = running.process
        try:
            self._images.ensure(wanted.body["Image"])
        except container_engine.PullError as error:
            raise RefusedError(CANNOT_PULL, str(error)) from error
        with running.lock:
            if running.over:
                raise RefusedError(CANNOT_START, "it was asked to end before it started")
        container = self._create(wanted, f"awsbatch-{process.key.rpartition('#')[2]}")
        with running.lock:
            running.container = container
        return container

    def _create(self, wanted: ContainerRequest, name: str) -> str:
        from docker.errors import APIError

        body = wanted.body
        option = body["HostConfig"].get("StorageOpt")
        if option is not None and not self._storage_option:
            del body["HostConfig"]["StorageOpt"]
        try:
            found = self._client.create_container_from_config(body, name)
        except APIError as error:
            if option is None or not self._storage_option:
                raise RefusedError(CANNOT_CREATE, container_engine.said(error)) from error
            # Most storage drivers cannot bound what a container writes.
            del body["HostConfig"]["StorageOpt"]
            found = self._asked(CANNOT_CREATE, self._client.create_container_from_config, body, name)
            self._storage_option = False
            self._warn_once(f"ephemeralStorage is not enforced by this engine: {container_engine.said(error)}")
        container: str = found["Id"]
        return container

    def _asked(self, error: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """The answer of the engine. Raises RefusedError where it refuses, by ECS's name."""
        from docker.errors import APIError

        try:
            return call(*arguments, **options)
        except APIError as refused:
            raise RefusedError(error, container_engine.said(refused)) from refused

    def _pid(self, container: str) -> int:
        return int(self._client.inspect_container(container)["State"].get("Pid") or 0)

    def _tell_start(self, running: Running, pid: int) -> None:
        with running.lock:
            running.started = True
            waiting, running.signals = running.signals, []
            over = running.over
        for number in waiting:
            self._kill(running, number)
        if not over:
            self._events(Started(running.process.key, pid, time.time()))

    def _state_at_end(self, container: str) -> dict[str, Any]:
        """Docker's state of a container, when it has exited. Its output may have ended long before."""
        until, pause = time.monotonic() + SOON, 0.002
        while True:
            state: dict[str, Any] = self._client.inspect_container(container)["State"]
            if state["Status"] in ("exited", "stopped", "dead"):
                return state
            if time.monotonic() > until:
                # Podman answers a wait up to a quarter of a second late.
                self._client.wait(container, timeout=None)
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def _warn_once(self, note: str) -> None:
        with self._lock:
            if note in self._warned:
                return
            self._warned.add(note)
        self._warn(note)

    # On the thread that sends signals, since an engine may be slow to take one.

    def _signal(self) -> None:
        while (asked := self._signals.get()) is not None:
            running, number = asked
            with running.lock:
                early = not running.started
                if early:
                    running.signals.append(number)
            if early and number == signal.SIGKILL:
                # It may be pulling an image, which cannot be interrupted.
                self._end(running, Exited(running.process.key, KILLED, time.time()))
            elif not early:
                self._kill(running, number)

    def _kill(self, running: Running, number: int) -> None:
        from docker.errors import APIError

        # An attempt that has ended is left alone.
        with self._engine_errors("a container could not be signalled"), contextlib.suppress(APIError):
            self._client.kill(running.container, signal=int(number))


class Log:
    """The log file of an attempt. Lines of stdout and stderr are kept whole, in the order in which the engine sends
    them."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._begun = [b"", b""]

    def write(self, *parts: bytes | None) -> None:
        """:param parts: what came of stdout and of stderr; a line that has not ended waits for its end."""
        for place, part in enumerate(parts):
            if not part:
                continue
            text = self._begun[place] + part
            end = text.rfind(b"\n") + 1
            if len(text) - end > LONGEST_PART:
                end = len(text)
            self._put([text[:end]])
            self._begun[place] = text[end:]

    def close(self) -> None:
        self._put(self._begun)
        os.close(self._file)

    def _put(self, texts: Iterable[bytes]) -> None:
        for text in texts:
            # What a full disk does not take is lost, as with every other log.
            with contextlib.suppress(OSError):
                rest = memoryview(text)
                while rest:
                    rest = rest[os.write(self._file, rest) :]


def _used(end: Exited) -> tuple[int, float]:
    return end.peak_memory, end.cpu_seconds
