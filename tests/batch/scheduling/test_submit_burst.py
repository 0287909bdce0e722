"""Starting jobs rests amid a burst of submissions, and not for long."""

from __future__ import annotations

import itertools

import pytest
from batch_shell import Shell

from flytekitplugins.awsbatch.batch.emulator.scheduling.submit_burst import CLOSE, LONGEST, Burst


def test_a_submission_alone_holds_nothing_up() -> None:
    burst = Burst()
    assert burst.came(100.0) is False
    assert burst.rests_until(100.0) is None
    assert burst.came(100.0 + 2 * CLOSE) is False
    assert burst.rests_until(100.0 + 2 * CLOSE) is None


def test_submissions_close_together_do_until_a_moment_after_the_last() -> None:
    burst = Burst()
    burst.started(100.0)
    burst.came(100.0)
    assert burst.came(100.001) is False
    assert burst.came(100.002) is True
    assert burst.rests_until(100.002) == pytest.approx(100.002 + CLOSE)
    assert burst.rests_until(100.003 + CLOSE) is None


def test_a_long_burst_holds_jobs_up_for_a_while_at_most() -> None:
    burst, now, starts = Burst(), 100.0, []
    for _ in range(1000):
        now += 0.001
        burst.came(now)
        if burst.rests_until(now) is None:
            burst.started(now)
            starts.append(now)

    gaps = [later - earlier for earlier, later in itertools.pairwise(starts[1:])]
    assert len(starts) > 15
    assert max(gaps) <= LONGEST + 0.002


def test_all_jobs_of_a_burst_run(shell: Shell) -> None:
    jobs = [shell.submit("true") for _ in range(60)]

    assert {shell.ended(job)["status"] for job in jobs} == {"SUCCEEDED"}
