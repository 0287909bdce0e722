"""Faults on demand: what can go wrong with AWS Batch, at a chosen call or at a chosen attempt of a child.

This decides only; the service and the HTTP server act on it. A fault is spent after `times` uses (0: never).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from flytekitplugins.awsbatch.settings.section import MAXIMUM, MINIMUM, setting

from .job_model import Unit

# Of a call.
THROTTLE = "throttle"
SERVER_ERROR = "server_error"
SLOW = "slow"
STALE_DESCRIBE = "stale_describe"
DROP_RESPONSE = "drop_response"
# The kinds that strike an attempt.
HOST_LOST = "host_lost"
CANNOT_START = "cannot_start"
STAY_RUNNABLE = "stay_runnable"

CALL_KINDS = (THROTTLE, SERVER_ERROR, SLOW, STALE_DESCRIBE, DROP_RESPONSE)
ATTEMPT_KINDS = (HOST_LOST, CANNOT_START, STAY_RUNNABLE)
KINDS = (*CALL_KINDS, *ATTEMPT_KINDS)
# A year.
MAX_SECONDS = 365 * 86_400


@dataclass(frozen=True)
class Fault:
    """One fault.

    :param kind: of calls: `throttle` (429), `server_error` (500), `slow` (answers after `seconds`), `stale_describe`
        (DescribeJobs answers what was true `seconds` ago), `drop_response` (carried out, but the answer is lost). Of
        attempts: `host_lost` (`seconds` after the start the host is taken away), `cannot_start` (as if the image
        could not be pulled), `stay_runnable` (it never leaves RUNNABLE).
    :param operation: AWS's name of the calls that the fault is for, empty for any.
    :param every: how many-th of those calls is hit; 1 for each of them.
    :param seconds: how long a `slow` call takes, how old a `stale_describe` answer is, and how long after its start an
        attempt gets `host_lost`.
    :param job: the name or id of the job that it is for, empty for any.
    :param child: the array index that it is for, -1 for any child and for single jobs.
    :param attempt: the attempt that it is for, from 1; 0 for any.
    :param times: how often it happens before it is spent, 0 for always.
    """

    kind: str = setting("kind", choices=KINDS)
    operation: str = setting("operation", "")
    every: int = setting("every", 1, minimum=1)
    seconds: float = setting("seconds", 0.0, minimum=0, maximum=MAX_SECONDS, unit="seconds")
    job: str = setting("job", "")
    child: int = setting("child", -1, minimum=-1)
    attempt: int = setting("attempt", 0, minimum=0)
    times: int = setting("times", 0, minimum=0)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"fault kind {self.kind!r}: expected one of {', '.join(KINDS)}")
        # The bounds of the settings, for faults that Python and HTTP bring.
        for one in fields(self):
            least, most, value = one.metadata[MINIMUM], one.metadata[MAXIMUM], getattr(self, one.name)
            if least is not None and not least <= value <= (value if most is None else most):
                expected = f"{least} or more" if most is None else f"{least} to {most}"
                raise ValueError(f"fault {one.name} {value}: expected {expected}")

    def is_for(self, unit: Unit, attempt: int) -> bool:
        return (
            self.job in ("", unit.job.id, unit.job.spec.name)
            and self.child in (-1, unit.index)
            and self.attempt in (0, attempt)
        )


class FaultPlan:
    """The faults that are set, and how often each has been used. Any thread may call it."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._faults: list[_Counted] = [_Counted(fault) for fault in faults]
        self.on_change: Callable[[], None] = lambda: None

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(_Counted(fault))
        self.on_change()

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
        self.on_change()

    def active_faults(self) -> list[Fault]:
        """The faults that are not spent."""
        with self._lock:
            return [each.fault for each in self._faults]

    def unused_faults(self) -> list[Fault]:
        """The faults that have hit nothing so far."""
        with self._lock:
            return [each.fault for each in self._faults if not each.used]

    def of_call(self, operation: str) -> list[Fault]:
        """Counts this call, and returns the faults that hit it."""
        if not self._faults:
            return []
        with self._lock:
            hit = [each for each in self._faults if each.fault.kind in CALL_KINDS and each.hits(operation)]
            return [each.fault for each in hit if self._use(each)]

    def fault_of_attempt(self, kind: str, unit: Unit) -> Fault | None:
        """The first fault of that kind for the unit's attempt: the current one, or the next one of a RUNNABLE unit."""
        if not self._faults:
            return None
        attempt = len(unit.attempts) + (1 if kind == STAY_RUNNABLE else 0)
        with self._lock:
            for each in self._faults:
                if each.fault.kind == kind and each.fault.is_for(unit, attempt):
                    self._use(each)
                    return each.fault
        return None

    def _use(self, each: _Counted) -> bool:
        each.used += 1
        if each.fault.times and each.used >= each.fault.times:
            self._faults.remove(each)
        return True


class _Counted:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.calls = 0
        self.used = 0

    def hits(self, operation: str) -> bool:
        concerned = self.fault.operation in ("", operation)
        if self.fault.kind == STALE_DESCRIBE:
            concerned &= operation == "DescribeJobs"
        self.calls += concerned
        return concerned and self.calls % self.fault.every == 0
