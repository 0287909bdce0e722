"""Keeps secrets out of what a run leaves behind and prints. It finds them by the names of variables.

It cannot know a secret under a harmless name, nor one that is shorter than what is worth hiding.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "***"
# Shorter values (`true`, `none`, `admin`) occur in texts without being secrets.
SHORTEST = 8

_SECRET_NAME = re.compile(
    r"SECRET|TOKEN|PASSW(OR)?D|PASSPHRASE|CREDENTIAL|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION)[_-]?KEY|(^|_)(AUTH|PAT)(_|$)",
    re.IGNORECASE,
)
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_-]*)=(?P<value>.*)", re.DOTALL)


@functools.lru_cache(maxsize=1024)
def is_name_to_redact(name: str) -> bool:
    """Whether the name of a variable or an option says that its value is a secret."""
    return _SECRET_NAME.search(name) is not None


def redact(text: str, environ: Mapping[str, str]) -> str:
    """The text without the values of the environment's secret-like variables."""
    return _without(text, values_to_redact(environ))


def _without(text: str, values: Iterable[str]) -> str:
    for value in values:
        text = text.replace(value, HIDDEN)
    return text


def values_to_redact(environ: Mapping[str, str]) -> list[str]:
    """The values of the environment's secret-like variables, the longest first."""
    values = {value for name, value in environ.items() if len(value) >= SHORTEST and is_name_to_redact(name)}
    return sorted(values, key=len, reverse=True)


def redact_command(argv: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """A command line without its secrets: `NAME=value`, `--password=value`, `--password value`, and known values."""
    values = values_to_redact(environ)
    shown: list[str] = []
    hide_next = False
    for word in argv:
        assignment = _ASSIGNMENT.fullmatch(word.lstrip("-"))
        if hide_next and not word.startswith("-"):
            shown.append(HIDDEN)
        elif assignment is not None and is_name_to_redact(assignment["name"]):
            shown.append(word[: len(word) - len(assignment["value"])] + HIDDEN)
        else:
            shown.append(_without(word, values))
        hide_next = word.startswith("-") and "=" not in word and is_name_to_redact(word)
    return shown


def redact_request(request: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """A SubmitJob request without the values of its own secret-like variables, nor those of the environment."""
    values = values_to_redact(environ)

    def hidden(value: Any) -> Any:
        if isinstance(value, str):
            return _without(value, values)
        if isinstance(value, Mapping):
            name = value.get("name")
            if isinstance(name, str) and "value" in value and is_name_to_redact(name):
                return {**value, "value": HIDDEN}
            return {key: hidden(each) for key, each in value.items()}
        return [hidden(each) for each in value] if isinstance(value, list | tuple) else value

    return {key: hidden(value) for key, value in request.items()}
