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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import DockerException
from requests import RequestException

from ..... import machine_time
from ...settings import ContainerSettings
from ..instance import Instance
from ..reaper import KILLED, reaper_journal_line
from . import container_engine, container_leftovers, supervision
from .container_attempt import Attempt, Attempts
from .container_request import EngineFacts, Folder
from .protocol import CannotStart, Event, Events, Exited, JobProcess, Lost, RefusedError, Started

# Seconds for attempts to end once their containers are gone.
CLOSING = 30.0
LEFTOVERS = "flytekitplugins.awsbatch.batch.emulator.execution.executors.container_leftovers"

logger = logging.getLogger(__name__)


class ContainerExecutor:
    """An executor of images. This process's supervisor removes what is left when this process dies.

    :param client: of the engine; see `container_engine.connect_engine`.
    :param warn: called once for each thing that jobs ask for and do not get.
    """

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
        self._lock = threading.Lock()
        self._running: dict[str, Attempt] = {}
        self._signals: queue.SimpleQueue[tuple[Attempt, int] | None] = queue.SimpleQueue()
        self._signaller: threading.Thread | None = None
        self._guarded = False

    def open_instance(self, instance: Instance, events: Events) -> None:
        self._instance = instance
        self._events = events
        self._home = container_leftovers.leftovers_label(instance.directory.parent.parent)
        self._journal = os.open(instance.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        info = self._client.info()
        runtimes = info.get("Runtimes") or {}
        facts = EngineFacts(
            gpus="nvidia" in runtimes or bool(info.get("CDISpecDirs")),
            selinux=any("selinux" in each for each in info.get("SecurityOptions") or ()),
        )
        self._attempts = Attempts(self._client, self._settings, self._folders, facts, self._labels, self._warn_once)
        self._supervision = supervision.supervision_of_this_process()
        self._lease = self._supervision.lease(instance, lambda _event: None)
        self._end_of_removed_instances()

    def start(self, process: JobProcess) -> None:
        attempt = Attempt(process)
        with self._lock:
            self._running[process.key] = attempt
            if not self._guarded:
                self._guard()
            if self._signaller is None:
                self._signaller = threading.Thread(target=self._signal, name="awsbatch-signals", daemon=True)
                self._signaller.start()
        attempt.thread = threading.Thread(
            target=self._run, args=(attempt,), name=f"awsbatch-container-{process.key}", daemon=True
        )
        attempt.thread.start()

    def signal(self, key: str, number: int) -> None:
        with self._lock:
            attempt = self._running.get(key)
        if attempt is not None:
            self._signals.put((attempt, int(number)))

    def end_left_behind(self, name: str, directory: Path) -> None:
        with self._engine_errors("containers of a dead service could not be ended"):
            container_leftovers.end_leftovers(self._client, self._home, name, directory)

    def close_instance(self) -> None:
        with self._lock:
            left = list(self._running.values())
        until = machine_time.monotonic() + CLOSING
        self._attempts.closing.set()
        for attempt in left:
            self.signal(attempt.process.key, signal.SIGKILL)
        if self._signaller is not None:
            self._signals.put(None)
        for thread in (*(attempt.thread for attempt in left), self._signaller):
            if thread is not None:
                thread.join(max(0.0, until - machine_time.monotonic()))
        with self._engine_errors("containers could not be removed"):
            # Containers that were started while the executor was asked to end.
            for container in container_engine.labelled_containers(self._client, self._labels()):
                container_engine.remove_container(self._client, container["Id"])
        self._supervision.release(self._lease)
        self._attempts.cgroups.stop_watching()
        # An attempt of an engine that hangs may outlast this.
        journal, self._journal = self._journal, -1
        os.close(journal)

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
            found = container_engine.labelled_containers(self._client, {container_leftovers.HOME: self._home})
            for name in {each["Labels"].get(container_leftovers.SERVICE, "") for each in found}:
                if not (self._instance.directory.parent / name).is_dir():
                    container_leftovers.end_leftovers(self._client, self._home, name, self._instance.directory)

    @contextlib.contextmanager
    def _engine_errors(self, what: str) -> Any:
        try:
            yield
        except (DockerException, RequestException) as error:
            logger.error("%s: %s", what, container_engine.engine_words(error))

    # The attempt's own thread.

    def _run(self, attempt: Attempt) -> None:
        key = attempt.process.key
        event: Event
        try:
            event = end = self._attempts.run(attempt, lambda pid: self._tell_start(attempt, pid))
            line = reaper_journal_line(key, end.exit_code, end.out_of_memory, end.at, end.peak_memory, end.cpu_seconds)
            # A full disk must not stop the rest.
            with contextlib.suppress(OSError):
                os.write(self._journal, line)
        except RefusedError as refused:
            event = CannotStart(key, str(refused), machine_time.wall(), refused.error)
        except Exception as error:
            logger.debug("attempt %s", key, exc_info=True)
            message = f"the container engine: {container_engine.engine_words(error)}"
            event = (Lost if attempt.started else CannotStart)(key, message, machine_time.wall())
        self._tell_end(attempt, event)
        self._attempts.remove(attempt)
        with self._lock:
            self._running.pop(key, None)

    def _tell_start(self, attempt: Attempt, pid: int) -> None:
        with attempt.lock:
            attempt.started = True
            over = attempt.over
        if not over:
            self._events(Started(attempt.process.key, pid, machine_time.wall()))

    def _tell_end(self, attempt: Attempt, event: Event) -> None:
        with attempt.lock:
            if attempt.over:
                return
            attempt.over = True
        self._events(event)

    def _warn_once(self, note: str) -> None:
        with self._lock:
            if note in self._warned:
                return
            self._warned.add(note)
        self._warn(note)

    # On the thread that sends signals, since an engine may be slow to take one.

    def _signal(self) -> None:
        while (asked := self._signals.get()) is not None:
            attempt, number = asked
            if number == signal.SIGKILL and not attempt.started:
                # It may be pulling an image, which cannot be interrupted.
                self._tell_end(attempt, Exited(attempt.process.key, KILLED, machine_time.wall()))
            self._attempts.signal(attempt, number)
