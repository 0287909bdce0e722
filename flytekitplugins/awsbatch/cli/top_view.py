"""What `top` shows: an execution's nodes, its throughput, and the children that matter most. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flytekitplugins.awsbatch.local.console.amounts import shown_duration, shown_memory
from flytekitplugins.awsbatch.local.history.run_view import (
    DONE,
    FAILED,
    QUEUED,
    ChildView,
    ExecutionView,
    NodeView,
    worst_children_first,
)
from flytekitplugins.awsbatch.ui.ansi import without_ansi

COLOURS = {
    "failed": "red",
    "running": "cyan",
    "starting": "cyan",
    "queued": "yellow",
    "interrupted": "magenta",
    "aborted": "magenta",
    "succeeded": "green",
    "cached": "green",
}
# Milliseconds over which the throughput is measured.
WINDOW = 30_000
BAR = 24
# Lines besides the children: headline, throughput, two heads, a blank line, the keys.
FRAME = 7

# Failures before the children that are under way.
LAST_FAILURES = 8

Listed = tuple[NodeView, ChildView]


@dataclass
class Throughput:
    """How many children have ended per second lately."""

    _seen: deque[tuple[int, int]] = field(default_factory=deque)

    def add(self, now: int, done: int) -> None:
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW:
            self._seen.popleft()

    @property
    def children_a_second(self) -> float:
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return (after - before) / ((last - first) / 1000) if last > first else 0.0


def top_children(execution: ExecutionView, now: int) -> list[Listed]:
    """The children to look at: the latest failures, those under way with the slowest first, then all the others."""
    found: list[tuple[int, int, Listed]] = []
    for node in execution.nodes:
        for place, child in enumerate(worst_children_first(node.children, now)):
            if child.state == QUEUED or child.child is None:
                continue
            kind = 0 if child.state == FAILED else 1 if child.state not in DONE else 2
            ended = child.attempts[-1].stopped if child.attempts else None
            found.append((kind, -(ended or 0) if kind == 0 else place, (node, child)))
    ordered = [one for _, _, one in sorted(found, key=lambda each: each[:2])]
    failed = [one for one in ordered if one[1].state == FAILED]
    rest = [one for one in ordered if one[1].state != FAILED]
    going = sum(child.state not in DONE for _, child in rest)
    return [*failed[:LAST_FAILURES], *rest[:going], *failed[LAST_FAILURES:], *rest[going:]]


def top_summary(execution: ExecutionView, rate: Throughput) -> Text:
    """One line: counts, and how fast they change."""
    counts = execution.counts
    words = Text(", ").join(Text(f"{count} {state}", style=COLOURS[state]) for state, count in counts.items())
    left = sum(count for state, count in counts.items() if state not in DONE)
    if execution.info.status == "running" and rate.children_a_second > 0:
        words.append(f"   {rate.children_a_second:.1f} children/s")
        if left:
            words.append(f", about {shown_duration(left / rate.children_a_second * 1000)} left")
    return words


def top_screen(
    execution: ExecutionView,
    children: Sequence[Listed],
    chosen: int,
    now: int,
    rate: Throughput,
    said: Callable[[NodeView, ChildView], str],
    height: int,
) -> RenderableType:
    """:param chosen: the place in `children` that is marked. :param said: a child's exception, in one line."""
    info = execution.info
    took = now - int(info.started * 1000) if info.status == "running" else None
    head = Text.assemble(
        (info.workflow, "bold"), f"  {info.name}  ", (info.status, COLOURS[info.status]), f"  {shown_duration(took)}"
    )
    room = max(height - FRAME, 4)
    shown_nodes = max(1, min(len(execution.nodes), room // 2))
    rows = max(1, room - shown_nodes)
    first = max(0, min(chosen - rows // 2, len(children) - rows))
    keys = Text("↑ ↓ choose   Enter its log   q leave", style="dim")
    return Group(
        head,
        top_summary(execution, rate),
        _nodes(execution, shown_nodes, now),
        Text(),
        _children(children[first : first + rows], chosen - first, now, said),
        keys,
    )


def top_log_screen(child: ChildView, node: NodeView, lines: Sequence[str], height: int) -> RenderableType:
    """The end of a child's log."""
    title = Text.assemble((f"{node.info.node}:{child.index}", "bold"), "  ", (child.state, COLOURS[child.state]))
    # What a job prints must not move the cursor of somebody else's terminal.
    end = [Text(without_ansi(line), overflow="ellipsis", no_wrap=True) for line in lines[-max(1, height - 3) :]]
    body = end or [Text("It has no log yet.", style="dim")]
    return Group(title, *body, Text("q back", style="dim"))


def _nodes(execution: ExecutionView, most: int, now: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for name in ("NODE", "STATUS", "", "CHILDREN"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    # Those under way first; of many that are over the last ones.
    first = ("running", "failed")
    order = sorted(execution.nodes, key=lambda node: (node.info.status not in first, -node.info.updated))
    for node in order[:most]:
        counts = node.counts
        total = sum(counts.values()) or 1
        done = sum(count for state, count in counts.items() if state in DONE)
        bar = Text("━" * (done * BAR // total), style="red" if counts.get(FAILED) else "green")
        bar.append("━" * (BAR - len(bar)), style="dim")
        words = Text(", ").join(Text(f"{count} {state}", style=COLOURS[state]) for state, count in counts.items())
        name = f"{node.info.node} {node.info.function}"
        table.add_row(name, Text(node.info.status, style=COLOURS[node.info.status]), bar, words)
    return table


def _children(children: Sequence[Listed], chosen: int, now: int, said: Callable[[NodeView, ChildView], str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for name in ("CHILD", "STATE", "TRIES", "RAN", "MEMORY"):
        table.add_column(name, no_wrap=True)
    table.add_column("REASON", no_wrap=True, overflow="ellipsis", ratio=1)
    for place, (node, child) in enumerate(children):
        memory = max((attempt.peak_memory or 0 for attempt in child.attempts), default=0)
        reason = said(node, child) if child.state == FAILED else ""
        table.add_row(
            f"{node.info.node}:{child.index}",
            Text(child.state, style=COLOURS[child.state]),
            str(child.tries),
            shown_duration(child.ran(now)),
            shown_memory(memory) if memory else "",
            Text(reason),
            style="reverse" if place == chosen else "",
        )
    return table
