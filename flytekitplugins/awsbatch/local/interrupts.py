"""Ctrl-C, SIGTERM and a closed terminal while a task call waits for its jobs.

A signal is noted when it comes and acted on between two rounds of the handler, so that no submit is cut in two; a
second one leaves at once. Only on the main thread, only for as long as a call runs, and never where the signal was
ignored before (`nohup`).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from flytekitplugins.awsbatch.propeller.node.waiting import Wait

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asks this process to leave; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def leave_now(number: int) -> None:
    """Ends this process without a word to anybody: what it started notices by itself."""
    os._exit(128 + number)


class Interrupts:
    """The signals of one call, as a context manager.

    :param leave: what a second signal does.
    """

    def __init__(self, leave: Callable[[int], None] = leave_now) -> None:
        self._leave = leave
        self._before: dict[int, Any] = {}
        self._noted: int | None = None
        self._waiting = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            if signal.getsignal(number) == self._note:
                signal.signal(number, before)

    def check(self) -> None:
        """Raises Interrupted when a signal has come."""
        if self._noted is not None:
            raise Interrupted(self._noted)

    def waiting(self, wait: Wait) -> Wait:
        """`wait`, ended by a signal. Raises Interrupted."""

        def interruptible(job_id: str | None, *, round_seconds: float, error: bool, timeout: float | None) -> None:
            # From here on the handler itself raises, wherever the wait may be.
            self._waiting = True
            try:
                self.check()
                wait(job_id, round_seconds=round_seconds, error=error, timeout=timeout)
            finally:
                self._waiting = False

        return interruptible

    def as_before(self, number: int) -> BaseException:
        """What the signal would have done without this module, as an exception; after the block. A handler of the
        program's own is called first."""
        before = self._before.get(number)
        if callable(before) and before is not signal.default_int_handler:
            before(number, None)
        return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted is None:
            self._noted = number
            if self._waiting:
                raise Interrupted(number)
        elif number != signal.SIGHUP:
            # A closing terminal sends its signal more than once, and nobody means anything by it.
            self._leave(number)
