"""A real AWS Batch (or any service that answers like one under a URL) behind the interface of `batch.api`.

botocore comes with flytekit; boto3 is not needed. botocore finds credentials, regions and proxies as it always does.
"""

from __future__ import annotations

import os
import time
from typing import Any
from urllib.parse import urlsplit

from .api import BatchCalls, BatchError

CONNECTION_FAILED = 503
NOT_ALLOWED = 403
# Seconds between two looks at a job: AWS does not tell of changes.
POLL = 2.0


def on_this_machine(endpoint_url: str | None) -> bool:
    return urlsplit(endpoint_url or "").hostname in {"localhost", "127.0.0.1", "::1"}


class AwsBatch(BatchCalls):
    """Implements `batch.api.BatchApi` and, by polling, `batch.api.JobEvents`.

    :param region: None takes botocore's own (environment, profile).
    :param endpoint_url: another service than AWS's, such as a local one.
    :param account_id: None asks STS when it is first needed.
    :param poll: seconds between two looks at a job.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        endpoint_url: str | None = None,
        account_id: str | None = None,
        poll: float = POLL,
    ) -> None:
        import botocore.session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        self._session = botocore.session.Session()
        if on_this_machine(endpoint_url) and "AWS_ACCESS_KEY_ID" not in os.environ:
            # botocore signs every request; a service on this machine does not check the signature.
            self._session.set_credentials("local", "local")
        self._account_id = account_id
        self._poll = poll
        config = Config(retries={"mode": "standard"}, user_agent_extra="flytekitplugins-awsbatch")
        try:
            self._client = self._session.create_client(
                "batch", region_name=region, endpoint_url=endpoint_url, config=config
            )
        except BotoCoreError as error:
            raise BatchError("ClientException", f"no client for AWS Batch: {error}") from error

    @property
    def region(self) -> str:
        return str(self._client.meta.region_name)

    @property
    def account_id(self) -> str:
        if self._account_id is None:
            answer = self._ask(self._session.create_client("sts", region_name=self.region), "GetCallerIdentity", {})
            self._account_id = str(answer["Account"])
        return self._account_id

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        return self._ask(self._client, operation, request)

    def wait(self, job_id: str, seen: int, timeout: float, quiet: float = 0.0) -> int:
        """AWS does not tell of changes: a new count every so many seconds makes the caller look again."""
        time.sleep(min(timeout, max(self._poll, quiet)))
        return seen + 1

    def changed(self, job_id: str, seen: int) -> tuple[int, list[int]] | None:
        """See `batch.api.JobEvents`."""
        return None

    def _ask(self, client: Any, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        from botocore import xform_name
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,
            HTTPClientError,
            NoCredentialsError,
            ParamValidationError,
            PartialCredentialsError,
        )

        try:
            answer = dict(getattr(client, xform_name(operation))(**request))
        except ClientError as error:
            said = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            raise BatchError(said.get("Code", "ClientException"), said.get("Message", str(error)), status) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise BatchError("AccessDeniedException", f"{error}; see `aws configure`", NOT_ALLOWED) from error
        except ParamValidationError as error:
            raise BatchError("ClientException", str(error)) from error
        except (ConnectionError, HTTPClientError) as error:
            raise BatchError("RequestError", str(error), CONNECTION_FAILED) from error
        except BotoCoreError as error:
            raise BatchError("ClientException", str(error)) from error
        answer.pop("ResponseMetadata", None)
        return answer
