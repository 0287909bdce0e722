"""Waiting between rounds: for news, for time, and longer after each failure."""

from __future__ import annotations

from flytekitplugins.awsbatch.propeller.node.waiting import EventWait


class Events:
    """A service whose job has had so many changes; records what it was asked."""

    def __init__(self) -> None:
        self.changes = 0
        self.asked: list[tuple[str, int, float]] = []
        self.quiet: list[float] = []

    def wait(self, job_id: str, seen: int, timeout: float, quiet: float = 0.0) -> int:
        self.asked.append((job_id, seen, timeout))
        self.quiet.append(quiet)
        return self.changes

    def changed(self, job_id: str, seen: int) -> tuple[int, list[int]] | None:
        raise NotImplementedError


def test_news_since_the_last_look_are_not_missed() -> None:
    events, slept = Events(), []
    wait = EventWait(events, timeout=30.0, sleep=slept.append)
    wait("job", round_seconds=0.0, error=False, timeout=None)
    events.changes = 4
    wait("job", round_seconds=0.0, error=False, timeout=None)
    wait("job", round_seconds=0.0, error=False, timeout=7.0)
    assert events.asked == [("job", -1, 30.0), ("job", 0, 30.0), ("job", 4, 7.0)]


def test_after_a_costly_round_only_the_end_counts_for_a_while() -> None:
    events, slept = Events(), []
    wait = EventWait(events, sleep=slept.append)
    wait("job", round_seconds=0.1, error=False, timeout=None)
    wait("job", round_seconds=60.0, error=False, timeout=None)
    wait("job", round_seconds=60.0, error=False, timeout=0.5)
    assert ([round(pause, 3) for pause in events.quiet], slept) == ([1.9, 2.0, 0.5], [])


def test_failures_are_followed_by_longer_and_longer_pauses_until_one_round_is_well() -> None:
    events, slept = Events(), []
    wait = EventWait(events, sleep=slept.append)
    for error in (True, True, True, False, True):
        wait("job", round_seconds=0.0, error=error, timeout=None)
    assert slept == [0.05, 0.1, 0.2, 0.05]


def test_a_service_may_be_away_for_hours() -> None:
    events, slept = Events(), []
    wait = EventWait(events, sleep=slept.append)
    for _ in range(2000):
        wait("job", round_seconds=0.0, error=True, timeout=None)
    assert (slept[-1], max(slept)) == (5.0, 5.0)


def test_without_a_job_only_time_passes() -> None:
    events, slept = Events(), []
    EventWait(events, sleep=slept.append)(None, round_seconds=0.0, error=False, timeout=12.0)
    assert (slept, events.asked) == ([12.0], [])


def test_no_wait_is_longer_than_a_clock_takes() -> None:
    slept: list[float] = []
    EventWait(Events(), sleep=slept.append)(None, round_seconds=0.0, error=False, timeout=1e12)
    assert slept == [3600.0]
