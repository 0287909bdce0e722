"""An AWS account of a test's own: `flyte-awsbatch serve` in a process of its own as AWS Batch and CloudWatch Logs,
whose jobs know nothing of the caller but what `--env` gives them, and moto's server for everything else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from serving import serving

from flytekitplugins.awsbatch.batch.aws import AwsBatch
from flytekitplugins.awsbatch.local import all_settings
from flytekitplugins.awsbatch.local.console.progress import PlainReporter
from flytekitplugins.awsbatch.local.deployment import opening as deployments
from flytekitplugins.awsbatch.local.deployment.opening import Deployment
from flytekitplugins.awsbatch.local.home import Home
from flytekitplugins.awsbatch.sdk import switch

BIN = Path(sys.executable).parent
TESTS = Path(__file__).parents[1]
REGION = "us-east-2"
# moto's.
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/jobs"
SETTINGS: dict[str, Any] = {
    "queues": {
        "executionQueues": [{"dynamic": "default", "attributes": ["default"]}],
        "workflowConfigs": [{"tags": ["default"]}],
    },
    "flyteadmin": {"roleNameKey": "eks.amazonaws.com/role-arn"},
    "plugins": {"aws": {"region": REGION, "batch": {"roleAnnotationKey": "eks.amazonaws.com/role-arn"}}},
    "emulator": {"role": ROLE},
}


@dataclass
class Served:
    """A service that runs, and its home."""

    url: str
    home: Path
    process: subprocess.Popen[str]

    def fault(self, kind: str, **which: Any) -> None:
        self._faults("POST", {"kind": kind, **which})

    def clear_faults(self) -> None:
        self._faults("DELETE", {})

    def _faults(self, method: str, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_awsbatch/faults", data=data, method=method)
        urllib.request.urlopen(request).read()

    @property
    def batch(self) -> AwsBatch:
        return AwsBatch(REGION, endpoint_url=self.url)

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs that it has had, as ListJobs tells of them."""
        asked = {"jobQueue": "default", "filters": [{"name": "AFTER_CREATED_AT", "values": ["0"]}]}
        return list(self.batch.list_jobs(**asked)["jobSummaryList"])

    def terminate_all(self) -> None:
        """So that what a test has left takes no machine from the next one."""
        for job in self.jobs():
            if job["status"] not in ("SUCCEEDED", "FAILED"):
                self.batch.terminate_job(jobId=job["jobId"], reason="the test has ended")


@contextlib.contextmanager
def served(home: Path, **environment: str) -> Iterator[Served]:
    """:param environment: what jobs see besides their own variables."""
    given = {"PYTHONPATH": str(TESTS / "support"), **environment}
    options = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
    settings = home.parent / f"{home.name}.yaml"
    home.parent.mkdir(parents=True, exist_ok=True)
    own = {"region": REGION, "accountId": ACCOUNT}
    settings.write_text(yaml.safe_dump({**SETTINGS, "plugins": {"aws": own}, "emulator": {"kill_grace": 1}}))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FLYTE", "AWS"))}
    with serving(home, "-c", str(settings), *options, env=clean, start_new_session=True) as (url, process):
        yield Served(url, home, process)


def account_environment(batch: str, rest: str) -> dict[str, str]:
    """The variables with which botocore finds the account."""
    return {
        "AWS_ENDPOINT_URL": rest,
        "AWS_ENDPOINT_URL_BATCH": batch,
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": batch,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for name, value in more.items():
        inner = found.get(name)
        found[name] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return found


@dataclass
class Caller:
    """A process's part of a run in an account; `printed` is what a person sees."""

    deployment: Deployment
    output: io.StringIO

    @property
    def printed(self) -> str:
        return self.output.getvalue()

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [request for request, _ in self.deployment.submissions.made]

    @property
    def job_ids(self) -> list[str]:
        return [job_id for _, job_id in self.deployment.submissions.made]


@contextlib.contextmanager
def calling(home: Path, *, endpoint: str = "aws", resume: str | None = None, **settings: Any) -> Iterator[Caller]:
    """Sends task calls of this process to the account, from a home of the caller's own."""
    output = io.StringIO()
    deployment = Deployment(
        all_settings.parse_all_settings(merged(SETTINGS, settings)),
        Home(home),
        PlainReporter(output),
        endpoint=endpoint,
        resume=resume,
    )
    undo = deployments.override_deployment(deployment)
    try:
        with deployment, switch.emulation_overridden(True):
            yield Caller(deployment, output)
    finally:
        undo()
