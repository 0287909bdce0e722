"""The recipe of docs/how-to/real-propeller.md, followed to the letter with boto3 in the place of the Go SDK."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from backends import ROOT
from batch_shell import eventually
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

DOCUMENT = ROOT / "docs" / "how-to" / "real-propeller.md"
SECTIONS = dict(re.findall(r"^## \d\. (.+?)\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.S | re.M))

pytestmark = [
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate"),
    pytest.mark.skipif(sys.version_info < (3, 11), reason="the forwarder needs Python 3.11"),
]


def block(section: str, language: str) -> str:
    match = re.search(rf"```{language}\n(.*?)```", SECTIONS[section], re.S)
    assert match is not None
    return match[1]


@pytest.fixture
def forwarder(service: LocalBatch, tmp_path: Path) -> Iterator[int]:
    """The port of the document's forwarder, with the document's certificate, before a service."""
    subprocess.run(["sh", "-ec", block("A certificate", "sh")], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "forwarder.py").write_text(block("A forwarder", "python"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with ThreadedServer(service) as server:
        address = server.url.removeprefix("http://")
        with (tmp_path / "forwarder.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "forwarder.py", str(port), address, "batch.pem", "batch.key"], cwd=tmp_path, stderr=log
            )

        def listens() -> bool:
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        try:
            eventually(listens, "the forwarder does not listen")
            yield port
        finally:
            process.terminate()
            process.wait()
    # Not for connections either that end before they have begun, such as those by which this fixture waits.
    assert (tmp_path / "forwarder.log").read_text() == ""


def test_a_client_without_an_endpoint_setting_reaches_the_service(
    forwarder: int, service: LocalBatch, tmp_path: Path
) -> None:
    service.ensure_queue("tutorial")
    environment = {
        **os.environ,
        "HTTPS_PROXY": f"http://127.0.0.1:{forwarder}",
        "NO_PROXY": "",
        "AWS_CA_BUNDLE": str(tmp_path / "ca.pem"),
        "AWS_ACCESS_KEY_ID": "anything",
        "AWS_SECRET_ACCESS_KEY": "anything",
    }
    script = (
        "import boto3; batch = boto3.client('batch', 'us-east-1');"
        "print([(queue['jobQueueName'], batch.meta.endpoint_url) for queue in "
        "batch.describe_job_queues()['jobQueues']])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout, done.stderr) == ("[('tutorial', 'https://batch.us-east-1.amazonaws.com')]\n", "")
