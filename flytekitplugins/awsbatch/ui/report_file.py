"""Executions as one file that needs nothing else: style, script and data are in it, and nothing of it is fetched.

The logs of the failed and the slowest children are in it, as far as there is room. Secrets of this process's
environment are hidden, as in everything that a run leaves behind.
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..local.console.amounts import shown_time
from ..local.console.redaction import HIDDEN, values_to_redact
from ..local.history.run_reader import RunReader
from ..local.history.run_view import FAILED, ChildView, NodeView
from .child_part import child_part
from .frame import PagePlace, frame_anchor, frame_asset, frame_document, frame_state_sign
from .html import Markup, html_joined, html_json_text, tag
from .node_part import node_part
from .run_page import RunPage, read_run_page

if TYPE_CHECKING:
    from ..batch.emulator.service import LocalBatch
    from ..local.home import Home

# Children per node whose logs are in the file, and the bytes of each log and of all together.
FAILED_LOGS = 30
SLOWEST_LOGS = 5
LOG_BYTES = 64 * 1024
ALL_BYTES = 12 * 1024 * 1024
# Nodes with a part of their own; the others are in the table of nodes.
MOST_NODES = 60


def report_file_text(home: Home, executions: Sequence[str], batch: LocalBatch | None = None) -> str:
    """The file's text. Raises UnknownRunError, RecordError, HomeError, UnusableHomeError.

    :param batch: the home's service where it runs in this process.
    """
    place = PagePlace(served=False)
    with RunReader(home, batch) as reader:
        pages = [read_run_page(reader, name, place, home.command) for name in executions]
        body = html_joined(_whole(pages))
    body = Markup(_without_secrets(body, os.environ))
    style, script = frame_asset("page.css"), frame_asset("page.js")
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    icon = base64.b64encode(frame_asset("icon.svg").encode()).decode()
    head = html_joined(
        [
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("link", rel="icon", href=f"data:image/svg+xml;base64,{icon}"),
            tag("style", Markup(style)),
        ]
    )
    title = pages[0].title if len(pages) == 1 else f"{len(pages)} executions"
    return frame_document(title, body, head, "", place, script=tag("script", Markup(script)))


def write_report(home: Home, executions: Sequence[str], path: Path, batch: LocalBatch | None = None) -> None:
    """Writes the report to a file, whose folder is made where it is missing. Raises OSError, and what `report` does."""
    text = report_file_text(home, executions, batch)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _whole(pages: Sequence[RunPage]) -> Iterator[Markup]:
    if not pages:
        yield tag("p", "No execution: no AWS Batch task was called.", class_="card")
    if len(pages) > 1:
        rows = [
            tag(
                "tr",
                tag("td", frame_state_sign(page.execution.info.status)),
                tag("td", tag("a", page.execution.info.workflow, href=page.place.link_to(page.name))),
                tag("td", shown_time(page.execution.info.started)),
                tag("td", tag("code", page.name)),
            )
            for page in pages
        ]
        yield tag("div", tag("h1", "Executions"), tag("table", tag("tbody", html_joined(rows))), class_="card")
    room = ALL_BYTES
    for page in pages:
        parts = list(page.parts().values())
        largest = sorted(page.execution.attempts, key=lambda node: -len(node.children))[:MOST_NODES]
        shown = {node.info.node for node in largest}
        for node in page.execution.attempts:
            if node.info.node not in shown:
                continue
            parts.append(node_part(page, node))
            for child in _told(node):
                part = _child(page, node, child)
                if len(part) > room:
                    break
                room -= len(part)
                parts.append(part)
        yield tag("article", *parts, id=frame_anchor(page.name), class_="run")


def _told(node: NodeView) -> list[ChildView]:
    failed = [child for child in node.children if child.state == FAILED][:FAILED_LOGS]
    others = [child for child in node.children if child.state != FAILED and child.child is not None]
    others.sort(key=lambda child: -(child.ran(0) or 0))
    return [*failed, *others[:SLOWEST_LOGS]]


def _child(page: RunPage, node: NodeView, child: ChildView) -> Markup:
    part = child_part(page, node, child, LOG_BYTES)
    return tag("template", part, id=f"t{frame_anchor(page.name, node.info.node, child.index)}")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _without_secrets(text: str, environ: Mapping[str, str]) -> str:
    """:param text: HTML, with JSON in it."""
    for value in values_to_redact(environ):
        for said in {value, html.escape(value), html_json_text(value)[1:-1]}:
            text = text.replace(said, HIDDEN)
    return text
