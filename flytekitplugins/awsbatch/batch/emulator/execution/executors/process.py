"""Runs each attempt as a process of its own, started from nothing, through the supervisor, which outlives the service's
process just long enough to leave nothing behind. Stands for the ECS agent on a container instance; images, volumes and
networks are not its business.
"""

from __future__ import annotations

from pathlib import Path

from ..... import machine_time
from ... import private_folders
from ..instance import Instance
from . import supervision
from .protocol import CannotStart, Events, JobProcess

NO_COMMAND = "the job has no command, and its image's own runs only with isolation: container"


class ProcessExecutor:
    """An executor of commands."""

    def open_instance(self, instance: Instance, events: Events) -> None:
        self._events = events
        self._supervision = supervision.supervision_of_this_process()
        self._lease = self._supervision.lease(instance, events)

    def start(self, process: JobProcess) -> None:
        if not process.argv:
            self._events(CannotStart(process.key, NO_COMMAND, machine_time.wall()))
            return
        try:
            if process.scratch is not None:
                private_folders.make_private_folder(process.scratch)
            self._supervision.start(self._lease, process)
        except (OSError, ValueError) as error:
            self._events(CannotStart(process.key, str(error), machine_time.wall()))

    def signal(self, key: str, number: int) -> None:
        self._supervision.signal(self._lease, key, number)

    def end_left_behind(self, name: str, directory: Path) -> None:
        """Does nothing: the system ends a supervisor's processes with it."""

    def close_instance(self) -> None:
        self._supervision.release(self._lease)
