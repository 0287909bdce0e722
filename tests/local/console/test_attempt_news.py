"""Failed attempts are told when they happen."""

from dataclasses import replace

from flytekitplugins.awsbatch.local.console.attempt_news import AttemptNews
from flytekitplugins.awsbatch.propeller.aws_array.job_store import Job
from flytekitplugins.awsbatch.propeller.aws_array.phases import Phase, TaskPhase
from flytekitplugins.awsbatch.propeller.node.node_result import Progress

PROGRESS = Progress(0, Phase.CHECKING_SUBTASKS, TaskPhase.RUNNING, {}, "job", "id", max_attempts=2)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def news(clock: Clock | None = None) -> AttemptNews:
    return AttemptNews(
        lambda child, words: f"ValueError: bad value {child}", lambda child: child + 10, clock or Clock()
    )


def job_of(*children: tuple[int, TaskPhase]) -> Job:
    return Job("id", children=[Job(tries=tries, phase=phase) for tries, phase in children])


def test_an_attempt_of_a_single_job_is_told_with_what_comes_next() -> None:
    told = news()
    assert told.lines(PROGRESS, job_of((0, TaskPhase.RUNNING)), 2) == []
    assert told.lines(PROGRESS, job_of((1, TaskPhase.QUEUED)), 2) == [
        "attempt 1 of 2 failed: ValueError: bad value 0; trying again"
    ]
    assert told.lines(PROGRESS, job_of((1, TaskPhase.RUNNING)), 2) == []
    assert told.lines(PROGRESS, job_of((2, TaskPhase.RETRYABLE_FAILURE)), 2) == [
        "attempt 2 of 2 failed: ValueError: bad value 0"
    ]
    retried = replace(PROGRESS, failed_attempts=1, retry_reason="anything")
    assert told.lines(retried, job_of((2, TaskPhase.RETRYABLE_FAILURE)), 2) == [
        "node attempt 1 of 2 failed; node attempt 2 of 2 begins"
    ]
    assert told.lines(retried, job_of((2, TaskPhase.RETRYABLE_FAILURE)), 2) == []
    second = replace(PROGRESS, attempt=1, job_name="job-1")
    assert told.lines(second, job_of((1, TaskPhase.QUEUED)), 2) == [
        "attempt 1 of 2 failed: ValueError: bad value 0; trying again"
    ]


def test_a_node_attempt_that_failed_without_a_failed_job_says_why() -> None:
    retried = replace(PROGRESS, failed_attempts=1, retry_reason="it took too long\nmore")
    assert news().lines(retried, job_of((1, TaskPhase.SUCCESS)), 1) == [
        "node attempt 1 of 2 failed: it took too long; node attempt 2 of 2 begins"
    ]


def test_a_success_is_no_news_and_a_failure_before_it_is() -> None:
    told = news()
    assert told.lines(PROGRESS, job_of((1, TaskPhase.SUCCESS)), 3) == []
    assert news().lines(PROGRESS, job_of((2, TaskPhase.SUCCESS)), 3) == [
        "attempt 1 of 3 failed; the next one succeeded"
    ]


def test_the_failures_of_an_array_are_folded() -> None:
    clock = Clock()
    told = news(clock)
    good, bad, again = (0, TaskPhase.RUNNING), (1, TaskPhase.RETRYABLE_FAILURE), (1, TaskPhase.QUEUED)
    assert told.lines(PROGRESS, job_of(good, again, good), 3) == [
        "child 11, attempt 1 of 3 failed: ValueError: bad value 1; trying again"
    ]
    # Within the interval they are collected.
    assert told.lines(PROGRESS, job_of(again, again, good), 3) == []
    clock.now = 6
    assert told.lines(PROGRESS, job_of(again, again, bad), 3) == [
        "2 children failed, most often: ValueError: bad value 0; 1 of them is tried again"
    ]
    # At the end nothing is held back.
    ended = replace(PROGRESS, ended=True)
    assert told.lines(ended, job_of(bad, (2, TaskPhase.RETRYABLE_FAILURE), bad), 3) == [
        "child 11, attempt 2 of 3 failed: ValueError: bad value 1"
    ]


def test_failures_after_which_the_node_is_tried_again_are_not_told_as_the_end() -> None:
    bad = (2, TaskPhase.RETRYABLE_FAILURE)
    retried = replace(PROGRESS, failed_attempts=1)
    begins = "node attempt 1 of 2 failed; node attempt 2 of 2 begins"
    assert news().lines(retried, job_of(bad, bad), 2) == [
        "2 children failed, most often: ValueError: bad value 0; tried again in node attempt 2",
        begins,
    ]
    assert news().lines(retried, job_of(bad, (1, TaskPhase.SUCCESS)), 2) == [
        "child 10, attempt 2 of 2 failed: ValueError: bad value 0; tried again in node attempt 2",
        begins,
    ]


def test_what_aws_batch_would_try_again_is_not_once_the_node_has_ended() -> None:
    bad, again = (2, TaskPhase.RETRYABLE_FAILURE), (1, TaskPhase.QUEUED)
    ended = replace(PROGRESS, ended=True)
    assert news().lines(ended, job_of(bad, again), 2) == ["2 children failed, most often: ValueError: bad value 0"]
    assert news().lines(ended, job_of(again, (0, TaskPhase.QUEUED)), 2) == [
        "child 10, attempt 1 of 2 failed: ValueError: bad value 0"
    ]
    assert news().lines(replace(PROGRESS, failed_attempts=1), job_of(bad, again), 2)[0] == (
        "2 children failed, most often: ValueError: bad value 0; tried again in node attempt 2"
    )


def test_a_thousand_failures_ask_for_few_exceptions_and_take_one_line() -> None:
    asked: list[int] = []

    def exception(child: int, words: str) -> str:
        asked.append(child)
        return "ValueError: same"

    told = AttemptNews(exception, lambda child: child)
    lines = told.lines(PROGRESS, job_of(*[(1, TaskPhase.RETRYABLE_FAILURE)] * 1000), 1)
    assert lines == ["1000 children failed: ValueError: same"]
    assert len(asked) <= 20
