"""Faults on demand: what can go wrong with AWS Batch, at a chosen call or at a chosen attempt of a child.

Only decides; the service and the HTTP server act on what is decided. A fault is spent after `times` uses (0: never).
"""

from __future__ import annotations

from dataclasses import dataclass

from flytekitplugins.awsbatch.settings.section import setting

# Of a call.
THROTTLE = "throttle"
SERVER_ERROR = "server_error"
SLOW = "slow"
STALE_DESCRIBE = "stale_describe"
DROP_RESPONSE = "drop_response"
# Of an attempt.
HOST_LOST = "host_lost"
CANNOT_START = "cannot_start"
STAY_RUNNABLE = "stay_runnable"

CALL_KINDS = (THROTTLE, SERVER_ERROR, SLOW, STALE_DESCRIBE, DROP_RESPONSE)
ATTEMPT_KINDS = (HOST_LOST, CANNOT_START, STAY_RUNNABLE)


@dataclass(frozen=True)
class Fault:
    """One fault.

    :param kind: `throttle` (429), `server_error` (500), `slow` (answers after `seconds`), `stale_describe` (DescribeJobs answers what
        was true `seconds` ago), `drop_response` (the call is carried out, the answer is lost): of calls of `operation` (AWS's name;
        empty: any; `stale_describe`: DescribeJobs), every `every`-th of them. `host_lost` (the attempt ends as if its host had been
        taken away, `seconds` after it started), `cannot_start` (as if the image could not be pulled), `stay_runnable` (never
        leaves RUNNABLE): of attempts.
    :param job: the job's name or id, empty for any.
    :param child: the array index, -1 for any child and for jobs that are no array.
    :param attempt: from 1, 0 for any.
    :param times: how often it happens before it is spent, 0 for always.
    """

    kind: str = setting("kind", choices=(*CALL_KINDS, *ATTEMPT_KINDS))
    operation: str = setting("operation", "")
    every: int = setting("every", 1, minimum=1)
    seconds: float = setting("seconds", 0.0, minimum=0)
    job: str = setting("job", "")
    child: int = setting("child", -1, minimum=-1)
    attempt: int = setting("attempt", 0, minimum=0)
    times: int = setting("times", 0, minimum=0)
