"""Failed attempts, told when they happen: one line each for a job, one for many where the children of an array fail.

It reads what the handler knows after each of its rounds, and prints nothing itself.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from flytekitplugins.awsbatch.propeller.aws_array.job_store import Job
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.node.node_result import Progress

# Seconds between two lines about the same array.
INTERVAL = 5.0
# Of the failures that a line is about, so many are asked for their exception.
MOST_ASKED = 20
LONGEST = 200


@dataclass(frozen=True)
class Failed:
    """:param child: its place in the array job. :param again: whether AWS Batch starts it once more."""

    child: int
    attempt: int
    again: bool
    message: str


class AttemptNews:
    """The failures of one node that nobody has been told of yet.

    :param exception: the exception of a child's last attempt in one line, from its place in the array job and from AWS
        Batch's words.
    :param original: an item's place in the user's list, from the child's in the array job.
    """

    def __init__(
        self,
        exception: Callable[[int, str], str],
        original: Callable[[int], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exception = exception
        self._original = original
        self._clock = clock
        self._job = ""
        self._tries: dict[int, int] = {}
        self._untold: list[Failed] = []
        self._told_at: float | None = None
        self._retried = 0

    def lines(self, progress: Progress, job: Job | None, allowed: int | None) -> list[str]:
        """What is to be said after a round.

        :param job: what is known of the job. :param allowed: how often AWS Batch tries each child.
        """
        if progress.job_name != self._job:
            self._job, self._tries = progress.job_name, {}
        if job is not None:
            self._untold += self._new_failures(job)
        ends = progress.retried or progress.ended
        due = self._told_at is None or self._clock() - self._told_at >= INTERVAL
        said = []
        if self._untold and (due or ends or (job is not None and len(job.children) == 1)):
            said.append(self._line(len(job.children) if job is not None else 0, allowed))
            self._untold, self._told_at = [], self._clock()
        if progress.retried and self._retried != progress.attempt + 1:
            self._retried = progress.attempt + 1
            number = progress.attempt - progress.first_attempt + 1
            said.append(f"node attempt {number} of {progress.max_attempts} failed; node attempt {number + 1} follows")
        return said

    def _new_failures(self, job: Job) -> list[Failed]:
        failed = []
        for index, child in enumerate(job.children):
            known = self._tries.get(index, 0)
            if child.tries <= known:
                continue
            self._tries[index] = child.tries
            ended_well = child.phase is TaskPhase.SUCCESS
            last = child.tries - 1 if ended_well else child.tries
            again = not child.phase.terminal or ended_well
            if last > known:
                message = self._message(index, child.message) if not ended_well else ""
                failed.append(Failed(index, last, again, message))
        return failed

    def _message(self, index: int, words: str) -> str:
        if len(self._untold) > MOST_ASKED:
            return ""
        text = self._exception(index, words)
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

    def _line(self, children: int, allowed: int | None) -> str:
        first, untold = self._untold[0], self._untold
        many = len({failed.child for failed in untold})
        if many == 1:
            last = untold[-1]
            who = f"child {self._original(first.child)}, " if children > 1 else ""
            of = f" of {allowed}" if allowed is not None else ""
            said = f": {last.message}" if last.message else ""
            return f"{who}attempt {last.attempt}{of} failed{said}{'; trying again' if last.again else ''}"
        again = len({failed.child for failed in untold if failed.again})
        then = "; trying again" if again == many else f"; {again} of them are tried again" if again else ""
        return f"{many} children failed{self._most_often()}{then}"

    def _most_often(self) -> str:
        """Exceptions count as alike by their type, since messages mostly name the item."""
        asked = [failed.message for failed in self._untold if failed.message]
        if not asked:
            return ""
        kind, _ = Counter(text.partition(":")[0] for text in asked).most_common(1)[0]
        example = next(text for text in asked if text.partition(":")[0] == kind)
        alike = all(text == example for text in asked)
        return f", most often: {example}" if not alike else f": {example}"
