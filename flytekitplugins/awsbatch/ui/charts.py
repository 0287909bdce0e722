"""Pictures of a run as SVG: bars of counts, and the course of a node over time. No text of a user's is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

from ..local.history.run_view import FAILED, STATES, NodeView
from .html import Markup, html_joined, tag

WIDTH, HEIGHT = 1000, 30
# Steps of the course that are drawn: more than there are pixels would show nothing more.
STEPS = 240
TICKS = 5


def counts_bar_chart(counts: Mapping[str, int]) -> Markup:
    """Children by state, each state's part in proportion; said in words beside it."""
    total = sum(counts.values())
    parts, at = [], 0.0
    # What is done on the left, so that the bar fills up as a progress bar does.
    for state in reversed(STATES):
        if counts.get(state):
            width = counts[state] / total * 100
            parts.append(tag("rect", x=f"{at:.3f}%", width=f"{width:.3f}%", height="100%", class_=f"fill-{state}"))
            at += width
    return tag("svg", *parts, class_="counts-bar", aria_hidden="true", focusable="false")


def course_chart(node: NodeView, begin: int, end: int) -> Markup:
    """How many children waited and ran at each moment between two, with a mark where an attempt failed."""
    scale = STEPS / max(1, end - begin)
    waiting, running = [0] * (STEPS + 1), [0] * (STEPS + 1)
    marks: set[int] = set()

    def step(moment: int) -> int:
        place = int((moment - begin) * scale)
        return 0 if place < 0 else STEPS if place > STEPS else place

    for child in node.children:
        for place, attempt in enumerate(child.attempts):
            started, stopped = attempt.started, attempt.stopped
            waits_from, until = step(attempt.queued), step(stopped or end)
            runs_from = until if started is None else step(started)
            waiting[waits_from] += 1
            # Also what is shorter than a step is drawn.
            waiting[runs_from if runs_from > waits_from else min(STEPS, waits_from + 1)] -= 1
            if started is not None:
                running[runs_from] += 1
                running[until if until > runs_from else min(STEPS, runs_from + 1)] -= 1
            if stopped is not None and (place + 1 < len(child.attempts) or child.state == FAILED):
                marks.add(until)
    waits, runs = (list(accumulate(changes[:-1])) for changes in (waiting, running))
    # Each to its own scale: thousands wait where few can run.
    areas = [
        tag("path", d=_area(waits, max(waits, default=0) or 1), class_="fill-queued"),
        tag("path", d=_area(runs, max(runs, default=0) or 1), class_="fill-running"),
    ]
    ticks = [
        tag("rect", x=mark * WIDTH // STEPS, y=0, width=WIDTH // STEPS, height=5, class_="fill-failed")
        for mark in sorted(marks)
    ]
    return tag(
        "svg",
        *areas,
        *ticks,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        class_="course",
        aria_hidden="true",
        focusable="false",
    )


def chart_axis(begin: int, end: int) -> Markup:
    """An axis of time since the beginning, above courses."""
    length = max(1, end - begin)
    marks = [
        tag(
            "text",
            _short(length * tick / TICKS),
            x=f"{tick * 100 / TICKS:g}%",
            y="11",
            text_anchor="start" if tick == 0 else "end" if tick == TICKS else "middle",
        )
        for tick in range(TICKS + 1)
    ]
    return tag("svg", html_joined(marks), class_="axis", aria_hidden="true", focusable="false")


def _short(milliseconds: float) -> str:
    seconds = milliseconds / 1000
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    if seconds < 120:
        return f"{seconds:.0f}s"
    return f"{seconds / 60:.0f}m" if seconds < 7200 else f"{seconds / 3600:.1f}h"


def _area(values: Sequence[int], most: int) -> str:
    """The outline of a stepped area that stands on the ground."""
    words = [f"M0 {HEIGHT}"]
    before = None
    for place, value in enumerate(values):
        if value != before:
            words.append(f"H{place * WIDTH / STEPS:.1f}V{HEIGHT - value * (HEIGHT - 6) / most:.1f}")
            before = value
    return "".join([*words, f"H{WIDTH}V{HEIGHT}Z"])
