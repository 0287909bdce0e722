"""What has changed on a page since a browser was last told, as server-sent events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..local.console.tracebacks import log_with_readable_tracebacks
from ..local.history.run_reader import RunReader
from ..local.history.run_view import NodeView
from .ansi import AnsiLines
from .html import Markup
from .node_part import node_part_status, node_part_status_id
from .rows import RowMaker, rows_base
from .run_page import RunPage

# Seconds after which the page of a run that goes on is made anew, for its clocks and to see whether it still does.
AGAIN_AFTER = 3.0
TAIL_BYTES = 256 * 1024


class Changes:
    """What one browser has not been told yet. `next` is called in the reading thread.

    :param page: makes the parts of a page as they are now, by their ids.
    """

    over = False

    def __init__(self, page: Callable[[], dict[str, Markup]] = dict) -> None:
        self._page = page
        self._told: dict[str, str] = {}

    def next(self) -> list[bytes]:
        return self.parts(self._page())

    def parts(self, parts: dict[str, Markup]) -> list[bytes]:
        """Events for the parts that have changed."""
        news = [(name, html) for name, html in parts.items() if self._told.get(name) != html]
        self._told.update(news)
        return [_server_sent_event("part", {"id": name, "html": html}) for name, html in news]


class RunChanges(Changes):
    """The changes of an execution's page.

    :param make: makes the page as it is now.
    :param asked: the page's query: `node` is the node that is shown whole, `stamp` the version that the page shows.
    """

    def __init__(self, reader: RunReader, make: Callable[[str], RunPage], name: str, asked: Mapping[str, str]) -> None:
        super().__init__()
        self._reader = reader
        self._make = make
        self._name = name
        self._node = asked.get("node", "")
        self._known = asked.get("stamp", "")
        self._seen: tuple[object, ...] | None = None
        self._made = 0.0
        self._running = True
        self._rows: dict[int, Any] = {}
        self._maker = RowMaker()
        self._base: int | None = None

    def next(self) -> list[bytes]:
        stamp = self._reader.run_stamp(self._name)
        old = time.monotonic() - self._made > AGAIN_AFTER
        if stamp == self._seen and not (old and self._running):
            return []
        first = self._seen is None
        self._seen, self._made = stamp, time.monotonic()
        page = self._make(self._name)
        self._running = page.execution.info.status == "running"
        node = page.execution.attempt(self._node)
        parts = page.parts()
        if node is not None:
            parts[node_part_status_id(page, node)] = node_part_status(page, node)
        events = [*self.parts(parts), *self._row_events(page, node)]
        mark = mark_of_changes(stamp)
        # At first the page has just been made, mostly from the same.
        if not events or (first and mark == self._known):
            return []
        return [*events, _server_sent_event("title", page.title), _server_sent_event("stamp", mark)]

    def _row_events(self, page: RunPage, node: NodeView | None) -> list[bytes]:
        if node is None:
            return []
        base = rows_base(node)
        if base != self._base:
            self._base = base
            self._rows.clear()
        changed = []
        said = page.headlines(node)
        for child in node.children:
            row = self._maker.row(child, base, said.get(child.index, ""))
            if self._rows.get(child.index) != row:
                self._rows[child.index] = row
                changed.append(row)
        if not changed:
            return []
        message = {
            "node": node.info.node,
            "size": len(node.children),
            "base": base,
            "now": page.now - base,
            "rows": changed,
            "texts": self._maker.texts,
        }
        return [_server_sent_event("rows", message)]


class LogGrows(Changes):
    """The growth of a log, from a place in its file on, until `ended`."""

    def __init__(self, path: Path, start: int, ended: Callable[[], bool]) -> None:
        super().__init__()
        self._path = path
        self._start = start
        self._ended = ended
        self._lines = AnsiLines()

    def next(self) -> list[bytes]:
        # Asked before the log is read: if the job has ended, the log is complete.
        ended = self._ended()
        with self._path.open("rb") as file:
            file.seek(self._start)
            block = file.read(TAIL_BYTES)
        whole = len(block) if ended or len(block) == TAIL_BYTES else block.rfind(b"\n") + 1
        if not whole:
            self.over = ended
            return [_server_sent_event("end", None)] if ended else []
        self._start += whole
        text = block[:whole].decode("utf-8", "replace").removesuffix("\n")
        return [_server_sent_event("lines", self._lines.lines(log_with_readable_tracebacks(text.split("\n"))))]


def _server_sent_event(kind: str, value: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def mark_of_changes(stamp: tuple[object, ...]) -> str:
    return "-".join(str(part).strip("()").replace(", ", ".") for part in stamp)
