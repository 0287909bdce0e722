"""Go's `net/url`, as far as joining a reference with nested keys needs it: Parse, ResolveReference, String.

Python's `urllib.parse` differs in what it escapes, in how it treats opaque references and in what it refuses.
Works on bytes, as Go does, held as latin-1 text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv6Address

_UNRESERVED = "A-Za-z0-9\\-_.~"
# What each part of a reference escapes.
_ESCAPED_IN_PATH = re.compile(f"[^{_UNRESERVED}$&+,/:;=@]")
# What a path may hold unescaped when the writer put it so.
_VALID_IN_PATH = re.compile(rf"(?:[{_UNRESERVED}$&+,/:;=@!'()*\[\]%])*\Z")
_ESCAPED_IN_FRAGMENT = re.compile(f"[^{_UNRESERVED}$&+,/:;=?@!()*]")
_VALID_IN_FRAGMENT = re.compile(rf"(?:[{_UNRESERVED}$&+,/:;=?@!'()*\[\]%])*\Z")
_ESCAPED_IN_HOST = re.compile(rf"[^{_UNRESERVED}!$&'()*+,;=:\[\]<>\"]")
_ESCAPED_IN_USER = re.compile(f"[^{_UNRESERVED}$&+,;=]")
_USERINFO = re.compile(rf"[{_UNRESERVED}:!$&'()*+,;=%@]*\Z")
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*\Z")
_PORT = re.compile(r"(?::[0-9]*)?\Z")


class UrlError(ValueError):
    """Go would not parse it."""


@dataclass(frozen=True)
class Url:
    """A parsed reference; `path` decoded, `raw_path` as written where the two would not be escaped alike."""

    scheme: str = ""
    opaque: str = ""
    user: str | None = None
    host: str = ""
    path: str = ""
    raw_path: str = ""
    query: str = ""
    force_query: bool = False
    fragment: str = ""
    raw_fragment: str = ""
    omit_host: bool = False

    def with_path(self, written: str) -> Url:
        path = _unescape(written)
        return replace(self, path=path, raw_path="" if _escape(path, _ESCAPED_IN_PATH) == written else written)

    @property
    def escaped_path(self) -> str:
        if self.raw_path and _VALID_IN_PATH.match(self.raw_path) and _unescape(self.raw_path) == self.path:
            return self.raw_path
        return "*" if self.path == "*" else _escape(self.path, _ESCAPED_IN_PATH)

    @property
    def _escaped_fragment(self) -> str:
        if (
            self.raw_fragment
            and _VALID_IN_FRAGMENT.match(self.raw_fragment)
            and _unescape(self.raw_fragment) == self.fragment
        ):
            return self.raw_fragment
        return _escape(self.fragment, _ESCAPED_IN_FRAGMENT)

    def resolve(self, reference: Url) -> Url:
        """`ResolveReference`."""
        result = reference if reference.scheme else replace(reference, scheme=self.scheme)
        if reference.scheme or reference.host or reference.user is not None:
            return result.with_path(_resolve_path(reference.escaped_path, ""))
        if reference.opaque:
            return replace(result, user=None, host="", path="")
        if not reference.path and not reference.force_query and not reference.query:
            result = replace(result, query=self.query)
            if not reference.fragment:
                result = replace(result, fragment=self.fragment, raw_fragment=self.raw_fragment)
        if not reference.path and self.opaque:
            return replace(result, opaque=self.opaque, user=None, host="", path="")
        result = replace(result, host=self.host, user=self.user)
        return result.with_path(_resolve_path(self.escaped_path, reference.escaped_path))

    def __str__(self) -> str:
        text = f"{self.scheme}:" if self.scheme else ""
        if self.opaque:
            text += self.opaque
        else:
            path = self.escaped_path
            if self.scheme or self.host or self.user is not None:
                if not (self.omit_host and not self.host and self.user is None) and (
                    self.host or self.path or self.user is not None
                ):
                    text += "//"
                if self.user is not None:
                    text += f"{self.user}@"
                text += _escape(self.host, _ESCAPED_IN_HOST)
            if path and not path.startswith("/") and self.host:
                text += "/"
            if not text and ":" in path.split("/", 1)[0]:
                text += "./"
            text += path
        if self.force_query or self.query:
            text += f"?{self.query}"
        if self.fragment:
            text += f"#{self._escaped_fragment}"
        return text.encode("latin-1").decode("utf-8", "replace")


def parse_url(text: str) -> Url:
    """`url.Parse`. Raises UrlError."""
    written, _, fragment = text.encode("utf-8", "surrogateescape").decode("latin-1").partition("#")
    url = _parse(written)
    if not fragment:
        return url
    decoded = _unescape(fragment)
    return replace(
        url, fragment=decoded, raw_fragment="" if _escape(decoded, _ESCAPED_IN_FRAGMENT) == fragment else fragment
    )


def _parse(text: str) -> Url:
    if any(byte < " " or byte == "\x7f" for byte in text):
        raise UrlError("net/url: invalid control character in URL")
    if text == "*":
        return Url(path="*")
    scheme, rest = _split_scheme(text)
    force_query = rest.endswith("?") and rest.count("?") == 1
    rest, _, query = rest.partition("?")
    url = Url(scheme=scheme.lower(), query=query, force_query=force_query)
    if not rest.startswith("/"):
        if scheme:
            return replace(url, opaque=rest)
        if ":" in rest.split("/", 1)[0]:
            raise UrlError("first path segment in URL cannot contain colon")
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, rest = rest[2:].partition("/")
        user, host = _parse_authority(authority)
        url, rest = replace(url, user=user, host=host), slash + rest
    elif scheme and rest.startswith("/"):
        url = replace(url, omit_host=True)
    return url.with_path(rest)


def _split_scheme(text: str) -> tuple[str, str]:
    scheme, colon, rest = text.partition(":")
    if not colon:
        return "", text
    if not scheme:
        raise UrlError("missing protocol scheme")
    return (scheme, rest) if _SCHEME.match(scheme) else ("", text)


def _parse_authority(authority: str) -> tuple[str | None, str]:
    userinfo, at, host = authority.rpartition("@")
    parsed = _parse_host(host)
    if not at:
        return None, parsed
    if not _USERINFO.match(userinfo):
        raise UrlError("net/url: invalid userinfo")
    name, colon, password = userinfo.partition(":")
    parts = [_escape(_unescape(part), _ESCAPED_IN_USER) for part in ([name, password] if colon else [name])]
    return ":".join(parts), parsed


def _parse_host(host: str) -> str:
    if host.startswith("["):
        literal, bracket, port = host[1:].rpartition("]")
        if not bracket:
            raise UrlError("missing ']' in host")
        if not _PORT.match(port):
            raise UrlError(f"invalid port {port!r} after host")
        address = _unescape(literal)
        try:
            IPv6Address(address)
        except AddressValueError as error:
            raise UrlError(f"invalid host: {error}") from None
        return f"[{address}]{port}"
    if "[" in host:
        raise UrlError("invalid IP-literal")
    _, colon, port = host.rpartition(":")
    if colon and not _PORT.match(colon + port):
        raise UrlError(f"invalid port {colon + port!r} after host")
    for escape in _ESCAPE.findall(host):
        if int(escape[1:], 16) < 0x80 and escape != "%25":
            raise UrlError(f"invalid URL escape {escape!r}")
    for byte in host:
        if byte < "\x80" and byte != "%" and _ESCAPED_IN_HOST.match(byte):
            raise UrlError(f"invalid character {byte!r} in host name")
    return _unescape(host)


def _resolve_path(base: str, reference: str) -> str:
    if not reference:
        full = base
    elif reference.startswith("/"):
        full = reference
    else:
        full = base[: base.rfind("/") + 1] + reference
    if not full:
        return ""
    path = "/"
    first = True
    segment = ""
    for segment in full.split("/"):
        if segment == ".":
            first = False
        elif segment == "..":
            cut = path.rfind("/", 1)
            path = path[:cut] if cut >= 1 else "/"
            first = path == "/"
        else:
            path += segment if first else f"/{segment}"
            first = False
    if segment in (".", ".."):
        path += "/"
    return path[1:] if path.startswith("//") else path


def _escape(text: str, escaped: re.Pattern[str]) -> str:
    return escaped.sub(lambda byte: f"%{ord(byte[0]):02X}", text)


def _unescape(text: str) -> str:
    if "%" not in text:
        return text
    parts = text.split("%")
    decoded = parts[0]
    for part in parts[1:]:
        if not _ESCAPE.match(f"%{part}"):
            raise UrlError(f"invalid URL escape {'%' + part[:2]!r}")
        decoded += chr(int(part[:2], 16)) + part[2:]
    return decoded
