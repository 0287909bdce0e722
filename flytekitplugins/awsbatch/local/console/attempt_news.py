"""Failed attempts, reported when they happen: one line each for a job, one for many where the children of an array
fail.

It reads what the handler knows after each of its rounds, and prints nothing itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from flytekitplugins.awsbatch.propeller.aws_array.job_store import Job
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.node.node_result import Progress

from ... import machine_time
from .exit_reasons import exit_reason_of_node

# Seconds between two lines about the same array.
INTERVAL = 5.0
# For this many of the failures that a line is about, the exception is read.
MOST_ASKED = 20
LONGEST = 200
AGAIN = "trying again"


@dataclass(frozen=True)
class FailedAttempt:
    """:param child: its place in the array job. :param attempt: the last of its attempts that failed.
    :param then: what comes next, "" where nothing does.
    """

    child: int
    attempt: int
    then: str
    message: str


class AttemptNews:
    """The failures of one node that have not been reported yet.

    :param exception: the exception of a child's last attempt in one line, from its place in the array job and from AWS
        Batch's words.
    :param original: an item's place in the user's list, from the child's in the array job.
    """

    def __init__(
        self,
        exception: Callable[[int, str], str],
        original: Callable[[int], int],
        clock: Callable[[], float] = machine_time.monotonic,
    ) -> None:
        self._exception = exception
        self._original = original
        self._clock = clock
        self._job = ""
        self._tries: dict[int, int] = {}
        self._untold: list[FailedAttempt] = []
        self._told_at: float | None = None
        self._asked = 0
        self._node_attempts = 0
        self._said_why = False

    def lines(self, progress: Progress, job: Job | None, allowed: int | None) -> list[str]:
        """The lines to print after a round.

        :param job: what is known of the job. :param allowed: how often AWS Batch tries each child.
        """
        if progress.job_name != self._job:
            self._job, self._tries, self._said_why = progress.job_name, {}, False
        single = job is not None and len(job.children) == 1
        if job is not None:
            self._note_failures(job)
        ends = progress.failed_attempts > 0 or progress.ended
        node_again = progress.failed_attempts > self._node_attempts
        due = self._told_at is None or self._clock() - self._told_at >= INTERVAL
        said = []
        if self._untold and (due or ends or single):
            after = "" if progress.ended else None
            if node_again:
                after = f"tried again in node attempt {progress.failed_attempts + 1}"
            said.append(self._line(single, allowed, after))
            self._untold, self._asked, self._told_at, self._said_why = [], 0, self._clock(), True
        if node_again:
            said.append(self._node_line(progress))
        return said

    def _note_failures(self, job: Job) -> None:
        for index, child in enumerate(job.children):
            known = self._tries.get(index, 0)
            if child.tries <= known:
                continue
            self._tries[index] = child.tries
            succeeded = child.phase is TaskPhase.SUCCESS
            last = child.tries - succeeded
            if last > known:
                then = "" if child.phase.failure else "the next one succeeded" if succeeded else AGAIN
                # What a child has left after it succeeded is no report of a failure.
                message = "" if succeeded else self._message(index, child.message)
                self._untold.append(FailedAttempt(index, last, then, message))

    def _message(self, index: int, words: str) -> str:
        self._asked += 1
        return _shortened(self._exception(index, words)) if self._asked <= MOST_ASKED else ""

    def _node_line(self, progress: Progress) -> str:
        number, of = progress.failed_attempts, progress.max_attempts
        self._node_attempts = number
        reason = exit_reason_of_node(progress.retry_reason)
        said = "" if self._said_why or not reason else f": {_shortened(reason)}"
        return f"node attempt {number} of {of} failed{said}; node attempt {number + 1} of {of} begins"

    def _line(self, single: bool, allowed: int | None, after: str | None) -> str:
        """:param after: what comes next where the node's attempt is over, and AWS Batch tries no child again."""
        untold = self._untold
        children = {failed.child: failed for failed in untold}
        if len(children) == 1:
            last = untold[-1]
            who = "" if single else f"child {self._original(last.child)}, "
            of = f" of {allowed}" if allowed is not None else ""
            said = f": {last.message}" if last.message else ""
            then = last.then if after is None or last.then not in ("", AGAIN) else after
            return f"{who}attempt {last.attempt}{of} failed{said}{_then(then)}"
        again = sum(failed.then == AGAIN for failed in children.values())
        then = after or ""
        if again and after is None:
            some = f"{again} of them {'is' if again == 1 else 'are'} tried again"
            then = AGAIN if again == len(children) else some
        return f"{len(children)} children failed{self._most_often()}{_then(then)}"

    def _most_often(self) -> str:
        """The most frequent exception. Those of one type count as the same, since messages mostly name the item."""
        asked = [failed.message for failed in self._untold if failed.message]
        if not asked:
            return ""
        kind, _ = Counter(text.partition(":")[0] for text in asked).most_common(1)[0]
        example = next(text for text in asked if text.partition(":")[0] == kind)
        alike = all(text == example for text in asked)
        return f", most often: {example}" if not alike else f": {example}"


def _then(words: str) -> str:
    return f"; {words}" if words else ""


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
