"""The account as botocore sees it. Each call is made once, however many checks need its answer, and every failure is a
CallError.

Credentials, profiles and endpoints are botocore's own business; nothing is changed in the account.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from .policies import policy_partition

# AWS's own name for a permission, where it is not the operation's.
PERMISSIONS = {"HeadBucket": "s3:ListBucket"}
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "NotAuthorized")
MISSING = ("NoSuchEntity", "NoSuchBucket", "NotFound", "404", "RepositoryNotFoundException", "ImageNotFoundException")
THROTTLED = ("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "503")
# A walk makes a few dozen calls side by side: the seconds for an answer, and the tries of one call.
CONNECT_TIMEOUT, READ_TIMEOUT, ATTEMPTS = 5, 20, 4


class CallError(Exception):
    """A call brought no answer. The text says why, and fits at the end of a sentence."""

    def __init__(self, permission: str, code: str, message: str) -> None:
        self.code = code
        self.missing = code in MISSING
        reason = f"{permission} failed: {message}"
        if code in DENIED:
            reason = f"these credentials lack the permission {permission}"
        elif code in THROTTLED:
            reason = f"AWS throttled {permission}; try again later"
        super().__init__(reason)


class AwsAccount:
    """
    :param region: where Batch, logs and the rest are looked for.
    :param endpoints: URLs of services that stand for AWS's own, such as `{"batch": ...}`.
    """

    def __init__(self, region: str, endpoints: Mapping[str, str] | None = None) -> None:
        from botocore.session import get_session

        self.region = region
        self._endpoints = endpoints or {}
        self._session = get_session()
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._answers: dict[str, Future[dict[str, Any]]] = {}

    @property
    def partition(self) -> str:
        return policy_partition(self.region)

    @property
    def default_region(self) -> str:
        """The region of the environment or the profile; empty when they have none, or there is no such profile."""
        from botocore.exceptions import BotoCoreError

        try:
            return str(self._session.get_config_variable("region") or "")
        except BotoCoreError:
            return ""

    def client(self, service: str, region: str = "") -> Any:
        """The client of a service; making one is not safe from several threads."""
        from botocore.config import Config

        retries: Any = {"mode": "standard", "total_max_attempts": ATTEMPTS}
        config = Config(
            retries=retries,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=32,
            user_agent_extra="flytekitplugins-awsbatch",
        )
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._session.create_client(
                    service, region_name=key[1], endpoint_url=self._endpoints.get(service), config=config
                )
            return self._clients[key]

    def ask_aws(self, service: str, operation: str, region: str = "", **request: Any) -> dict[str, Any]:
        """Returns the answer of an operation with all its pages. Raises CallError."""
        question = json.dumps([service, operation, region, request], sort_keys=True)
        with self._lock:
            mine = question not in self._answers
            answer = self._answers.setdefault(question, Future())
        if mine:
            try:
                answer.set_result(self._call(service, operation, region, request))
            except BaseException as error:
                answer.set_exception(error)
        return answer.result()

    def _call(self, service: str, operation: str, region: str, request: dict[str, Any]) -> dict[str, Any]:
        from botocore import xform_name
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        permission = PERMISSIONS.get(operation, f"{service}:{operation}")
        try:
            client, method = self.client(service, region), xform_name(operation)
            if client.can_paginate(method):
                return dict(client.get_paginator(method).paginate(**request).build_full_result())
            return dict(getattr(client, method)(**request))
        except ClientError as error:
            said = error.response.get("Error", {})
            raise CallError(permission, str(said.get("Code", "")), str(said.get("Message", error))) from error
        except (BotoCoreError, ResponseParserError) as error:
            raise CallError(permission, type(error).__name__, str(error)) from error
