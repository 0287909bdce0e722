"""States that Flyte would never leave, told apart from those that only take long. Pure.

After the store has seen the parent ended it asks AWS for nothing more, so a round that changed nothing then is the
last that could have.
"""

from __future__ import annotations

from ...batch.api import BatchError
from .job_store import Job
from .phases import Phase, TaskPhase
from .plugin_state import State

PREFIX = "real Flyte would wait here for ever: "
# How AWS begins the status reason of a job that no compute environment can hold.
MISFIT = "MISCONFIGURATION"


def diagnose_hang(before: State, after: State, job: Job | None, allowed: int | None) -> str | None:
    """Why no later round can differ from this one; None while one can.

    :param allowed: the attempts of the job's retry strategy.
    """
    if after.phase is not Phase.CHECKING_SUBTASKS or after != before or job is None or not job.phase.terminal:
        return None
    for index, child in enumerate(job.children):
        stuck = _stuck(child, TaskPhase(after.detailed.items[index]), allowed)
        if stuck is not None:
            name = "the job" if len(job.children) == 1 else f"child {index} (item {after.indexes_to_run[index]})"  # type: ignore[index]
            return f"{PREFIX}{name} {stuck}"
    return None


def hang_without_news(job: Job | None, problem: BatchError | None, misfit: str) -> str | None:
    """Why AWS has no news of a job and none may ever come; None where that is not so.

    :param problem: the error of DescribeJobs.
    :param misfit: why no compute environment can hold what is left of the job, where nobody makes one larger.
    """
    if problem is not None:
        return f"{PREFIX}DescribeJobs fails ({problem}), and the handler goes on asking"
    if job is None:
        return None
    if not job.known:
        return f"{PREFIX}AWS Batch does not know job {job.id}, and the handler goes on asking for it"
    return f"AWS Batch can never start job {job.id}: {misfit}" if misfit else None


def misfit_of_job(job: Job) -> str:
    """The reason that AWS gives a job of which no compute environment can hold what is left; "" while some of it may
    start.
    """
    first = next((child for child in job.children if not child.phase.terminal), job)
    reason = next((one.message for one in (job, first) if one.message.startswith(MISFIT)), "")
    # Seldom: an array may have ten thousand children.
    left = [job, *(child for child in job.children if not child.phase.terminal)] if reason else []
    waits = all(one.phase in (TaskPhase.QUEUED, TaskPhase.NOT_READY) for one in left)
    return reason.strip(" -") if waits else ""


def hang_of_panic(go_message: str, reason: str) -> str:
    """What a user of Flyte sees of a panic, and what really is wrong."""
    seen = f"panic when executing a plugin [aws_array]. Stack: [goroutine ... {go_message} ...]"
    return f"{seen}. The reason, which Flyte does not show: {reason}" if reason else seen


def _stuck(child: Job, phase: TaskPhase, allowed: int | None) -> str | None:
    if child.phase is TaskPhase.SUCCESS:
        if phase is TaskPhase.RETRYABLE_FAILURE:
            return (
                "succeeded but left only an error.pb, which counts as a failure to be retried, and nothing retries it"
            )
        return None
    if child.phase is TaskPhase.RETRYABLE_FAILURE and child.attempt_count != allowed:
        return (
            f"failed with {child.attempt_count} attempt(s) as Flyte counts them, and only a failure with exactly "
            f"{allowed} is final (a job that times out, is terminated or has no log stream never gets there): "
            f"{child.message}"
        )
    if not child.phase.terminal:
        return (
            "had not ended when the array job did, and the handler no longer asks about it "
            f"(last seen: {child.phase.flyte_name})"
        )
    return None
