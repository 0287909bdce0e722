"""The text of a description is JSON: for any state that a job can be in."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flytekitplugins.awsbatch.batch.emulator.arns import Arns
from flytekitplugins.awsbatch.batch.emulator.job_model import STATUSES, Attempt, Job
from flytekitplugins.awsbatch.batch.emulator.job_spec import job_spec_of
from flytekitplugins.awsbatch.batch.emulator.operations.describe import Descriptions

ARNS = Arns("us-east-1", "000000000000")
TIMES = st.none() | st.integers(0, 2**45)
WORDS = st.none() | st.text(max_size=20)
STREAMS = st.none() | st.just("definition/default/0123456789abcdef0123456789abcdef")
ATTEMPTS = st.lists(
    st.builds(
        Attempt,
        number=st.integers(1, 10),
        stream=STREAMS,
        environment=st.just("local"),
        started=TIMES,
        stopped=TIMES,
        exit_code=st.none() | st.integers(0, 255),
        reason=WORDS,
        status_reason=WORDS,
    ),
    max_size=3,
)
VARIABLES = st.lists(st.fixed_dictionaries({"name": st.text(), "value": st.text()}), max_size=3)


@st.composite
def jobs(draw: Any) -> Job:
    detail = {
        "jobName": draw(st.text(max_size=10)),
        "jobQueue": "arn:aws:batch:us-east-1:000000000000:job-queue/queue",
        "jobDefinition": "arn:aws:batch:us-east-1:000000000000:job-definition/definition:1",
        "container": {
            "image": draw(st.text()),
            "command": draw(st.lists(st.text(), max_size=3)),
            "environment": draw(VARIABLES),
        },
        "tags": draw(st.dictionaries(st.text(), st.text(), max_size=2)),
        **({"platformCapabilities": ["FARGATE"]} if draw(st.booleans()) else {}),
    }
    job = Job(
        "4b0c6f86-31a6-4c28-8a5d-3c6f6d3b2a11", job_spec_of(detail), draw(st.sampled_from([None, 2, 3])), 1, "owner"
    )
    job.status, job.stop = draw(st.sampled_from(STATUSES)), draw(st.sampled_from([None, "cancel", "terminate"]))
    job.reason, job.started, job.stopped = draw(WORDS), draw(TIMES), draw(TIMES)
    for unit in job.units:
        unit.status, unit.reason = draw(st.sampled_from(STATUSES)), draw(WORDS)
        unit.started, unit.stopped = draw(TIMES), draw(TIMES)
        unit.stop = draw(st.sampled_from([None, "cancel", "terminate", "timeout"]))
        unit.attempts = draw(ATTEMPTS)
    return job


@given(jobs())
def test_a_text_says_what_never_changes_and_what_is(job: Job) -> None:
    descriptions = Descriptions(ARNS)

    for target in (job, *job.units):
        said = json.loads(descriptions.text(target))
        state = job.units[0] if job.size is None else target
        assert (said["jobId"], said["status"], said.get("statusReason")) == (target.id, state.status, state.reason)
        assert (said.get("startedAt"), said.get("stoppedAt")) == (state.started, state.stopped)
        assert said["container"].items() >= job.spec.detail["container"].items()
        assert said.items() >= {name: job.spec.detail[name] for name in ("jobName", "jobQueue", "tags")}.items()
        attempts = [] if state is job else state.attempts  # type: ignore[union-attr]
        ended = [(each.exit_code, each.reason) for each in attempts if each.stopped is not None]
        containers = [each["container"] for each in said["attempts"]]
        assert [(each.get("exitCode"), each.get("reason")) for each in containers] == ended


@given(jobs())
def test_a_changed_tag_is_seen_in_a_text_that_was_kept(job: Job) -> None:
    descriptions = Descriptions(ARNS)
    for unit in job.units:
        descriptions.text(unit)

    job.spec = job_spec_of({**job.spec.detail, "tags": {"new": "tag"}})

    assert all(json.loads(descriptions.text(unit))["tags"] == {"new": "tag"} for unit in job.units)
