"""Ctrl-C, SIGTERM and a closed terminal, while a task call waits for its jobs and between two calls.

In a call a signal is noted when it comes and acted on between two rounds of the handler, so that no submit is cut in
two. Between calls (in a plain task, while inputs are converted) it does what it would have done, and is noted so that
the process can say how to resume. A second one ends it at once, but for Ctrl-C in an interactive session. Only on the
main thread, only while an execution is under way, and never where the signal was ignored before (`nohup`).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from flytekitplugins.awsbatch.propeller.node.waiting import Wait

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asks this process to leave; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def leave_at_interrupt(number: int) -> None:
    """Ends this process at once. What it has started notices that by itself."""
    os._exit(128 + number)


def is_interactive_session() -> bool:
    """Whether a person types into this process, in Python's own prompt, IPython or a notebook."""
    return hasattr(sys, "ps1")


def _ends_a_command_only(number: int) -> bool:
    """Whether the process outlives a signal, however often it comes: the session holds what a person has computed."""
    return number == signal.SIGINT and is_interactive_session()


def _call_handler(handler: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None) -> None:
    """flytekit's handler of Ctrl-C calls `exit` (`main_signal_handler` in its `core/context_manager.py`), which ends an
    interactive session, and which IPython does not have."""
    try:
        handler(number, frame)
    except (SystemExit, NameError):
        if _ends_a_command_only(number):
            raise KeyboardInterrupt from None
        raise


def _take_signals(note: Callable[[int, FrameType | None], None], before: dict[int, Any]) -> None:
    """Sets the handler of the signals that are not ignored, on the main thread only. `before` gets those of before."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            known = signal.getsignal(number)
            if known not in (signal.SIG_IGN, None, note):
                before[number] = known
                signal.signal(number, note)


class Interrupts:
    """The signals of one call, as a context manager.

    :param noted: called at the first one, in the signal's handler.
    """

    def __init__(self, noted: Callable[[], None] = lambda: None) -> None:
        self._on_first = noted
        self._before: dict[int, Any] = {}
        self._noted: int | None = None
        self._waiting = False

    def __enter__(self) -> Interrupts:
        _take_signals(self._note, self._before)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            if signal.getsignal(number) == self._note:
                signal.signal(number, before)

    def raise_if_interrupted(self) -> None:
        """Raises Interrupted when a signal has come."""
        if self._noted is not None:
            raise Interrupted(self._noted)

    def interruptible_wait(self, wait: Wait) -> Wait:
        """Wraps `wait` so that a signal ends it. Raises Interrupted."""

        def interruptible(job_id: str | None, *, round_seconds: float, error: bool, timeout: float | None) -> None:
            # From here on the handler itself raises, wherever the waiting thread is.
            self._waiting = True
            try:
                self.raise_if_interrupted()
                wait(job_id, round_seconds=round_seconds, error=error, timeout=timeout)
            finally:
                self._waiting = False

        return interruptible

    def wait_for(self, event: threading.Event) -> None:
        """Raises Interrupted when a signal comes first."""
        self._waiting = True
        try:
            self.raise_if_interrupted()
            event.wait()
        finally:
            self._waiting = False

    def as_before(self, number: int) -> BaseException:
        """What the signal would have raised without this module, to be raised after the block. A handler of the
        program's own is called first."""
        before = self._before.get(number)
        if callable(before) and before is not signal.default_int_handler:
            _call_handler(before, number, sys._getframe())
        return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted is None:
            self._noted = number
            self._on_first()
            if self._waiting:
                raise Interrupted(number)
        elif number != signal.SIGHUP and not _ends_a_command_only(number):
            # A closing terminal sends its signal more than once: the second is no wish to leave at once.
            leave_at_interrupt(number)


class BetweenCalls:
    """The signals of a process between the task calls of its executions.

    :param running: returns the names of the executions whose outermost call has not returned, from the frame that a
        signal has interrupted.
    :ivar cut: the executions that a signal has cut short.
    """

    def __init__(self, running: Callable[[FrameType | None], list[str]]) -> None:
        self._running = running
        self._before: dict[int, Any] = {}
        self.cut: list[str] = []

    def watch_interrupts(self) -> None:
        """Watches from now on. Does nothing off the main thread."""
        _take_signals(self._note, self._before)

    def release(self) -> None:
        """Restores the handlers of before, unless others have been set since."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in [one for one in self._before if signal.getsignal(one) == self._note]:
            signal.signal(number, self._before.pop(number))

    def note_call_between(self) -> None:
        """Forgets earlier signals: a workflow that calls a further task has survived them."""
        self.cut = []

    def _note(self, number: int, frame: FrameType | None) -> None:
        before = self._before.get(number, signal.SIG_DFL)
        if self.cut and not _ends_a_command_only(number):
            if number != signal.SIGHUP:
                leave_at_interrupt(number)
            return
        self.cut = self._running(frame)
        if callable(before):
            _call_handler(before, number, frame)
            # The program's own handler has returned: it ends the program in its own way, or not at all.
            self.cut = []
        elif self.cut:
            raise SystemExit(128 + number)
        else:
            signal.signal(number, before)
            os.kill(os.getpid(), number)
