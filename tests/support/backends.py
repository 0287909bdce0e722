"""The services that the contract is held against: ours in process, ours over HTTP through boto3, and moto's server
where there is one.

moto is installed apart (`make test-all` does), because its dependencies and ours slow pip's resolver down.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batch_shell import SETTINGS
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.api import BatchCalls, BatchError
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

ROOT = Path(__file__).parents[2]
MOTO = [os.environ.get("MOTO_SERVER", ""), str(ROOT / ".venv-moto" / "bin" / "moto_server")]


class Boto3(BatchCalls):
    """boto3's own client, with its errors as ours."""

    def __init__(self, url: str, **config: Any) -> None:
        import boto3
        from botocore.config import Config

        options: dict[str, Any] = {
            "endpoint_url": url,
            "region_name": "us-east-1",
            "aws_access_key_id": "anything",
            "aws_secret_access_key": "anything",
            "config": Config(retries={"total_max_attempts": 1}, **config),
        }
        self.client = boto3.client("batch", **options)
        self.logs = boto3.client("logs", **options)
        self.iam = boto3.client("iam", **options)

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        from botocore import xform_name
        from botocore.exceptions import ClientError, ParamValidationError

        try:
            answer = dict(getattr(self.client, xform_name(operation))(**request))
        except ClientError as error:
            said = error.response["Error"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise BatchError(said["Code"], said["Message"], status) from error
        except ParamValidationError as error:
            raise BatchError("ClientException", str(error)) from error
        answer.pop("ResponseMetadata")
        return answer


def moto_server() -> str | None:
    """Where moto's server is installed."""
    return next((path for path in MOTO if path and shutil.which(path)), None)


@contextlib.contextmanager
def moto_url(server: str) -> Iterator[str]:
    """The address of a server of moto's that runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [server, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 60
        while True:
            try:
                config = json.dumps({"batch": {"use_docker": False}}).encode()
                request = urllib.request.Request(f"{url}/moto-api/config", data=config, method="POST")
                urllib.request.urlopen(request).read()
                break
            except OSError:
                assert time.monotonic() < until, "moto's server did not come up"
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def moto(server: str) -> Iterator[Boto3]:
    with moto_url(server) as url:
        boto3 = Boto3(url)
        boto3.iam.create_role(RoleName="role", AssumeRolePolicyDocument="{}")
        yield boto3


@contextlib.contextmanager
def in_process(home: Path, **options: Any) -> Iterator[BatchCalls]:
    """:param options: of LocalBatch."""
    with LocalBatch(home, SETTINGS, **options) as service:
        yield service


@contextlib.contextmanager
def over_http(home: Path, **options: Any) -> Iterator[BatchCalls]:
    """:param options: of LocalBatch."""
    with LocalBatch(home, SETTINGS, **options) as service, ThreadedServer(service) as server:
        yield Boto3(server.url)
