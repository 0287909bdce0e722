"""The jobs of an emulated run are those that a real control plane submitted for the same workflows.

`data/real_jobs.json` was recorded from a FlyteAdmin and a FlytePropeller 1.16.8 before `flyte-awsbatch serve`, with the
settings below: what DescribeJobs tells, with the execution's name, the version and the places of the object store
replaced, and without the credentials that the deployment gave to its jobs. Templates had an empty word for no bound
inputs then, which AWS Batch refuses; the comma that they have now stands in its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import real_flows

from flytekitplugins.awsbatch import emulation
from flytekitplugins.awsbatch.testing import Emulation

RECORDED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "real_jobs.json").read_text())
ROLE = "arn:aws:iam::123456789012:role/flyte-jobs"
SETTINGS = f"""
flyteadmin: {{roleNameKey: eks.amazonaws.com/role-arn, assumableIamRole: "{ROLE}"}}
queues:
  executionQueues: [{{dynamic: tutorial, attributes: [default]}}]
  workflowConfigs: [{{tags: [default]}}]
task_resources:
  defaults: {{cpu: 500m, memory: 500Mi}}
  limits: {{cpu: 4, memory: 4Gi}}
propeller: {{literal-offloading-config: {{enabled: true}}}}
plugins:
  aws: {{region: us-east-2, batch: {{roleAnnotationKey: eks.amazonaws.com/role-arn}}}}
tasks:
  task-plugins:
    enabled-plugins: [container, aws_array]
    default-for-task-types: {{container_array: aws_array, aws-batch: aws_array}}
emulator: {{project: flytesnacks, domain: development, vcpus: 4}}
"""


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FLYTE_INTERNAL_IMAGE", "localhost/real_flows:v1")
        with emulation(tmp_path_factory.mktemp("batch"), settings=SETTINGS, quiet=True) as running:
            yield running


def of_job(job: Any, home: Path) -> dict[str, Any]:
    """What the recording holds of a job."""
    container = job["container"]
    found = {
        "jobName": job["jobName"],
        "queue": job["jobQueue"].rpartition("/")[2],
        "definition": job["jobDefinition"].rpartition("/")[2].partition(":")[0],
        "size": job.get("arrayProperties", {}).get("size"),
        "command": container["command"],
        "environment": {one["name"]: one["value"] for one in container["environment"]},
        "image": container["image"],
        "role": container["jobRoleArn"],
        "vcpus": container["vcpus"],
        "memory": container["memory"],
        "tags": job["tags"],
        "propagateTags": job.get("propagateTags", False),
        "attempts": job["retryStrategy"]["attempts"],
        "timeout": job["timeout"]["attemptDurationSeconds"],
        "platformCapabilities": job["platformCapabilities"],
        "shareIdentifier": job.get("shareIdentifier"),
        "schedulingPriority": job.get("schedulingPriority"),
    }
    execution = found["environment"]["FLYTE_INTERNAL_EXECUTION_ID"]
    text = json.dumps(found).replace(f"{home}/runs/{execution}/meta/", "META/")
    text = re.sub(rf"(awsbatch:/)?{home}/runs/{execution}/raw/\w\w/", "RAW/", text)
    return json.loads(text.replace(execution, "EXECUTION").replace('"local"', '"VERSION"'))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "case", RECORDED, ids=[f"{case['workflow']}-{json.dumps(case['inputs'])}" for case in RECORDED]
)
def test_an_emulated_run_submits_what_a_real_one_did(batch: Emulation, case: dict[str, Any]) -> None:
    before = len(batch.jobs)
    getattr(real_flows, case["workflow"])(**case["inputs"])
    found = [of_job(job, batch.home) for job in batch.jobs[before:]]
    assert found == case["jobs"]
