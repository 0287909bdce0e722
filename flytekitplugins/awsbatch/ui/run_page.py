"""One execution: how it stands, what failed and why, its nodes over time, and each node's children."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..local.console.amounts import shown_duration, shown_time
from ..local.history import run_view
from ..local.history.run_reader import RunReader
from ..local.history.run_view import ExecutionView, NodeView
from . import charts
from .frame import PagePlace, frame_anchor, frame_copyable, frame_facts, frame_state_sign, page_frame_counts
from .grouped_errors import Failure, page_failures
from .html import NOTHING, Markup, html_joined, tag
from .node_part import node_part_attempt

# How many groups of failures are shown in full.
SHOWN_FAILURES = 8
SHOWN_INDEXES = 12


@dataclass
class RunPage:
    """The parts of an execution's page at one moment.

    :param command: how a person calls `flyte-awsbatch` for this home.
    :param launch: the command that started the run, as it was recorded.
    """

    reader: RunReader
    execution: ExecutionView
    place: PagePlace
    command: str
    launch: Sequence[str] = ()
    ended: float | None = None
    now: int = field(default_factory=lambda: int(time.time() * 1000))

    @property
    def name(self) -> str:
        return self.execution.info.name

    @cached_property
    def _failures(self) -> list[Failure]:
        return page_failures(self.reader, self.execution.attempts)

    @cached_property
    def _worth_telling(self) -> list[Failure]:
        """Without those of a node that succeeded later, or that failed in the same way in its last attempt."""
        last = {node.name: node for node in self.execution.nodes}
        known = {(one.node.name, one.kind) for one in self._failures if one.node.number == one.node.of}
        return [
            one
            for one in self._failures
            if one.node is last[one.node.name]
            or (last[one.node.name].info.status != "succeeded" and (one.node.name, one.kind) not in known)
        ]

    def headlines(self, node: NodeView) -> dict[int, str]:
        """The headlines of the failed children whose errors were read, by their indexes."""
        mine = [one for one in self._failures if one.node is node]
        return {index: line for one in mine for index, line in zip(one.indexes, one.headlines, strict=True)}

    @property
    def title(self) -> str:
        info = self.execution.info
        return f"{info.workflow.rpartition('.')[2]} {info.status} · {info.name}"

    def chosen(self) -> NodeView | None:
        """The node that is shown in full unless one is asked for: the largest that has failures, else the largest that
        runs, else the largest of all."""
        nodes = self.execution.nodes
        failed = [node for node in nodes if node.counts.get(run_view.FAILED)]
        running = [node for node in nodes if node.info.status == "running"]
        return max(failed or running or list(nodes), key=lambda node: len(node.children), default=None)

    def parts(self) -> dict[str, Markup]:
        """The page's parts by their ids. A part that has changed is replaced whole."""
        made = {"head": self.head, "figures": self.figures, "failed": self.failed, "nodes": self.nodes}
        return {self._id(name): make() for name, make in made.items()}

    def head(self) -> Markup:
        info = self.execution.info
        module, _, function = info.workflow.rpartition(".")
        facts = [
            ("Execution", tag("code", info.name)),
            ("Started", shown_time(info.started)),
            ("Took" if self.ended else "So far", shown_duration(self._length())),
            ("Project", f"{info.project} / {info.domain}"),
        ]
        title = tag("h1", tag("span", f"{module}." if module else "", class_="quiet"), function or info.workflow)
        row = tag("div", title, frame_state_sign(info.status), class_="row")
        launch = frame_copyable(shlex.join(self.launch), "the command that started the run") if self.launch else None
        return tag("div", row, frame_facts(facts), launch, id=self._id("head"), class_="head")

    def figures(self) -> Markup:
        """How many children are in which state, and where the time went."""
        counts = self.execution.counts
        if not counts:
            return tag("div", id=self._id("figures"))
        waited = ran = lost = 0
        for node in self.execution.attempts:
            for child in node.children:
                for place, attempt in enumerate(child.attempts):
                    started, stopped = attempt.started, attempt.stopped
                    going = node.info.status == "running"
                    until = stopped if stopped is not None else self.now if going else started or attempt.queued
                    waited += (started if started is not None else until) - attempt.queued
                    if started is not None:
                        ran += until - started
                        if stopped is not None and (place + 1 < len(child.attempts) or child.state == run_view.FAILED):
                            lost += until - started
        retries = sum(node.retries for node in self.execution.attempts)
        again = sum(len(node.earlier) for node in self.execution.nodes)
        cpu = [a.cpu_seconds for n in self.execution.attempts for c in n.children for a in c.attempts if a.cpu_seconds]
        figures = [
            ("Ran", shown_duration(ran), "all attempts together"),
            ("Waited", shown_duration(waited), "for a place in the queue"),
            ("In failed attempts", shown_duration(lost), "of the time that they ran"),
            ("Retries", str(retries), "attempts of jobs" + (f", and {again} of nodes" if again else "")),
            ("From the cache", str(counts.get(run_view.CACHED, 0)), f"of {sum(counts.values())} items"),
        ]
        if cpu:
            figures.append(("Computed", shown_duration(sum(cpu) * 1000), "CPU time of all attempts"))
        tiles = html_joined(
            tag("div", tag("dt", name), tag("dd", value), tag("dd", about, class_="quiet"), class_="tile")
            for name, value, about in figures
        )
        bar = charts.counts_bar_chart(counts)
        words = tag("p", page_frame_counts(counts), class_="legend")
        return tag("div", bar, words, tag("dl", tiles, class_="tiles"), id=self._id("figures"), class_="card")

    def failed(self) -> Markup:
        """What failed, the same errors together."""
        found = self._worth_telling
        cards = [self._failure(one, first=place == 0) for place, one in enumerate(found[:SHOWN_FAILURES])]
        if len(found) > SHOWN_FAILURES:
            cards.append(tag("p", f"{len(found) - SHOWN_FAILURES} more kinds of failures", class_="quiet"))
        cards += [self._node_error(node) for node in self.execution.nodes if not node.counts.get(run_view.FAILED)]
        section = tag("section", tag("h2", "What failed"), *cards, class_="card") if any(cards) else NOTHING
        return tag("div", section, id=self._id("failed"))

    def nodes(self) -> Markup:
        """Every node with its children by state and its course."""
        spans = [span for node in self.execution.attempts if (span := node.span) is not None]
        begin = min((span[0] for span in spans), default=self.now)
        running = self.execution.info.status == "running"
        end = max((span[1] or (self.now if running else span[0]) for span in spans), default=self.now)
        end = max(end, begin + 1)
        rows = [self._node_row(node, begin, end) for node in self.execution.attempts]
        if not rows:
            return tag(
                "div",
                tag("p", "No AWS Batch task of it has been called yet."),
                id=self._id("nodes"),
                class_="card",
            )
        words = ("Node", "Status", "Queue", "Children")
        head = tag(
            "tr",
            *(tag("th", word, scope="col", class_="wide" if word == "Queue" else None) for word in words),
            tag(
                "th",
                tag("span", "Course", class_="unseen"),
                charts.chart_axis(begin, end),
                scope="col",
                class_="course-head",
            ),
            tag("th", "Took", scope="col", class_="number"),
        )
        table = tag("table", tag("thead", head), tag("tbody", html_joined(rows)), class_="nodes")
        key = tag(
            "p",
            tag("span", "", class_="key fill-running"),
            " running ",
            tag("span", "", class_="key fill-queued"),
            " waiting ",
            tag("span", "", class_="key fill-failed"),
            " an attempt failed",
            class_="quiet key-line",
        )
        return tag("section", tag("h2", "Nodes"), table, key, id=self._id("nodes"), class_="card")

    # Pieces of the parts.

    def _id(self, part: str) -> str:
        return f"{part}-{frame_anchor(self.name)}"

    def _length(self) -> float:
        ended = self.ended
        if ended is None and self.execution.info.status != "running":
            ended = max((node.info.updated for node in self.execution.nodes), default=self.execution.info.started)
        return (ended * 1000 if ended is not None else self.now) - self.execution.info.started * 1000

    def _failure(self, failure: Failure, first: bool) -> Markup:
        node, count = failure.node, len(failure.indexes)
        where = self.place.link_to
        links = html_joined(
            Markup(f"{tag('a', index, href=where(self.name, node.info.node, index))} ")
            for index in failure.indexes[:SHOWN_INDEXES]
        )
        more = f"and {count - SHOWN_INDEXES} more" if count > SHOWN_INDEXES else ""
        whom = "The job" if len(node.children) == 1 else f"{count} of {len(node.children)} children"
        said = tag(
            "p",
            tag("strong", f"{whom} of {node.name} {node.info.function}{node_part_attempt(node)}: "),
            links,
            more,
        )
        headline = tag("p", failure.told.headline, class_="headline")
        trace = None
        if failure.told.trace:
            summary = tag("summary", f"Traceback of child {failure.first.index}")
            mark = f"trace-{frame_anchor(self.name, node.info.node, failure.first.index)}"
            trace = tag("details", summary, tag("pre", failure.told.trace, class_="trace"), open=first, id=mark)
        rerun = f"{self.command} rerun {self.name} {node.name} {failure.first.index}"
        return tag(
            "div",
            headline,
            said,
            trace,
            frame_copyable(rerun, "the command that runs this child again"),
            class_="failure",
        )

    def _node_error(self, node: NodeView) -> Markup:
        ending = (node.info.record.get("snapshot") or {}).get("ending") or {}
        message = ((ending.get("error") or {}).get("message") or "").strip()
        if node.info.status != "failed" or not message:
            return NOTHING
        said = tag("p", tag("strong", f"{node.name} {node.info.function}{node_part_attempt(node)}"))
        return tag(
            "div",
            tag("p", message.splitlines()[0], class_="headline"),
            said,
            tag("pre", message),
            class_="failure",
        )

    def _node_row(self, node: NodeView, begin: int, end: int) -> Markup:
        info, span = node.info, node.span
        took = (span[1] or (self.now if info.status == "running" else span[0])) - span[0] if span else None
        link = tag(
            "a",
            tag("span", node.name, class_="quiet"),
            f" {info.function}",
            href=self.place.link_to(self.name, info.node),
        )
        attempt = tag("div", f"node attempt {node.number}", class_="quiet") if node.of > 1 else None
        counts = node.counts
        return tag(
            "tr",
            tag("td", link, attempt),
            tag("td", frame_state_sign(info.status)),
            tag("td", node.queue, class_="quiet wide"),
            tag(
                "td",
                charts.counts_bar_chart(counts) if counts else None,
                tag("span", page_frame_counts(counts), class_="legend"),
            ),
            tag("td", charts.course_chart(node, begin, end), class_="course-cell"),
            tag("td", shown_duration(took), class_="number"),
            data_node=info.node,
        )


def read_run_page(reader: RunReader, name: str, place: PagePlace, command: str) -> RunPage:
    """Raises UnknownRunError, RecordError, HomeError."""
    from ..local.history.record import RunRecord

    execution = reader.execution(name)
    record = RunRecord(reader.home.run(name)).execution()
    return RunPage(reader, execution, place, command, tuple(record.get("command") or ()), record.get("ended"))
