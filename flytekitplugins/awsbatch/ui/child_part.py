"""One child: how each of its attempts went, its error, its log, and the command that runs it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..local.console.amounts import shown_duration, shown_memory
from ..local.console.tracebacks import log_with_readable_tracebacks
from ..local.history.run_view import CACHED, DONE, FAILED, SUCCESS, ChildView, NodeView
from .ansi import AnsiLines
from .frame import frame_copyable, frame_state_sign
from .grouped_errors import page_error_of_child, page_error_reason
from .html import Markup, html_joined, tag

if TYPE_CHECKING:
    from .run_page import RunPage

# Bytes of a log's end that a page shows at first.
SHOWN_BYTES = 512 * 1024


def child_part(page: RunPage, node: NodeView, child: ChildView, most: int = SHOWN_BYTES) -> Markup:
    """:param most: bytes of the log's end."""
    reason = page_error_reason(child) if child.state == FAILED else child.reason
    title = tag("h3", f"Child {child.index}" if len(node.children) > 1 else "The job", tabindex="-1")
    parts: list[object] = [
        tag(
            "div",
            title,
            frame_state_sign(child.state),
            tag("span", reason, class_="quiet"),
            class_="row",
        )
    ]
    if child.state == CACHED:
        parts.append(tag("p", "Its output came from the cache: nothing ran for it."))
    if child.attempts:
        parts.append(_attempts(node, child, page.now))
    # Of one that is tried again: why its last attempt failed.
    if child.state not in (SUCCESS, CACHED) and any(attempt.stopped is not None for attempt in child.attempts):
        error = page_error_of_child(page.reader, node, child)
        if error.headline != reason:
            parts.append(tag("p", error.headline, class_="headline"))
        if error.trace:
            parts.append(tag("pre", error.trace, class_="trace"))
    if child.child is not None:
        rerun = f"{page.command} rerun {page.name} {node.name} {child.index}"
        parts.append(frame_copyable(rerun, "the command that runs this child again"))
    if node.elsewhere and node.look is None and child.child is not None:
        parts.append(tag("p", "Its log is where the job ran:", class_="quiet"))
        line = f"{page.command} logs {page.name} {node.name}:{child.index}"
        parts.append(frame_copyable(line, "the command that shows its log"))
    else:
        parts.append(log_part(page, node, child, most))
    return tag("div", *parts, class_="child", data_index=child.index)


def _attempts(node: NodeView, child: ChildView, now: int) -> Markup:
    rows = []
    for attempt in child.attempts:
        until = attempt.stopped or (now if child.state not in DONE else None)
        started = attempt.started
        ran = until - started if started is not None and until is not None else None
        waited = (started if started is not None else until or attempt.queued) - attempt.queued
        memory = shown_memory(attempt.peak_memory)
        if memory and node.memory:
            memory += f" of {shown_memory(node.memory * (1 << 20))}"
        ending = attempt.reason if attempt.stopped is not None else "running" if started is not None else "waiting"
        code = "" if attempt.exit_code is None else str(attempt.exit_code)
        cpu = "" if attempt.cpu_seconds is None else shown_duration(attempt.cpu_seconds * 1000)
        cells = (attempt.number, shown_duration(waited), shown_duration(ran), memory, cpu, code)
        rows.append(tag("tr", *(tag("td", cell, class_="number") for cell in cells), tag("td", ending)))
    words = ("Attempt", "Waited", "Ran", "Peak memory", "CPU", "Exit code")
    heads = [tag("th", word, scope="col", class_="number") for word in words]
    return tag(
        "table",
        tag("thead", tag("tr", *heads, tag("th", "Ending", scope="col"))),
        tag("tbody", html_joined(rows)),
        class_="attempts",
    )


def log_part(
    page: RunPage, node: NodeView, child: ChildView, most: int = SHOWN_BYTES, attempt: int | None = None
) -> Markup:
    """The end of an attempt's log (the last's), with what finds words in it."""
    place, streams = page.place, page.reader.streams(node, child)
    if not streams:
        return tag("p", "There is no log.", class_="quiet") if child.child is not None else Markup("")
    stream = next((one for one in streams if one.attempt == attempt), streams[-1])
    text, start, end = _log_end(stream.path, most)
    base = place.link_to(page.name, node.info.node, child.index)
    choices = [
        tag(
            "button",
            f"Attempt {one.attempt}",
            type="button",
            class_="choice",
            aria_pressed="true" if one is stream else "false",
            data_attempt=one.attempt,
        )
        for one in streams
        if place.served and len(streams) > 1
    ]
    find = tag(
        "input", type="search", class_="find-in-log", placeholder="Find in the log", aria_label="Find in the log"
    )
    follow = tag("label", tag("input", type="checkbox", class_="follow", checked=True), " Follow", class_="following")
    tools: list[object] = [
        tag("h4", "Log"),
        *choices,
        find,
        tag("span", "", class_="found quiet", role="status"),
    ]
    if place.served:
        tools += [follow, tag("a", "Whole log", href=f"{base}/log?attempt={stream.attempt}")]
    cut = tag("p", f"The beginning is left out; the whole log is in {stream.path}", class_="quiet") if start else None
    log = tag(
        "pre",
        AnsiLines().lines(log_with_readable_tracebacks(text.split("\n")))
        if text
        else tag("span", "It is empty.", class_="quiet"),
        class_="log",
        tabindex="0",
        role="log",
        aria_label=f"Log of attempt {stream.attempt}",
        data_tail=f"{base}/tail?attempt={stream.attempt}&from={end}"
        if place.served and child.state not in DONE
        else None,
    )
    return tag("div", tag("div", *tools, class_="row tools"), cut, log, class_="log-part", data_from=base)


def _log_end(path: Path, most: int) -> tuple[str, int, int]:
    """(whole lines at the end of a file, where they begin, where they end), in bytes."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(0, size - most)
            file.seek(start)
            block = file.read(size - start)
    except OSError:
        return "", 0, 0
    if start:
        cut = block.find(b"\n") + 1
        block, start = block[cut:], start + cut
    text = block.decode("utf-8", "replace")
    return text.removesuffix("\n"), start, start + len(block)
