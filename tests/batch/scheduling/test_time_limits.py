"""Jobs that stay RUNNABLE at the head of their queue: `jobStateTimeLimitActions`.

User guide, "Automatic remediation with jobStateTimeLimitActions": "When a job has been in a RUNNABLE state with the
defined statusReason, Batch performs the action specified after maxTimeSeconds have elapsed".
"""

from __future__ import annotations

from typing import Any

from batch_shell import Shell, new_shell

from flytekitplugins.awsbatch.batch.emulator.job_model import Job, JobSpec, Unit
from flytekitplugins.awsbatch.batch.emulator.scheduling.time_limits import TimeLimits
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

TOO_LARGE = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
TOO_LARGE_MEMORY = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"


def action(reason: str, seconds: int = 600) -> dict[str, Any]:
    return {"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": seconds, "action": "CANCEL"}


def waiting(reason: str | None = None) -> Unit:
    job = Job("id", JobSpec("job", "q", "d", (), {}, 1, 1), None, 0, "owner")
    job.units[0].reason = reason
    return job.units[0]


def test_an_action_is_taken_after_its_time_at_the_head_of_the_queue() -> None:
    limits, unit, actions = TimeLimits(), waiting(), {"q": [action("too long")]}

    assert limits.overdue_units([("q", unit)], actions, 1000.0) == []
    assert limits.next_due == 1600.0
    assert limits.overdue_units([("q", unit)], actions, 1599.0) == []
    assert limits.overdue_units([("q", unit)], actions, 1600.0) == [(unit, "too long")]


def test_time_counts_from_when_the_job_came_to_the_head() -> None:
    limits, first, second = TimeLimits(), waiting(), waiting()
    actions = {"q": [action("too long")]}
    limits.overdue_units([("q", first)], actions, 1000.0)

    assert limits.overdue_units([("q", second)], actions, 1600.0) == []
    assert limits.next_due == 2200.0
    assert limits.overdue_units([], actions, 3000.0) == []
    assert limits.next_due is None


def test_a_status_reason_of_an_action_must_be_the_jobs() -> None:
    limits, actions = TimeLimits(), {"q": [action(TOO_LARGE), action(TOO_LARGE_MEMORY, 900)]}
    vcpus, memory, none = waiting(f"{TOO_LARGE} - 9 vCPUs"), waiting(f"{TOO_LARGE_MEMORY} - 9 MiB"), waiting()
    heads = [("q", vcpus), ("q", memory), ("q", none)]

    assert limits.overdue_units(heads, actions, 0.0) == []
    assert limits.overdue_units(heads, actions, 600.0) == [(vcpus, TOO_LARGE)]
    assert limits.overdue_units(heads, actions, 900.0) == [(vcpus, TOO_LARGE), (memory, TOO_LARGE_MEMORY)]


def test_other_queues_have_their_own_limits() -> None:
    limits, unit = TimeLimits(), waiting()

    assert limits.overdue_units([("other", unit)], {"q": [action("too long")]}, 0.0) == []
    assert limits.next_due is None


def test_a_job_that_can_never_fit_is_cancelled(fast_service: LocalBatch) -> None:
    shell = new_shell(fast_service)
    fast_service.update_job_queue(jobQueue="queue", jobStateTimeLimitActions=[action(TOO_LARGE)])
    needs = [{"type": "VCPU", "value": "99"}]
    job = shell.ended(shell.submit("true", containerOverrides={"vcpus": 99, "resourceRequirements": needs}))

    assert (job["status"], job["statusReason"], job["isCancelled"]) == ("FAILED", TOO_LARGE, True)
    assert job["attempts"] == []


def test_a_job_that_waits_too_long_is_cancelled_and_the_next_one_runs(fast_service: LocalBatch) -> None:
    shell = new_shell(fast_service)
    fast_service.update_job_queue(jobQueue="queue", jobStateTimeLimitActions=[action("it waits too long")])
    occupies = shell.submit("sleep 60", containerOverrides={"vcpus": 3})
    shell.running(occupies)
    waits, small = shell.submit("true", containerOverrides={"vcpus": 4}), shell.submit("true")

    job = shell.ended(waits)
    assert (job["status"], job["statusReason"], job["isCancelled"]) == ("FAILED", "it waits too long", True)
    assert shell.ended(small)["status"] == "SUCCEEDED"
    assert Shell(fast_service).describe(occupies)["status"] == "RUNNING"
