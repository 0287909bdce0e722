"""Who may call the service: it starts commands, so a page of another site must not reach it, and from another machine
only a caller that has the token. Pure, but for the clock.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...api import BatchError

LOCAL_NAMES = ("localhost", "localhost.localdomain")
# Under a real FlytePropeller the service stands behind a forwarder that answers for AWS's own names, which nobody
# else can own.
AWS_NAMES = re.compile(r"[a-z0-9.-]+\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws)")
MAX_SKEW = datetime.timedelta(minutes=15)
SIGV4 = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request,\s*"
    r"SignedHeaders=(?P<headers>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


def _guard_denied(message: str, code: str = "AccessDeniedException") -> BatchError:
    return BatchError(code, message, 403)


def is_loopback_host(host: str) -> bool:
    """Whether an address to listen on can only be reached from this machine."""
    if host in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class RequestGuard:
    """:param token: the secret access key with which requests must be signed (SigV4), or a bearer token. None: no
    token is needed, and only requests to this machine's own host names are answered.
    """

    token: str | None = None

    def check_request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Raises BatchError (403) for a request that must not be answered.

        :param path: as it came, with the query.
        :param headers: by their names in lower case.
        """
        self.check_site(headers)
        if self.token is not None:
            self._check_token(self.token, method, path, headers, body)

    def check_site(self, headers: Mapping[str, str]) -> None:
        """The part of `check_request` that asks for no token. Raises BatchError (403)."""
        host = headers.get("host", "")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise _guard_denied("requests from other sites' pages are refused")
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            raise _guard_denied("requests from other sites' pages are refused")
        if self.token is None and not guard_knows_host(host):
            raise _guard_denied(f"Host {host!r} is not this service: call it by 127.0.0.1 or localhost")

    def _check_token(self, token: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        authorization = headers.get("authorization", "")
        kind, _, value = authorization.partition(" ")
        if kind.lower() == "bearer":
            if hmac.compare_digest(value.strip().encode(), token.encode()):
                return
            raise _guard_denied("the bearer token is wrong")
        match = SIGV4.fullmatch(authorization)
        if match is None:
            raise _guard_denied(
                "this service needs its token: as the AWS secret access key, or as a bearer token",
                "MissingAuthenticationTokenException",
            )
        stamp = headers.get("x-amz-date", "")
        if not _fresh(stamp):
            raise _guard_denied("the signature's time is too far from this machine's", "InvalidSignatureException")
        # botocore's signer believes a digest that is there already.
        digest = hashlib.sha256(body).hexdigest()
        # AWS wants the host to be signed (IAM user guide, "Create a signed AWS API request").
        if (
            "host" not in match["headers"].split(";")
            or headers.get("x-amz-content-sha256", digest) != digest
            or not hmac.compare_digest(
                _guard_signature(match, token, stamp, method, path, headers, body), match["signature"]
            )
        ):
            raise _guard_denied("the request is not signed with this service's token", "InvalidSignatureException")


def guard_knows_host(host: str) -> bool:
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    return is_loopback_host(name) or AWS_NAMES.fullmatch(name.lower()) is not None


def _fresh(stamp: str) -> bool:
    try:
        when = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return False
    return abs(datetime.datetime.now(datetime.timezone.utc) - when) <= MAX_SKEW


def _guard_signature(
    match: re.Match[str], token: str, stamp: str, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> str:
    """What the client must have computed, by botocore's own signer."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    class AsTheClient(SigV4Auth):  # type: ignore[misc]
        """botocore leaves some headers out that others sign: the SDK for Java 1 has User-Agent among them."""

        def headers_to_sign(self, request: AWSRequest) -> Any:
            return request.headers

    signed = {name: headers.get(name, "") for name in match["headers"].split(";")}
    request = AWSRequest(method=method, url=f"http://{headers.get('host', '')}{path}", data=body, headers=signed)
    request.context["timestamp"] = stamp
    signer = AsTheClient(Credentials(match["key"], token), match["service"], match["region"])
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))
