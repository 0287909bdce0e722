"""AWS as far as a run needs it, from real parts: moto's server for S3, and `flyte-awsbatch serve` for Batch and
CloudWatch Logs in a process of its own, whose jobs get the endpoints by `--env` and know nothing of the caller's files.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from backends import moto_server, moto_url
from serving import serving

SCRIPTS = Path(sysconfig.get_path("scripts"))
BUCKET = "deployment"
REGION = "us-east-1"
SETTINGS = f"emulator: {{storage: 's3://{BUCKET}/me', lint_ignore: [AB104, AB111]}}"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def s3_or_skip() -> Iterator[str]:
    """For a fixture."""
    server = moto_server()
    if server is None:
        pytest.skip("moto's server is not installed: make test-all installs it")
    with moto_url(server) as url:
        yield url


@dataclass
class World:
    """:param s3: the URL of S3. :param batch: that of Batch and of CloudWatch Logs. :param folder: a scratch one."""

    s3: str
    batch: str
    folder: Path

    @property
    def client(self) -> Any:
        """boto3's, of S3."""
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.s3, region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing"
        )

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def run(self, folder: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """`pyflyte run` in the user's folder. :param changes: to the environment."""
        return self.command(folder, "pyflyte", "run", *words, **changes)

    def command(self, folder: Path, script: str, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPTS / script, *words],
            cwd=folder,
            env={**self.environment(), **changes},
            capture_output=True,
            text=True,
            check=False,
        )

    def environment(self, settings: str = SETTINGS, home: str = "home") -> dict[str, str]:
        """What a caller sets. :param settings: of the deployment, in YAML."""
        config = self.folder / "awsbatch.yaml"
        config.write_text(settings)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("FLYTE_", "AWS_"))}
        return {
            **own,
            **CREDENTIALS,
            "AWS_ENDPOINT_URL_S3": self.s3,
            "FLYTE_AWSBATCH": self.batch,
            "FLYTE_AWSBATCH_CONFIG": str(config),
            "FLYTE_AWSBATCH_HOME": str(self.folder / home),
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        }


@contextlib.contextmanager
def world(s3: str, folder: Path, *options: str, jobs: Mapping[str, str] = CREDENTIALS) -> Iterator[World]:
    """
    :param options: of `serve`. With `--host 127.0.0.2` it is, to a caller, on another machine.
    :param jobs: variables with the credentials of jobs.
    """
    given = {**CREDENTIALS, **jobs, "AWS_ENDPOINT_URL_S3": s3}
    words = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with serving(folder / "served", *words, *options, cwd="/", env=clean) as (url, _):
        made = World(s3, url, folder)
        with contextlib.suppress(made.client.exceptions.BucketAlreadyOwnedByYou):
            made.client.create_bucket(Bucket=BUCKET)
        yield made
