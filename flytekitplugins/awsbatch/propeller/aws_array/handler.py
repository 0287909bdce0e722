"""The handler: one round a call. `step` reads the phase, does that phase's work, and says what propeller is told.

Source: `awsbatch/executor.go` (`Handle`, `Abort`, `Finalize`).
"""

from __future__ import annotations

from .context import TaskContext
from .services import HandlerServices
from .state import State
from .transition import Step


def step(state: State, context: TaskContext, services: HandlerServices) -> Step:
    """One round. Writes files and calls AWS as the phase demands; the state it was given stays as it was.

    :raises HandlerError: Flyte's own errors. BatchError: AWS refused. StorageError. PanicError: Go would crash.
        After any of these the old state counts, and the same round may be tried again.
    """
    raise NotImplementedError


def abort(state: State, context: TaskContext, services: HandlerServices) -> None:
    """Terminates the job, if there is one, with the reason "Aborted". Raises BatchError."""
    raise NotImplementedError


def finalize(state: State, context: TaskContext, services: HandlerServices) -> None:
    """Terminates the job, if there is one, with the reason "Finalized", however it ended. Raises BatchError."""
    raise NotImplementedError
