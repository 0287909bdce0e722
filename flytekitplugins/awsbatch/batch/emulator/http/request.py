"""A request as the service sees it, and the short way to one: the whole of a plain request in one piece, which is what
the usual clients send. Pure.

Whatever is not plain (chunks, pieces, several requests at once, another version, headers that change how the rest is
to be read) is left to a real parser. So this reads nothing that could be read in two ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

METHODS = frozenset(("POST", "GET", "DELETE"))
# Each changes what follows, or what is to become of the connection.
NOT_PLAIN = frozenset(("transfer-encoding", "connection", "expect", "upgrade", "content-encoding", "trailer", "te"))


class Asked(NamedTuple):
    """A whole request.

    :ivar target: path and query as they came.
    :ivar headers: by their names in lower case; of one that is there twice, the first.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def plain(data: bytes) -> Asked | None:
    """The one request that these bytes are; None when they are something else."""
    head, gap, body = data.partition(b"\r\n\r\n")
    if not gap or not head.isascii():
        return None
    first, *lines = head.decode().split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.partition(" ")
    if version != "HTTP/1.1" or method not in METHODS or target[:1] != "/" or not first.isprintable():
        return None
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        if not name.replace("-", "").isalnum() or not line.isprintable():
            return None
        headers[name.lower()] = value.strip(" ")
    length = headers.get("content-length", "0")
    if length != str(len(body)) or len(headers) != len(lines) or "host" not in headers:
        return None
    return Asked(method, target, headers, body) if NOT_PLAIN.isdisjoint(headers) else None
