"""A hook of mkdocs: links to files outside of docs/ (an example, a test) are shown as plain code, since the site does
not have them. On a code host they work."""

from __future__ import annotations

import re
from typing import Any

OUTSIDE = re.compile(
    r"\[([^\]]+)\]\((?:\.\./)+(?!how-to/|reference/|explanation/|pictures/|start\.md|index\.md)[^)]*\)"
)


def on_page_markdown(markdown: str, **_: Any) -> str:
    return OUTSIDE.sub(lambda link: link[1] if link[1].startswith("`") else f"`{link[1]}`", markdown)
