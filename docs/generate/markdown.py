"""Small pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NOTE = "<!-- Written by `python -m docs.generate` from {source}. Edit that, and run `make references`. -->\n"
PAGES = {
    "docs/explanation/fidelity.md": "[Fidelity](../explanation/fidelity.md)",
    "docs/reference/lint.md": "[the list](lint.md)",
    "docs/how-to/doctor.md": "[the page of doctor](../how-to/doctor.md)",
}


def page(title: str, source: str, parts: Iterable[str]) -> str:
    return f"{NOTE.format(source=source)}\n# {title}\n\n" + "\n\n".join(part.strip() for part in parts if part) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell(one) for one in row)} |" for row in rows]
    return "\n".join(lines)


def cell(text: str) -> str:
    """In one line, without the bar that would end the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def prose(text: str) -> str:
    """A docstring's text for a page in docs/reference: paths of other pages become links."""
    for path, link in PAGES.items():
        text = text.replace(path, link)
    return text


def sentence(text: str) -> str:
    """With a capital letter and a full stop, unless it begins with code."""
    text = " ".join(text.split()).rstrip(".")
    if not text:
        return ""
    return (text[0].upper() + text[1:] if re.match(r"[a-z]", text) else text) + "."
