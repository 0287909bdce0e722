"""What the service asks of an executor, and what an executor tells it. An executor runs attempts to their end; it
knows nothing of retries, arrays or queues.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...job_model import JobSpec

if TYPE_CHECKING:
    from ..instance import Instance

# ECS's names for why a container did not start.
CANNOT_START = "CannotStartContainerError"
CANNOT_CREATE = "CannotCreateContainerError"
CANNOT_PULL = "CannotPullContainerError"
TIMED_OUT = "DockerTimeoutError"


class NoEngineError(Exception):
    """No container engine answers; the message says what was tried."""


class RefusedError(Exception):
    """An attempt could not begin in a container: ECS's name for it, and the words, mostly the engine's."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error


@dataclass(frozen=True)
class JobProcess:
    """One attempt to run.

    :param key: names the attempt in every event; unique in the life of a home.
    :param log: the file that gets stdout and stderr; its directory exists.
    :param memory_limit: MiB of the attempt and all it starts together, 0 for none.
    :param scratch: the attempt's scratch directory, or None; made before the start, removed by the service.
    :param temporary: the attempt's TMPDIR where it has one of its own, likewise.
    :param shared: of the environment, what all attempts of the job have: the same object for them.
    :param spec: the attempt's job, for an executor that does more of it than to run the command.
    """

    key: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    shared: Mapping[str, str]
    cwd: Path
    log: Path
    memory_limit: int = 0
    scratch: Path | None = None
    temporary: Path | None = None
    spec: JobSpec | None = None


@dataclass(frozen=True)
class Started:
    key: str
    pid: int
    at: float


@dataclass(frozen=True)
class Exited:
    """The attempt's main process has ended and everything that it left behind is gone.

    :param exit_code: as a shell says it: 128 + n after signal n.
    :param out_of_memory: it was killed for passing its memory limit.
    :param peak_memory: the most that it held, in bytes; 0 where that is not known.
    :param cpu_seconds: what all its processes computed.
    """

    key: str
    exit_code: int
    at: float
    out_of_memory: bool = False
    peak_memory: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class CannotStart:
    """There is no such command, directory, permission, image: what `exec` or the container engine said.

    :param error: ECS's name for it.
    """

    key: str
    message: str
    at: float
    error: str = CANNOT_START


@dataclass(frozen=True)
class Lost:
    """The executor lost track of the attempt (its supervisor died); the attempt does not run any more."""

    key: str
    message: str
    at: float


Event = Started | Exited | CannotStart | Lost
Events = Callable[[Event], None]
# By the words for them in messages from the supervisor and the interpreters, whose values are the fields.
EVENT_OF_WORD: Mapping[str, Callable[..., Event]] = {"started": Started, "exited": Exited, "cannot": CannotStart}


class Executor(Protocol):
    """A way to run attempts. Called from the service's own thread; events may come from any thread, also at once."""

    def open_instance(self, instance: Instance, events: Events) -> None:
        """Gets ready. Whatever it starts should inherit `instance.lock`, so that nobody takes the jobs over while it
        lives, and should append to `instance.journal` every exit before it tells of it."""
        ...

    def start(self, process: JobProcess) -> None: ...

    def signal(self, key: str, number: int) -> None:
        """Signals an attempt's main process, SIGKILL all of the attempt; one that has ended is left alone."""
        ...

    def end_left_behind(self, name: str, directory: Path) -> None:
        """Kills what an instance that is dead has left running, and writes down the exits that it did not.

        Called while nobody else may take the instance over. `directory` need not be there any more.
        """
        ...

    def close_instance(self) -> None:
        """Kills what still runs and returns when nothing does."""
        ...
