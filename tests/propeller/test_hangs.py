"""Every way in which Flyte's handler waits for ever: strict says so and ends, safe ends with what really happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from flyteidl.core import errors_pb2, tasks_pb2
from flyteidl.core.literals_pb2 import Literal
from propeller_builders import (
    Clock,
    MemoryBatch,
    Outcome,
    Play,
    attempt,
    failed,
    integer,
    integers,
    literal_map,
    request,
    running,
    services,
    settings,
    single,
    succeeded,
    template,
)

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_result import NodeResult, Progress

HANG_LIMIT = 40.0
WAITS = "real Flyte would wait here for ever: "
ENDED = ". Ended here after 40s (emulator.hang_limit)"


def outputs(child: int | None) -> Outcome:
    return succeeded(literal_map(o0=integer(100 + (child or 0))))


def parent_or(child: Callable[[int], Outcome], parent: Outcome) -> Play:
    return lambda job, index: parent if index is None else child(index)


def error_file() -> bytes:
    error = errors_pb2.ContainerError(code="USER:Value", message="bad item", kind=errors_pb2.ContainerError.RECOVERABLE)
    return errors_pb2.ErrorDocument(error=error).SerializeToString()


def only_an_error() -> Outcome:
    return Outcome({**(succeeded().detail or {})}, files={"error.pb": error_file()})


def two_streams() -> Outcome:
    """All attempts used, and the container's current log stream is that of none of them."""
    ended = failed()
    assert ended.detail is not None
    return Outcome({**ended.detail, "container": {"logStreamName": "log/other", "exitCode": 1}})


def no_stream() -> Outcome:
    tries = [{"container": {"exitCode": 1}, "startedAt": 1, "stoppedAt": 2} for _ in range(2)]
    return Outcome({"status": "FAILED", "statusReason": "CannotPullContainerError", "attempts": tries})


PARENT_FAILED = failed(reason="Array Child Job failed")
PARENT_SUCCEEDED = succeeded()
ARRAY = template(retries=1)


@dataclass
class Hang:
    """
    :param strict: what the message says after "real Flyte would wait here for ever: ".
    :param safe: how safe mode ends: the phase, and words of the error.
    """

    name: str
    play: Callable[[], Play]
    strict: str
    safe: tuple[TaskPhase, str]
    deviation: str
    task: tasks_pb2.TaskTemplate = field(default_factory=template)


def throttled_then_gone() -> Play:
    """The parent's end is seen in a reply; the child's was not in it, and comes later."""
    asked = {"child": 0}

    def play(job: int, child: int | None) -> Outcome:
        if child is None:
            return PARENT_SUCCEEDED
        if child == 1:
            asked["child"] += 1
            return running() if asked["child"] == 1 else outputs(1)
        return outputs(0)

    return play


def version_1() -> tasks_pb2.TaskTemplate:
    return template(type="aws-batch", version=1)


SHORT = "failed with {} attempt(s) as Flyte counts them, and only a failure with exactly 2 is final"

HANGS = [
    Hang(
        "a child dies with fewer attempts than allowed",
        lambda: parent_or(
            lambda index: failed(attempts=1, reason="Host EC2 terminated") if index else outputs(0), PARENT_FAILED
        ),
        "child 1 (item 1) " + SHORT.format(1),
        (TaskPhase.PERMANENT_FAILURE, "Host EC2 terminated"),
        "short-failure",
    ),
    Hang(
        "a failure with fewer attempts that would be tolerated",
        lambda: parent_or(lambda index: failed(attempts=1) if index else outputs(0), PARENT_FAILED),
        "child 1 (item 1) " + SHORT.format(1),
        (TaskPhase.SUCCESS, ""),
        "short-failure",
        task=template(custom={"minSuccessRatio": 0.5}),
    ),
    Hang(
        "a single job times out at its first attempt",
        lambda: lambda job, child: failed(attempts=1, reason="Job attempt duration exceeded timeout"),
        "the job " + SHORT.format(1),
        (TaskPhase.PERMANENT_FAILURE, "Job attempt duration exceeded timeout"),
        "short-failure",
        task=single(),
    ),
    Hang(
        "a job is terminated before it started",
        lambda: lambda job, child: Outcome({"status": "FAILED", "statusReason": "stopped by hand"}),
        "the job " + SHORT.format(1),
        (TaskPhase.PERMANENT_FAILURE, "stopped by hand"),
        "short-failure",
        task=single(),
    ),
    Hang(
        "all attempts used, none with a log stream",
        lambda: lambda job, child: no_stream(),
        "the job " + SHORT.format(3),
        (TaskPhase.PERMANENT_FAILURE, "CannotPullContainerError"),
        "short-failure",
        task=single(),
    ),
    Hang(
        "all attempts used, and one more log stream",
        lambda: lambda job, child: two_streams(),
        "the job " + SHORT.format(3),
        (TaskPhase.PERMANENT_FAILURE, "Essential container in task exited"),
        "short-failure",
        task=single(),
    ),
    Hang(
        "a child succeeds and leaves only an error",
        lambda: parent_or(lambda index: only_an_error() if index else outputs(0), PARENT_SUCCEEDED),
        "child 1 (item 1) succeeded but left only an error.pb",
        (TaskPhase.PERMANENT_FAILURE, "bad item"),
        "success-with-error",
    ),
    Hang(
        "a single job exits with 0 after an error",
        lambda: lambda job, child: only_an_error(),
        "the job succeeded but left only an error.pb",
        (TaskPhase.PERMANENT_FAILURE, "bad item"),
        "success-with-error",
        task=single(),
    ),
    Hang(
        "the parent is seen ended before a child",
        throttled_then_gone,
        "child 1 (item 1) had not ended when the array job did, and the handler no longer asks about it",
        (TaskPhase.SUCCESS, ""),
        "parent-ended-first",
    ),
    Hang(
        "a child is missing from the reply",
        lambda: parent_or(lambda index: Outcome(None) if index else outputs(0), PARENT_SUCCEEDED),
        "child 1 (item 1) had not ended when the array job did, and the handler no longer asks about it",
        (TaskPhase.PERMANENT_FAILURE, "AWS Batch no longer knows this job"),
        "vanished-child",
    ),
    Hang(
        "a job without children is waited for as an array",
        lambda: lambda job, child: outputs(None),
        "child 0 (item 0) had not ended when the array job did",
        (TaskPhase.PERMANENT_FAILURE, "is submitted as one job, but its task_type_version 1 and its list input"),
        "not-an-array",
        task=version_1(),
    ),
]


def run(hang: Hang, fidelity: str) -> tuple[NodeResult, Clock, list[Progress]]:
    task = tasks_pb2.TaskTemplate()
    task.CopyFrom(hang.task)
    task.metadata.retries.retries = 1
    inputs = literal_map(x=integer(1) if task.type == "aws-batch" and not task.task_type_version else integers([5, 6]))
    given = services(hang.play(), configured=settings(fidelity, HANG_LIMIT))
    clock, heard = Clock(), []
    # One attempt of the node, two of the job.
    made = request(task, inputs, attempt=0)
    execution = NodeExecution(made, given, clock=clock, observer=lambda execution, progress: heard.append(progress))
    return execution.run(clock.wait), clock, heard


@pytest.mark.parametrize("hang", HANGS, ids=lambda hang: hang.name)
def test_strict_says_that_flyte_would_wait_and_ends(hang: Hang) -> None:
    result, clock, heard = run(hang, "strict")
    assert result.phase is TaskPhase.PERMANENT_FAILURE
    assert result.error is not None
    assert result.hang is not None
    assert result.hang.startswith(WAITS + hang.strict)
    assert (result.error.code, result.error.message) == ("Hang", result.hang + ENDED)
    assert result.deviations == ()
    # It is told when it is certain, and ends only after the limit.
    first = next(progress for progress in heard if progress.hang is not None)
    assert first.task_phase is TaskPhase.RUNNING
    assert clock.now >= 1000 + HANG_LIMIT


@pytest.mark.parametrize("hang", HANGS, ids=lambda hang: hang.name)
def test_safe_ends_with_what_really_happened(hang: Hang) -> None:
    result, clock, _ = run(hang, "safe")
    phase, words = hang.safe
    assert (result.phase, result.hang) == (phase, None)
    assert words in (result.error.message if result.error is not None else "")
    assert result.deviations == (hang.deviation,)
    assert clock.now < 1000 + HANG_LIMIT


def test_a_tolerated_short_failure_leaves_a_null() -> None:
    result, _, _ = run(HANGS[1], "safe")
    assert result.outputs is not None
    items = result.outputs.literals["o0"].collection.literals
    assert [item.scalar.WhichOneof("value") for item in items] == ["primitive", "none_type"]


@pytest.mark.parametrize("fidelity", ["strict", "safe"])
def test_a_job_that_aws_does_not_know_ends_in_both_modes(fidelity: str) -> None:
    given = services(lambda job, child: Outcome(None), configured=settings(fidelity, HANG_LIMIT))
    clock = Clock()
    execution = NodeExecution(request(ARRAY, literal_map(x=integers([1, 2]))), given, clock=clock)
    result = execution.run(clock.wait)
    assert result.error is not None
    assert result.error.message == (
        WAITS + "AWS Batch does not know job job-0, and the handler goes on asking for it" + ENDED
    )


@pytest.mark.parametrize("fidelity", ["strict", "safe"])
def test_describe_calls_that_keep_failing_end_in_both_modes(fidelity: str) -> None:
    given = services(lambda job, child: running(), configured=settings(fidelity, HANG_LIMIT))
    assert isinstance(given.batch, MemoryBatch)
    given.batch.errors["describe"] = BatchError("AccessDeniedException", "not allowed", 403)
    clock = Clock()
    execution = NodeExecution(request(ARRAY, literal_map(x=integers([1, 2]))), given, clock=clock)
    result = execution.run(clock.wait)
    assert result.error is not None
    assert result.error.message == (
        WAITS + "DescribeJobs fails (AccessDeniedException: not allowed), and the handler goes on asking" + ENDED
    )


MISFIT = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - the job needs 6 vCPUs"


RUNNABLE = Outcome({"status": "RUNNABLE", "statusReason": MISFIT})


@pytest.mark.parametrize("fidelity", ["strict", "safe"])
@pytest.mark.parametrize(
    ("task", "inputs", "play"),
    [
        (ARRAY, integers([1, 2]), lambda job, child: RUNNABLE),
        (
            ARRAY,
            integers([1, 2]),
            parent_or(lambda index: RUNNABLE if index else outputs(0), Outcome({"status": "PENDING"})),
        ),
        (single(), integer(1), lambda job, child: RUNNABLE),
    ],
    ids=["array", "rest of an array", "job"],
)
def test_a_job_that_fits_nowhere_ends_where_nothing_grows(
    task: tasks_pb2.TaskTemplate, inputs: Literal, play: Play, fidelity: str
) -> None:
    given = services(play, configured=settings(fidelity, HANG_LIMIT))
    clock = Clock()
    execution = NodeExecution(request(task, literal_map(x=inputs)), replace(given, fixed_size=True), clock=clock)
    result = execution.run(clock.wait)
    assert result.error is not None
    assert result.error.message == f"AWS Batch can never start job job-0: {MISFIT}{ENDED}"
    assert 1000 + HANG_LIMIT <= clock.now < 1000 + 2 * HANG_LIMIT


def after_waiting_long(play: Play, fidelity: str) -> NodeResult | None:
    given = services(play, configured=settings(fidelity, HANG_LIMIT))
    clock = Clock()
    execution = NodeExecution(request(ARRAY, literal_map(x=integers([1, 2]))), given, clock=clock)
    for _ in range(50):
        execution.step()
        clock.now += 100
    return execution.result


def test_a_job_that_fits_nowhere_is_waited_for_where_somebody_may_mend_it() -> None:
    assert after_waiting_long(lambda job, child: RUNNABLE, "safe") is None


@pytest.mark.parametrize("fidelity", ["strict", "safe"])
def test_a_running_child_is_no_hang_however_long_it_takes(fidelity: str) -> None:
    assert after_waiting_long(parent_or(lambda index: running(), running()), fidelity) is None


def test_a_throttled_call_now_and_then_is_no_hang() -> None:
    given = services(parent_or(lambda index: running(), running()), configured=settings("strict", HANG_LIMIT))
    assert isinstance(given.batch, MemoryBatch)
    clock = Clock()
    execution = NodeExecution(request(ARRAY, literal_map(x=integers([1, 2]))), given, clock=clock)
    for number in range(50):
        if number % 2:
            given.batch.errors["describe"] = BatchError("TooManyRequestsException", "slow", 429)
        else:
            given.batch.errors.pop("describe", None)
        execution.step()
        clock.now += HANG_LIMIT / 2 + 1
    assert execution.result is None


def test_attempts_of_the_node_start_anew_after_a_hang_was_near() -> None:
    """A first attempt that fails in the ordinary way is retried, with a clean watch."""

    def play(job: int, child: int | None) -> Outcome:
        return failed() if job == 0 else outputs(child)

    result = NodeExecution(
        request(single(), literal_map(x=integer(1))), services(play, configured=settings("strict", HANG_LIMIT))
    ).run(Clock().wait)
    assert (result.phase, result.attempt_count, result.hang) == (TaskPhase.SUCCESS, 2, None)


PANICS: list[tuple[str, tasks_pb2.TaskTemplate, Any, str]] = [
    ("no retries in the metadata", single(retries=None), failed(), "needs retries in its metadata"),
    (
        "more attempts than the counter holds",
        single(),
        Outcome({"status": "RUNNING", "attempts": [attempt(1, f"log/{n}") for n in range(16)]}),
        "Value [17] is too big. Max value is [15].",
    ),
]


@pytest.mark.parametrize(("name", "task", "outcome", "words"), PANICS, ids=[panic[0] for panic in PANICS])
def test_a_panic_is_reported_in_strict_mode_and_made_no_use_of_in_safe(
    name: str, task: tasks_pb2.TaskTemplate, outcome: Outcome, words: str
) -> None:
    made = request(task, literal_map(x=integer(1)))
    clock = Clock()
    strict = NodeExecution(made, services(lambda job, child: outcome, configured=settings("strict")), clock=clock)
    result = strict.run(clock.wait)
    assert result.error is not None
    assert "panic when executing a plugin [aws_array]" in result.error.message
    assert words in result.error.message
    safe = NodeExecution(made, services(lambda job, child: outcome, configured=settings("safe")), clock=clock)
    for _ in range(8):
        safe.step()
    assert safe.step().error is None
