"""A real AWS Batch (or any service that answers like one under a URL) behind the interface of `batch.api`.

botocore comes with flytekit; boto3 is not needed. botocore finds credentials, regions, endpoints and proxies as it
always does. Retries are this module's own: botocore would send a SubmitJob again whose answer was lost, and run the
job twice.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from .. import machine_time
from .api import BatchCalls, BatchError, UnreachableError
from .rate_limits import LOOKS, Budgets

# The AWS SDK's word for a call that brought no answer at all.
NO_ANSWER = "RequestError"
NO_ANSWER_STATUS = 503
NOT_ALLOWED = 403
TOO_MANY = 429
# Calls that do more when they are made twice. The caller looks whether the lost one was carried out.
NOT_REPEATED = frozenset({"SubmitJob", "RegisterJobDefinition"})
# AWS's words for too many calls; some come with status 400.
THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded"}
)
# What AWS says of credentials that were right once.
EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "UnrecognizedClientException"}
    | {"InvalidClientTokenId"}
)
# How often a call is repeated that AWS throttles or fails: Flyte's `plugins.aws.retries`. Looks at jobs are repeated
# for as long as `WAIT_SECONDS`: Flyte's handler never gives up on them.
RETRIES = 3
# Seconds for which a call that cannot reach AWS is repeated: long enough for a laptop to find its network again.
WAIT_SECONDS = 300.0
# The same where no call has been answered yet, and after `hurry`.
SHORT_WAIT_SECONDS = 5.0
FIRST_DELAY, LONGEST_DELAY = 0.25, 20.0
# As the Go SDK's `DefaultRetryer` has it.
FIRST_THROTTLED_DELAY = 1.0
CONNECT_TIMEOUT, READ_TIMEOUT = 10, 30


def _on_this_machine(endpoint_url: str | None) -> bool:
    return urlsplit(endpoint_url or "").hostname in {"localhost", "127.0.0.1", "::1"}


class AwsBatch(BatchCalls):
    """Raises UnreachableError besides, from any call. Any thread may use it.

    :param region: None takes botocore's own (environment, profile).
    :param endpoint_url: another service than AWS's, such as a local one.
    :param retries: how often a call is repeated that AWS throttles or answers with a 5xx.
    :param wait_seconds: for how long a call is repeated that brings no answer at all, once one has; and a look at jobs
        that AWS throttles or answers with a 5xx.
    :param warn: called with a sentence when that begins.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        endpoint_url: str | None = None,
        budgets: Budgets | None = None,
        retries: int = RETRIES,
        wait_seconds: float = WAIT_SECONDS,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._endpoint_url = endpoint_url
        self._budgets = budgets or Budgets()
        self._retries = retries
        self._wait_seconds = wait_seconds
        self._warn = warn
        self._answered = False
        self._hurried = False
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._region = region
        self._renew(None)

    @property
    def region(self) -> str:
        return str(self._client("batch").meta.region_name)

    @property
    def local(self) -> bool:
        """Whether the service that answers is on this machine."""
        return _on_this_machine(self._client("batch").meta.endpoint_url)

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Raises BatchError, UnreachableError."""
        return self._call("batch", operation, request)

    def call_cloudwatch_logs(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """A call of CloudWatch Logs. Raises BatchError, UnreachableError."""
        return self._call("logs", operation, request)

    def hurry(self) -> None:
        """From now on no call is waited for longer than `SHORT_WAIT_SECONDS`. A signal's handler may call it."""
        self._hurried = True

    def _call(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        began, failures, refusals = machine_time.monotonic(), 0, 0
        while True:
            if service == "batch":
                self._pause(self._budgets.of(operation).take())
            try:
                answer = self._once(service, operation, request)
            except BatchError as error:
                if not error.transient or (error.status != TOO_MANY and operation in NOT_REPEATED):
                    raise
                patient = error.code == NO_ANSWER or operation in LOOKS
                first = FIRST_THROTTLED_DELAY if error.status == TOO_MANY else FIRST_DELAY
                delay = min(first * 2**failures, LONGEST_DELAY) * random.uniform(0.5, 1.0)  # noqa: S311
                failures += 1
                refusals += not patient
                # A service that has answered is waited for.
                waits = self._answered and not self._hurried
                longest = self._wait_seconds if waits else min(SHORT_WAIT_SECONDS, self._wait_seconds)
                if refusals > self._retries or machine_time.monotonic() + delay > began + longest:
                    if patient and waits:
                        raise UnreachableError(
                            f"AWS Batch could not be reached: {error.message or error.code}"
                        ) from error
                    raise
                if delay > 1:
                    self._warn(f"AWS Batch does not answer {operation} ({error.code}); the call is repeated.")
                self._pause(delay)
            else:
                self._answered = True
                return answer

    def _pause(self, seconds: float) -> None:
        """Sleeps, in short naps, since a signal's handler can only set a flag, and no longer once that is set."""
        until, hurried = machine_time.monotonic() + seconds, self._hurried
        while (left := until - machine_time.monotonic()) > 0 and self._hurried == hurried:
            time.sleep(min(left, 0.2))

    def _once(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """One call, and a second one with new credentials where those at hand have expired."""
        session = self._session
        try:
            return self._ask(service, operation, request)
        except BatchError as error:
            if error.code not in EXPIRED:
                raise
        # A profile's file may hold newer ones by now (`aws sso login`, a credential helper).
        self._renew(session)
        try:
            return self._ask(service, operation, request)
        except BatchError as error:
            if error.code not in EXPIRED:
                raise
            raise UnreachableError(f"The AWS credentials have expired ({error.message.rstrip('.')})") from error

    def _renew(self, old: Any) -> None:
        """A new session, unless another thread has just made one."""
        import botocore.session

        with self._lock:
            if self._session is not old:
                return
            self._session, self._clients = botocore.session.Session(), {}
            if _on_this_machine(self._endpoint_url) and "AWS_ACCESS_KEY_ID" not in os.environ:
                # botocore signs every request; a service on this machine does not check the signature.
                self._session.set_credentials("local", "local")
        self._client("batch")

    def _client(self, service: str) -> Any:
        """Making one is not safe from several threads. Raises BatchError."""
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=32,
            user_agent_extra="flytekitplugins-awsbatch",
        )
        # A service at a URL of one's own has the logs of its jobs too.
        with self._lock:
            if service not in self._clients:
                try:
                    self._clients[service] = self._session.create_client(
                        service, region_name=self._region, endpoint_url=self._endpoint_url, config=config
                    )
                except (BotoCoreError, ValueError) as error:
                    # ValueError: it is not a URL.
                    raise BatchError("ClientException", f"no client for AWS {service}: {error}") from error
            return self._clients[service]

    def _ask(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        from botocore import exceptions, xform_name
        from botocore.parsers import ResponseParserError

        try:
            answer = dict(getattr(self._client(service), xform_name(operation))(**request))
        except exceptions.ClientError as error:
            said = error.response.get("Error", {})
            code = said.get("Code", "ClientException")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            raise BatchError(
                code, said.get("Message", str(error)), TOO_MANY if code in THROTTLED else status
            ) from error
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            if self._answered:
                raise BatchError("ExpiredToken", str(error), NOT_ALLOWED) from error
            raise BatchError("AccessDeniedException", f"{error}; see `aws configure`", NOT_ALLOWED) from error
        except (
            exceptions.CredentialRetrievalError,
            exceptions.SSOError,
            exceptions.TokenRetrievalError,
            exceptions.RefreshWithMFAUnsupportedError,
        ) as error:
            raise BatchError("ExpiredToken", str(error), NOT_ALLOWED) from error
        except exceptions.ParamValidationError as error:
            raise BatchError("ClientException", str(error)) from error
        except (exceptions.ConnectionError, exceptions.HTTPClientError, ResponseParserError) as error:
            raise BatchError(NO_ANSWER, str(error), NO_ANSWER_STATUS) from error
        except exceptions.BotoCoreError as error:
            raise BatchError("ClientException", str(error)) from error
        answer.pop("ResponseMetadata", None)
        return answer
