"""Who may see the pages: the service's own rules, with a cookie in the place of a signature, since a browser cannot
sign. The cookie is derived from the token, so that it ends with it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from ..batch.api import BatchError
from ..batch.emulator.http.guard import RequestGuard
from .frame import PREFIX
from .html import Markup, html_joined, tag

PATH = f"{PREFIX}/login"


class Door:
    """:param guard: of the service that the pages are part of."""

    def __init__(self, guard: RequestGuard) -> None:
        self._guard = guard
        token = (guard.token or "").encode()
        self._value = hmac.new(token, b"flyte-awsbatch pages", hashlib.sha256).hexdigest()
        # Browsers send a cookie to every port of a host: another service's must not take this one's place.
        self._name = "awsbatch-" + hmac.new(token, b"flyte-awsbatch cookie", hashlib.sha256).hexdigest()[:12]

    def login_door_opens(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Whether the request may see the pages."""
        if self._guard.token is None:
            return True
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self._name)
        except CookieError:
            morsel = None
        if morsel is not None and hmac.compare_digest(morsel.value.encode(), self._value.encode()):
            return True
        try:
            self._guard.check_request(method, path, headers, b"")
        except BatchError:
            return False
        return True

    def login_cookie_for(self, token: str) -> str | None:
        """The header that lets a browser in, for the right token."""
        if self._guard.token is None or not hmac.compare_digest(token.encode(), self._guard.token.encode()):
            return None
        return f"{self._name}={self._value}; Path={PREFIX}; HttpOnly; SameSite=Strict"


def login_body(wrong: bool) -> Markup:
    label = tag("label", "The token of this service", for_="token")
    field = tag("input", type="password", name="token", id="token", autocomplete="current-password", required=True)
    said = tag("p", "This is not the token.", class_="headline", role="alert") if wrong else None
    form = tag("form", said, label, field, tag("button", "Show the runs"), method="post", action=PATH)
    return html_joined([tag("h1", "Runs"), tag("div", form, class_="card login")])
