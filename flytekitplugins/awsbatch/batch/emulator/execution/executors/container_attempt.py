"""One attempt in a container, from pulling its image to its exit code: what the ECS agent asks of the Docker daemon.

An engine that stops answering while a container runs is waited for, as the agent does it: the container may outlive the
engine (Podman's do, and Docker's with `live-restore`), and is followed again from then on.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from docker import APIClient
from docker.errors import APIError

from ..... import machine_time
from ...settings import ContainerSettings
from . import container_engine
from .container_cgroup import CgroupWatch
from .container_engine import engine_refusals
from .container_files import Ownership
from .container_log import Log
from .container_request import EngineFacts, Folder, container_request
from .protocol import CANNOT_CREATE, CANNOT_PULL, CANNOT_START, Exited, JobProcess, RefusedError

# Seconds after the end of a container's output before `wait` is called, which some engines answer late.
SOON = 1.0
# Seconds that an engine may be away while containers run, and between two looks whether it is back.
AWAY = 30.0
LOOK_EVERY = 0.25
HAS_ENDED = ("exited", "stopped", "dead")
# Podman prepares a container that has ended for another start when its output is asked for, and forgets how it ended.
MADE_AGAIN = "created"
OUTPUT = {"stdout": True, "stderr": True, "stream": True, "demux": True}

logger = logging.getLogger(__name__)

# What came of stdout and of stderr.
Output = Iterable[tuple[bytes | None, bytes | None]]


class Attempt:
    """
    :ivar container: its id once it is made.
    :ivar started: whether its start has been reported.
    :ivar listening: whether it can be sent signals: not before its start, and not while its engine is away.
    :ivar signals: which wait until it can.
    :ivar over: whether its end has been reported, or must not be.
    """

    def __init__(self, process: JobProcess) -> None:
        self.process = process
        self.lock = threading.Lock()
        self.container: str | None = None
        self.started = False
        self.listening = False
        self.signals: list[int] = []
        self.over = False
        self.thread: threading.Thread | None = None


class Attempts:
    """Runs attempts of one service; any thread may call it.

    :param labels: of a process's container.
    :param warn: called once for each thing that jobs ask for and do not get.
    :ivar closing: once it is set, an engine that has gone is not waited for any more.
    """

    def __init__(
        self,
        client: APIClient,
        settings: ContainerSettings,
        folders: Sequence[Folder],
        facts: EngineFacts,
        labels: Callable[[JobProcess], Mapping[str, str]],
        warn: Callable[[str], None],
    ) -> None:
        self._client = client
        self._settings = settings
        self._folders = folders
        self._facts = facts
        self._labels = labels
        self._warn = warn
        self._images = container_engine.Images(client, settings.pull)
        self.cgroups = CgroupWatch()
        self._ownership = Ownership(client, warn)
        self._storage_option = True
        self.closing = threading.Event()
        # Containers that may run still, and that the engine did not answer about.
        self._left: set[str] = set()

    def run(self, attempt: Attempt, tell_start: Callable[[int], None]) -> Exited:
        """Runs an attempt to its end.

        :param tell_start: gets the process id of process 1 on this machine, 0 where that is not known.

        Raises RefusedError where it could not begin, docker's and requests' errors.
        """
        process = attempt.process
        body = self._body(process)
        container = self._make(attempt, body)
        with contextlib.closing(Log(process.log)) as log:
            output, pid = self._start(process, container)
            tell_start(pid)
            self._listen(attempt)
            state = self._follow(attempt, container, output, log)
        usage = self.cgroups.take(process.key)
        if self._ownership.needed:
            self._ownership.give_to_user(body, process.argv)
        code = int(state["ExitCode"])
        out_of_memory = code != 0 and (bool(state.get("OOMKilled")) or usage.out_of_memory)
        return Exited(process.key, code, machine_time.wall(), out_of_memory, usage.peak_memory, usage.cpu_seconds)

    def signal(self, attempt: Attempt, number: int) -> None:
        """One that has ended is left alone; one that cannot hear of it yet gets it as soon as it can."""
        with attempt.lock:
            if not attempt.listening:
                attempt.signals.append(number)
                return
        try:
            with contextlib.suppress(APIError):
                self._client.kill(attempt.container, signal=number)
        except OSError as error:
            logger.error("a container could not be signalled: %s", container_engine.engine_words(error))
            with attempt.lock:
                attempt.signals.append(number)

    def _listen(self, attempt: Attempt) -> None:
        with attempt.lock:
            attempt.listening = True
            waiting, attempt.signals = attempt.signals, []
        for number in waiting:
            self.signal(attempt, number)

    def remove(self, attempt: Attempt) -> None:
        if attempt.container is not None:
            self._remove(attempt.container)

    def _remove(self, container: str) -> None:
        try:
            container_engine.remove_container(self._client, container)
        except OSError as error:
            logger.error("a container could not be removed: %s", container_engine.engine_words(error))
            # The next attempt must not run beside it.
            if not isinstance(error, APIError):
                self._left.add(container)
                return
        self._left.discard(container)

    def _body(self, process: JobProcess) -> dict[str, Any]:
        body, notes = container_request(process, self._settings, self._facts, self._folders, self._labels(process))
        for note in notes:
            self._warn(note)
        return body

    def _make(self, attempt: Attempt, body: dict[str, Any]) -> str:
        """Pulls the image and creates the container; returns its id."""
        with engine_refusals(CANNOT_PULL):
            self._images.ensure_image(body["Image"])
        if attempt.over:
            raise RefusedError(CANNOT_START, "it was asked to end before it started")
        for left in tuple(self._left):
            self._remove(left)
        container = self._create(body, f"awsbatch-{attempt.process.key.rpartition('#')[2]}")
        with attempt.lock:
            attempt.container = container
        return container

    def _create(self, body: dict[str, Any], name: str) -> str:
        option = body["HostConfig"].get("StorageOpt")
        if option is not None and not self._storage_option:
            del body["HostConfig"]["StorageOpt"]
            option = None
        with engine_refusals(CANNOT_CREATE):
            try:
                found = self._client.create_container_from_config(body, name)
            except APIError as error:
                if option is None:
                    raise
                # Most storage drivers cannot bound what a container writes.
                del body["HostConfig"]["StorageOpt"]
                found = self._client.create_container_from_config(body, name)
                self._storage_option = False
                self._warn(f"ephemeralStorage is not enforced by this engine: {container_engine.engine_said(error)}")
        container: str = found["Id"]
        return container

    def _start(self, process: JobProcess, container: str) -> tuple[Output, int]:
        with engine_refusals(CANNOT_START):
            # Podman makes the process now, Docker with the start: whatever it writes is here from the beginning.
            output: Output = self._client.attach(container, **OUTPUT)
            pid = self._watch(process, container)
            self._client.start(container)
        return output, pid or self._watch(process, container)

    def _watch(self, process: JobProcess, container: str) -> int:
        pid = int(self._client.inspect_container(container)["State"].get("Pid") or 0)
        self.cgroups.add(process.key, pid, container)
        return pid

    def _follow(self, attempt: Attempt, container: str, output: Output, log: Log) -> dict[str, Any]:
        """Docker's state of a container, when it has exited."""
        while True:
            try:
                for parts in output:
                    log.write_log(*parts)
                return self._state_at_end(container)
            except APIError:
                raise
            except OSError as error:
                output = self._output_again(attempt, container, error)

    def _output_again(self, attempt: Attempt, container: str, error: OSError) -> Output:
        """What a container writes after its engine has come back. Raises what was wrong before where it does not."""
        with attempt.lock:
            attempt.listening = False
        logger.error("the container engine is away: %s", container_engine.engine_words(error))
        until = machine_time.monotonic() + AWAY
        while machine_time.monotonic() < until and not self.closing.wait(LOOK_EVERY):
            try:
                if self._status(container) in HAS_ENDED:
                    return ()
                output: Output = self._client.attach(container, **OUTPUT)
                if self._status(container) == MADE_AGAIN:
                    break
            except APIError:
                raise
            except OSError:
                continue
            self._listen(attempt)
            return output
        raise error

    def _status(self, container: str) -> str:
        return str(self._client.inspect_container(container)["State"]["Status"])

    def _state_at_end(self, container: str) -> dict[str, Any]:
        """Docker's state of a container, when it has exited. Its output may have ended long before."""
        until, pause = machine_time.monotonic() + SOON, 0.002
        while True:
            state: dict[str, Any] = self._client.inspect_container(container)["State"]
            if state["Status"] in HAS_ENDED:
                return state
            if machine_time.monotonic() > until:
                # Podman answers a wait up to a quarter of a second late.
                self._client.wait(container, timeout=None)
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
