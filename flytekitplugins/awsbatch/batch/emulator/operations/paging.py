"""Pages of answers: how many a page has, and the opaque tokens that lead from one to the next."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from .batch_errors import client_error

# JSON: a number, a text, or a list of such.
Position = TypeVar("Position")
# Beyond every number that SQLite holds.
NUMBERS = range(1 << 63)


def page_token(position: Any) -> str:
    """A `nextToken`."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def page_position(token: str | None, like: Position, start: Position) -> Position:
    """The position in a token, `start` without one.

    :param like: a position of the same question, to tell a token that is not its own.
    """
    if not token:
        return start
    try:
        position = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, RecursionError):
        position = None
    if not _alike(position, like):
        raise client_error("nextToken is invalid: use the one that the previous answer gave")
    return cast(Position, position)


def _alike(position: Any, like: Any) -> bool:
    if isinstance(like, list):
        return isinstance(position, list) and len(position) == len(like) and all(map(_alike, position, like))
    return type(position) is type(like) and (isinstance(position, str) or position in NUMBERS)


def page_size(request: Mapping[str, Any], default: int, largest: int | None = None) -> int:
    """`maxResults`, or the default.

    :param largest: what may be asked for; None takes any number, and answers with at most the default.
    """
    asked = request.get("maxResults")
    if asked is None:
        return default
    if asked < 1 or (largest is not None and asked > largest):
        raise client_error(f"maxResults is {asked}: expected {f'1 to {largest}' if largest else 'at least 1'}")
    return min(int(asked), default)
