"""HTML from Python calls. Whatever is not markup already is escaped, so that no text of a user's can become markup.

`tag("p", "a < b", class_="note")` is `<p class="note">a &lt; b</p>`.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any

EMPTY_TAGS = frozenset(("br", "hr", "input", "link", "meta"))


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


NOTHING = Markup("")


def html_escaped(value: object) -> Markup:
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def html_joined(parts: Iterable[object]) -> Markup:
    return Markup("".join(html_escaped(part) for part in parts if part is not None))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """:param children: texts, numbers, markup; None is left out.
    :param attributes: `True` is an attribute without a value, None and False none. A trailing `_` is left out of a
        name, and another `_` stands for `-`.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        said = key.rstrip("_").replace("_", "-")
        words.append(said if value is True else f'{said}="{html.escape(str(value))}"')
    opening = f"<{' '.join(words)}>"
    return Markup(opening) if name in EMPTY_TAGS else Markup(f"{opening}{html_joined(children)}</{name}>")


def html_data_block(value: Any, name: str) -> Markup:
    """JSON for the page's script. Not run as a script, whatever is in it."""
    return tag("script", Markup(html_json_text(value)), type="application/json", id=name)


def html_json_text(value: Any) -> str:
    """JSON without any character that begins or ends markup."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
