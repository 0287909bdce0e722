"""What every page has: head, header, the signs of states, and where its links lead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..local.history import run_view
from .html import NOTHING, Markup, html_joined, tag

PREFIX = "/ui"
# A state's sign, which tells it apart without its colour.
SIGNS = {
    run_view.FAILED: "✕",
    run_view.RUNS: "▶",
    run_view.STARTS: "◔",
    run_view.QUEUED: "○",
    run_view.INTERRUPTED: "‖",
    run_view.SUCCESS: "✓",
    run_view.CACHED: "≡",
    "aborted": "‖",
}


@dataclass(frozen=True)
class PagePlace:
    """Where a page stands: served, with links to other pages, or all in one file, with links inside of it.

    :param served: whether there is a server to ask for more.
    """

    served: bool = True

    def link_to(self, *parts: object) -> str:
        """:param parts: an execution, its node and the child's index, as far down as the link leads."""
        if not self.served:
            return f"#{frame_anchor(*parts)}"
        return "/".join([f"{PREFIX}/run", *(quote(str(part), safe="") for part in parts)])


def frame_anchor(*parts: object) -> str:
    """An id that no other parts have, and that needs no quoting."""
    return "-".join(
        quote(str(part), safe="").replace("%", "_").replace("-", "_2D").replace(".", "_2E") for part in parts
    )


def frame_state_sign(state: str, count: int | None = None) -> Markup:
    """A state as a sign and a word, with a count before the word."""
    words = state if count is None else f"{count} {state}"
    sign = tag("span", SIGNS.get(state, "·"), class_="sign", aria_hidden="true")
    return tag("span", sign, words, class_=f"state is-{state}")


def page_frame_counts(counts: dict[str, int]) -> Markup:
    return html_joined(Markup(f"{frame_state_sign(state, count)} ") for state, count in counts.items())


def frame_copyable(command: str, label: str) -> Markup:
    """A command with a button that copies it."""
    button = tag("button", "Copy", type="button", class_="copy", data_copy=command, aria_label=f"Copy {label}")
    return tag("div", tag("code", command), button, class_="copyable")


def frame_facts(facts: Iterable[tuple[str, object]]) -> Markup:
    """Words and their values; a value that is empty is left out."""
    shown = html_joined(tag("div", tag("dt", word), tag("dd", value)) for word, value in facts if value)
    return tag("dl", shown, class_="facts")


def frame_asset(name: str) -> str:
    """The text of a file that the pages need beside their own."""
    return Path(__file__).with_name("assets").joinpath(name).read_text(encoding="utf-8")


def frame_document(
    title: str,
    body: Markup,
    head: Markup,
    home: str,
    place: PagePlace,
    script: Markup = NOTHING,
    **attributes: Any,
) -> str:
    """A whole page.

    :param head: style and script. :param home: the folder whose runs these are. :param script: what is run last.
    """
    brand = tag("span", tag("span", "▦", aria_hidden="true", class_="logo"), " AWS Batch runs")
    top = tag("a", brand, href=f"{PREFIX}/", class_="brand") if place.served else tag("span", brand, class_="brand")
    buttons = tag(
        "span",
        tag("span", "", id="live", role="status", class_="live") if place.served else None,
        tag("button", "Theme", type="button", id="theme", title="Change between light and dark", hidden=True),
        class_="tools",
    )
    skip = tag("a", "To the content", href="#content", class_="skip")
    where = tag("span", home, class_="home", title="The home of these runs") if home else None
    header = tag("header", top, where, buttons)
    main = tag("main", body, id="content", tabindex="-1")
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            head,
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", title),
        ),
        tag("body", skip, header, main, script, **attributes),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"
