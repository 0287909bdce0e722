"""A docstring in its parts: what it says, and its `:param name:` fields."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import Any

# `:param name: text`, `:raises Error: text`, `:ivar name: text`, up to the next one or an empty line.
KINDS = "param|raises|ivar|returns"
FIELD = re.compile(rf"^:({KINDS}) ?([\w, ]*): ?(.*?)(?=^:(?:{KINDS})\b|^\s*$|\Z)", re.M | re.S)


@dataclass(frozen=True)
class Docstring:
    """:ivar text: everything but the fields, with its paragraphs."""

    text: str
    params: dict[str, str] = field(default_factory=dict)
    raises: dict[str, str] = field(default_factory=dict)


def docstring(thing: Any) -> Docstring:
    """The docstring of a class or function; fields that a class inherits are those of its bases."""
    kinds: dict[str, dict[str, str]] = {"param": {}, "raises": {}, "ivar": {}, "returns": {}}
    for one in reversed(inspect.getmro(thing)) if inspect.isclass(thing) else (thing,):
        for kind, names, text in FIELD.findall(inspect.cleandoc(one.__doc__ or "")):
            for name in re.split(r",\s*", names):
                kinds[kind][name] = " ".join(text.split())
    text = FIELD.sub("", inspect.cleandoc(thing.__doc__ or ""))
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return Docstring(text, {**kinds["ivar"], **kinds["param"]}, kinds["raises"])
