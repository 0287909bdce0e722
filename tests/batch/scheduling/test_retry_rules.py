"""What follows the end of an attempt: how it ended, what the strategy says, and how it was asked to stop."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flytekitplugins.awsbatch.batch.emulator.job_model import Attempt, Job, JobSpec, Unit
from flytekitplugins.awsbatch.batch.emulator.scheduling import retry_rules
from flytekitplugins.awsbatch.batch.emulator.scheduling.retry_rules import (
    End,
    matches_retry_pattern,
    retry_end_by_exit,
    retry_verdict,
)

ENDS = st.builds(
    End,
    status_reason=st.sampled_from([retry_rules.EXITED, "Host EC2 (instance i-1) terminated.", "Task failed to start"]),
    exit_code=st.none() | st.integers(0, 255),
    reason=st.none() | st.sampled_from([retry_rules.OUT_OF_MEMORY, "CannotPullContainerError: x"]),
)
Rule = dict[str, str]
RULES = st.lists(
    st.fixed_dictionaries(
        {"action": st.sampled_from(["RETRY", "exit"])},
        optional={
            "onStatusReason": st.sampled_from(["Host EC2*", "*", "host ec2*"]),
            "onReason": st.sampled_from(["*", "OutOfMemory*", "Cannot*"]),
            "onExitCode": st.sampled_from(["1", "13*", "*", "0"]),
        },
    ),
    max_size=5,
)


@pytest.mark.parametrize(
    ("pattern", "text", "right"),
    [
        ("Host EC2*", "Host EC2 (instance i-0) terminated.", True),
        ("host ec2*", "Host EC2 (instance i-0) terminated.", True),
        ("Host EC2", "Host EC2 (instance i-0) terminated.", False),
        ("137", "137", True),
        ("13*", "137", True),
        ("13", "137", False),
        ("*", "", True),
        ("*", "anything", True),
        ("", "", True),
        ("a.c", "abc", False),
    ],
)
def test_a_pattern_is_a_text_or_its_beginning(pattern: str, text: str, right: bool) -> None:
    assert matches_retry_pattern(pattern, text) is right


def unit_of(tried: int, granted: int, rules: Sequence[Rule], stop: str | None = None) -> Unit:
    spec = JobSpec("job", "queue", "definition", (), {}, 1, 0, max_attempts=granted, exit_rules=rules)
    (unit,) = Job("id", spec, None, 0, "owner").units
    unit.attempts = [Attempt(number, None) for number in range(1, tried + 1)]
    unit.stop, unit.reason = stop, "words"
    return unit


HOST_LOST_ELSE_EXIT = (
    {"action": "retry", "onStatusReason": "Host EC2*"},
    {"action": "exit", "onReason": "*"},
)


@pytest.mark.parametrize(
    ("end", "rules", "retried"),
    [
        (retry_end_by_exit(1, False), (), True),
        (retry_end_by_exit(1, False), HOST_LOST_ELSE_EXIT, False),
        (retry_rules.retry_end_host_lost("i-0"), HOST_LOST_ELSE_EXIT, True),
        (retry_end_by_exit(1, True), ({"action": "exit", "onReason": "OutOfMemoryError*"},), False),
        (retry_end_by_exit(1, False), ({"action": "exit", "onReason": "OutOfMemoryError*"},), True),
        # All conditions of a rule must match.
        (retry_end_by_exit(1, False), ({"action": "exit", "onExitCode": "1", "onReason": "nothing*"},), True),
        # The first match wins.
        (
            retry_end_by_exit(1, False),
            ({"action": "retry", "onExitCode": "1"}, {"action": "exit", "onExitCode": "*"}),
            True,
        ),
    ],
)
def test_the_first_rule_that_matches_decides(end: End, rules: tuple[Rule, ...], retried: bool) -> None:
    decided = retry_verdict(end, unit_of(1, 2, rules))

    assert decided == (("RUNNABLE", None) if retried else ("FAILED", end.status_reason))


@given(end=ENDS, tried=st.integers(1, 10), rules=RULES, how=st.sampled_from(["terminate", "timeout", "cancel"]))
def test_what_was_asked_to_stop_is_never_retried(end: End, tried: int, rules: list[Rule], how: str) -> None:
    decided = retry_verdict(end, unit_of(tried, 10, rules, how))

    assert decided == ("FAILED", retry_rules.TIMED_OUT if how == "timeout" else "words")


@given(end=ENDS, attempts_=st.integers(1, 10), rules=RULES)
def test_there_are_never_more_attempts_than_granted(end: End, attempts_: int, rules: list[Rule]) -> None:
    status, _ = retry_verdict(end, unit_of(attempts_, attempts_, rules))

    assert status == ("SUCCEEDED" if end.exit_code == 0 else "FAILED")


@given(end=ENDS, rules=RULES)
def test_success_needs_no_rule(end: End, rules: list[Rule]) -> None:
    assert (retry_verdict(end, unit_of(1, 10, rules))[0] == "SUCCEEDED") == (end.exit_code == 0)
