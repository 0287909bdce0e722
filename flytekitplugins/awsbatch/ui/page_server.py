"""The pages over HTTP, and what changes on them as server-sent events. It only looks: nothing here changes a run.

Reading goes through one thread, so that the service beside it is not held up by a large run.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, quote, unquote

from aiohttp import web

from ..batch.api import BatchError
from ..batch.emulator.http.guard import RequestGuard
from ..local.history.past_runs import UnknownRunError
from ..local.history.record import RecordError
from ..local.history.run_reader import RunReader
from ..local.history.run_view import DONE, ChildView, NodeView
from .changes import Changes, LogGrows, RunChanges, mark_of_changes
from .child_part import child_part, log_part
from .frame import PREFIX, PagePlace, frame_asset, frame_document
from .html import Markup, html_joined, tag
from .list_page import list_body, runs_list_part
from .login import PATH as LOGIN
from .login import Door, login_body
from .node_part import node_part
from .run_page import RunPage, read_run_page

if TYPE_CHECKING:
    from ..batch.emulator.service import LocalBatch
    from ..local.home import Home

log = logging.getLogger(__name__)
T = TypeVar("T")

ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
# Seconds between two looks for changes.
LOOK_EVERY = 0.4
KEEP_ALIVE = 15.0
# Browsers that may follow at once.
MOST_STREAMS = 64
MAX_LOGIN = 4096
# A number in an address: one that a file and SQLite take.
NUMBER = re.compile("[0-9]{1,18}")
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class MissingError(Exception):
    """There is no such page."""


class RunPages:
    """:param command: how a person calls `flyte-awsbatch` for this home.
    :param batch: the home's service where it runs in this process.
    """

    def __init__(self, home: Home, guard: RequestGuard, command: str, batch: LocalBatch | None = None) -> None:
        self.home = home
        self._guard = guard
        self._door = Door(guard)
        self._command = command
        self.place = PagePlace()
        self.reader = RunReader(home, batch)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pages")
        self._streams = 0
        self._head = html_joined(
            [
                tag("link", rel="icon", type="image/svg+xml", href=f"{PREFIX}/assets/icon.svg"),
                tag("link", rel="stylesheet", href=f"{PREFIX}/assets/page.css"),
                tag("script", src=f"{PREFIX}/assets/page.js", defer=True),
            ]
        )

    def close_pages(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
        self.reader.close_reader()

    @staticmethod
    def answers(method: str, path: str) -> bool:
        """Whether a request is for the pages: CloudWatch's clients POST to `/`."""
        return path == PREFIX or path.startswith(f"{PREFIX}/") or (path == "/" and method == "GET")

    async def respond(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except BatchError as error:
            return self._told(error.status, "Refused", error.message)
        except (MissingError, UnknownRunError) as error:
            return self._told(404, "Not found", str(error) or "There is no such page.")
        except RecordError as error:
            return self._told(500, "This run cannot be read", str(error))
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except Exception as error:
            log.exception("%s", request.raw_path)
            return self._told(500, "This page cannot be shown", f"{type(error).__name__}; the service's log has more.")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        target = request.rel_url.raw_path_qs
        path, _, query = target.partition("?")
        if len(request.headers.getall("Host", ())) != 1:
            raise BatchError("AccessDeniedException", "a request has one Host", 403)
        self._guard.check_site(request.headers)
        if path == LOGIN and request.method == "POST":
            return await self._log_in(request)
        if request.method not in ("GET", "HEAD"):
            raise BatchError("AccessDeniedException", "the pages are only there to be read", 405)
        parts = [unquote(part) for part in path.removeprefix(PREFIX).strip("/").split("/")]
        if parts[0] == "assets" and len(parts) == 2 and parts[1] in ASSETS:
            return web.Response(text=frame_asset(parts[1]), content_type=ASSETS[parts[1]], headers=SECURITY)
        if not self._door.login_door_opens(request.method, target, request.headers):
            return self._html("Runs", login_body(False), 401)
        if path in ("/", PREFIX):
            return web.Response(status=302, headers={**SECURITY, "Location": f"{PREFIX}/"})
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        return await self._page(request, parts, asked)

    async def _page(self, request: web.Request, parts: list[str], asked: dict[str, str]) -> web.StreamResponse:
        match parts:
            case [""]:
                runs = await self._read(self.reader.runs)
                body = list_body(runs, self.place)
                return self._html("AWS Batch runs", body, data_events=f"{PREFIX}/live")
            case ["live"]:
                runs_changes = Changes(lambda: {"runs": runs_list_part(self.reader.runs(), self.place)})
                return await self._stream(request, runs_changes)
            case ["run", name]:
                return await self._run(name, None)
            case ["live", name]:
                return await self._stream(request, RunChanges(self.reader, self.page, name, asked))
            case ["run", name, node]:
                return await self._run(name, node)
        return await self._child_page(request, parts, asked)

    async def _child_page(self, request: web.Request, parts: list[str], asked: dict[str, str]) -> web.StreamResponse:
        match parts:
            case ["run", name, node, index] if NUMBER.fullmatch(index):
                return await self._child(name, node, int(index), "part" in asked)
            case ["run", name, node, index, what] if NUMBER.fullmatch(index):
                return await self._log(request, (name, node, int(index)), what, asked)
        raise MissingError

    async def _read(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def page(self, name: str) -> RunPage:
        """In the reading thread."""
        return read_run_page(self.reader, name, self.place, self._command)

    async def _run(self, name: str, node: str | None, chosen: int | None = None) -> web.Response:
        def build() -> web.Response:
            stamp = self.reader.run_stamp(name)
            page = self.page(name)
            one = page.chosen() if node is None else _node_of(page, node)
            parts = list(page.parts().values())
            if one is not None:
                if chosen is None:
                    parts.append(node_part(page, one))
                else:
                    # What the user has asked for comes first.
                    parts.insert(1, node_part(page, one, child_part(page, one, _child_of(one, chosen))))
            return self._html(
                page.title,
                html_joined(parts),
                data_events=f"{PREFIX}/live/{quote(name, safe='')}?node={quote(one.info.node if one else '', safe='')}",
                data_stamp=mark_of_changes(stamp),
                data_child=chosen,
            )

        return await self._read(build)

    async def _child(self, name: str, node: str, index: int, part: bool) -> web.Response:
        if not part:
            return await self._run(name, node, index)
        html = await self._read(lambda: child_part(*self._found(name, node, index)))
        return web.Response(text=html, content_type="text/html", headers=SECURITY)

    def _found(self, name: str, node: str, index: int) -> tuple[RunPage, NodeView, ChildView]:
        """In the reading thread. Raises MissingError."""
        page = self.page(name)
        one = _node_of(page, node)
        return page, one, _child_of(one, index)

    async def _log(
        self, request: web.Request, which: tuple[str, str, int], what: str, asked: dict[str, str]
    ) -> web.StreamResponse:
        wanted = _number(asked, "attempt")
        if what == "part":
            html = await self._read(lambda: log_part(*self._found(*which), attempt=wanted))
            return web.Response(text=html, content_type="text/html", headers=SECURITY)

        def find() -> Path | None:
            _, node, child = self._found(*which)
            streams = self.reader.streams(node, child)
            chosen = next((one for one in streams if one.attempt == wanted), streams[-1] if streams else None)
            return chosen.path if chosen else None

        path = await self._read(find)
        if path is None or not path.exists():
            raise MissingError("There is no log.")
        if what == "log":
            return web.FileResponse(path, headers={**SECURITY, "Content-Type": "text/plain; charset=utf-8"})
        if what == "tail":
            start = _number(asked, "from") or 0
            return await self._stream(request, LogGrows(path, start, lambda: self._found(*which)[2].state in DONE))
        raise MissingError

    async def _log_in(self, request: web.Request) -> web.Response:
        body = await request.content.read(MAX_LOGIN)
        given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        cookie = self._door.login_cookie_for(given)
        if cookie is None:
            # A pause, so that tokens cannot be tried in a row.
            await asyncio.sleep(1)
            return self._html("Runs", login_body(True), 401)
        return web.Response(status=303, headers={**SECURITY, "Location": f"{PREFIX}/", "Set-Cookie": cookie})

    def _html(self, title: str, body: Markup, status: int = 200, **attributes: Any) -> web.Response:
        text = frame_document(title, body, self._head, str(self.home.path), self.place, **attributes)
        return web.Response(text=text, status=status, content_type="text/html", headers=SECURITY)

    def _told(self, status: int, title: str, words: str) -> web.Response:
        back = tag("p", tag("a", "All executions", href=f"{PREFIX}/"))
        return self._html(title, tag("div", tag("h1", title), tag("p", words), back, class_="card"), status)

    async def _stream(self, request: web.Request, changes: Changes) -> web.StreamResponse:
        """Server-sent events until the browser leaves, the service closes, or there is nothing more to tell."""
        if self._streams >= MOST_STREAMS:
            return self._told(503, "Too many pages are open", f"{MOST_STREAMS} pages follow runs already.")
        response = web.StreamResponse(headers={**SECURITY, "Content-Type": "text/event-stream"})
        self._streams += 1
        try:
            await response.prepare(request)
            await response.write(b": hello\n\n")
            spoke = time.monotonic()
            while True:
                began = time.monotonic()
                told = await self._read(changes.next)
                if told:
                    await response.write(b"".join(told))
                    spoke = time.monotonic()
                elif time.monotonic() - spoke > KEEP_ALIVE:
                    await response.write(b": still here\n\n")
                    spoke = time.monotonic()
                if changes.over:
                    return response
                # A page that takes long to make is made less often.
                await asyncio.sleep(max(LOOK_EVERY, time.monotonic() - began))
        except (ConnectionResetError, UnknownRunError, RecordError):
            return response
        finally:
            self._streams -= 1


def _number(asked: dict[str, str], name: str) -> int | None:
    given = asked.get(name, "")
    return int(given) if NUMBER.fullmatch(given) else None


def _node_of(page: RunPage, node: str) -> NodeView:
    found = page.execution.attempt(node)
    if found is None:
        raise MissingError(f"Execution {page.name} has no node {node!r}.")
    return found


def _child_of(node: NodeView, index: int) -> ChildView:
    if not 0 <= index < len(node.children):
        raise MissingError(f"Node {node.info.node} has no child {index}.")
    return node.children[index]
