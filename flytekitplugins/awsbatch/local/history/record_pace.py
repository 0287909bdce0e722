"""When the record of a node that runs is written again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from flytekitplugins.awsbatch.propeller.aws_array.phases import Phase
from flytekitplugins.awsbatch.propeller.node.node_result import Progress

from ... import machine_time

# A process that resumes the node finds the same again from the step before: nothing outside of it has changed.
REPEATABLE = frozenset({Phase.PRE_LAUNCH, Phase.ASSEMBLE_FINAL_OUTPUT, Phase.WRITE_TO_DISCOVERY, Phase.SUCCESS})
# Writing takes at most one part in so many of a run's time.
SHARE = 20


class RecordPace:
    """Decides when a node's record is written: after each step that cannot be repeated, so before a job is submitted,
    when its id is known, and after a failure. Of jobs in an account or at a URL it also has the children's counts,
    which take at most a twentieth of a run's time; who looks at the jobs of this machine can ask the service for them.

    :param elsewhere: whether the jobs run in an account, or at a URL.
    """

    def __init__(self, elsewhere: bool, clock: Callable[[], float] = machine_time.monotonic) -> None:
        self.elsewhere = elsewhere
        self._clock = clock
        self._step: object = None
        self._counts: object = None
        self._not_before = 0.0

    def is_record_due(self, progress: Progress) -> bool:
        """Whether the record lacks something after a round."""
        if progress.phase in REPEATABLE and not progress.failed_attempts:
            return False
        step = progress.attempt, progress.phase, progress.job_id, progress.failed_attempts
        counts = progress.counts if self.elsewhere else None
        if step == self._step and (counts == self._counts or self._clock() < self._not_before):
            return False
        self._step, self._counts = step, counts
        return True

    @contextlib.contextmanager
    def record_writing(self) -> Iterator[None]:
        began = self._clock()
        yield
        now = self._clock()
        self._not_before = now + SHARE * (now - began)
