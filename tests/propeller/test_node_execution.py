"""A node from its inputs to its outputs or its error, driven against a Batch that answers at once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from flyteidl.core import errors_pb2, execution_pb2, literals_pb2
from in_memory import MemoryCatalog, MemoryStore
from propeller_builders import (
    Clock,
    MemoryBatch,
    Outcome,
    failed,
    integer,
    integers,
    literal_map,
    no_wait,
    request,
    running,
    services,
    settings,
    single,
    succeeded,
    template,
)

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.propeller.aws_array.phases import Phase, TaskPhase
from flytekitplugins.awsbatch.propeller.aws_array.plugin_state import TaskError
from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_request import NodeRequest
from flytekitplugins.awsbatch.propeller.node.node_result import ChildFact, NodeResult, Progress
from flytekitplugins.awsbatch.propeller.node.node_state import NodeState
from flytekitplugins.awsbatch.propeller.node.retry_budget import RetryBudget
from flytekitplugins.awsbatch.propeller.propeller_settings import (
    DeadlineSettings,
    FidelitySettings,
    K8sPluginSettings,
    LimitSettings,
    NodeSettings,
    PropellerSettings,
    StorageSettings,
)


def batch(given: HandlerServices) -> MemoryBatch:
    assert isinstance(given.batch, MemoryBatch)
    return given.batch


def all_succeed(job: int, child: int | None) -> Outcome:
    return succeeded(literal_map(o0=integer(100 + (child or 0))))


def run(made: NodeRequest, given: HandlerServices, **options: Any) -> NodeResult:
    return NodeExecution(made, given, **options).run(no_wait)


def test_an_array_hands_its_childrens_outputs_over_in_order() -> None:
    given = services(all_succeed)
    result = run(request(template(), literal_map(x=integers([7, 8, 9]))), given)
    assert result == NodeResult(
        phase=TaskPhase.SUCCESS,
        outputs=literal_map(o0=integers([100, 101, 102])),
        error=None,
        attempt_count=1,
        children=tuple(
            ChildFact(index, index, f"job-0:{index}", TaskPhase.SUCCESS, 1, ("log/0",), "exit(0)") for index in range(3)
        ),
        job_name="exec1-n0-0",
        job_id="job-0",
        output_prefix="s3://bucket/meta/proj-development-exec1/n0/data/0",
    )
    assert [made["arrayProperties"] for made in batch(given).submitted] == [{"size": 3}]
    # The handler terminates its job after every end.
    assert batch(given).terminated == [{"jobId": "job-0", "reason": "Finalized"}]


def test_a_single_task_hands_its_outputs_over_as_they_are() -> None:
    given = services(all_succeed)
    result = run(request(single(), literal_map(x=integer(1))), given)
    assert result.outputs == literal_map(o0=integer(100))
    assert result.children == (ChildFact(0, 0, "job-0", TaskPhase.SUCCESS, 1, ("log/0",), "exit(0)"),)
    assert "arrayProperties" not in batch(given).submitted[0]


def test_a_task_without_outputs_has_an_empty_map() -> None:
    result = run(request(single(outputs=False), literal_map(x=integer(1))), services(lambda job, child: succeeded()))
    assert result.outputs == literals_pb2.LiteralMap()


def test_the_inputs_and_the_workflow_reach_the_job() -> None:
    given = services(all_succeed)
    run(request(single(), literal_map(x=integer(5))), given)
    inputs = literals_pb2.LiteralMap.FromString(
        given.store.read_file("s3://bucket/meta/proj-development-exec1/n0/data/inputs.pb")
    )
    assert inputs == literal_map(x=integer(5))
    environment = {
        pair["name"]: pair["value"] for pair in batch(given).submitted[0]["containerOverrides"]["environment"]
    }
    assert environment["FLYTE_INTERNAL_EXECUTION_WORKFLOW"] == "proj:development:my.wf"


def fails_first(job: int, child: int | None) -> Outcome:
    if child is None:
        return failed(reason="Array Child Job failed") if job == 0 else succeeded()
    return failed() if job == 0 and child == 1 else all_succeed(job, child)


def test_a_retryable_failure_brings_another_attempt_in_a_folder_of_its_own() -> None:
    given = services(fails_first)
    result = run(request(template(), literal_map(x=integers([7, 8, 9]))), given)
    assert (result.phase, result.attempt_count, result.job_name) == (TaskPhase.SUCCESS, 2, "exec1-n0-1")
    assert result.output_prefix == "s3://bucket/meta/proj-development-exec1/n0/data/1"
    first, second = batch(given).submitted
    assert [made["jobName"] for made in (first, second)] == ["exec1-n0-0", "exec1-n0-1"]
    attempts = [
        {pair["name"]: pair["value"] for pair in made["containerOverrides"]["environment"]} for made in (first, second)
    ]
    assert [one["FLYTE_ATTEMPT_NUMBER"] for one in attempts] == ["0", "1"]
    assert batch(given).terminated == [
        {"jobId": "job-0", "reason": "Aborted"},
        {"jobId": "job-0", "reason": "Finalized"},
        {"jobId": "job-1", "reason": "Finalized"},
    ]


def test_the_second_attempt_is_told_of_the_first_ones_checkpoints() -> None:
    given = services(fails_first)
    task = template()
    task.container.args[:] = ["{{.prevCheckpointPrefix}}", "{{.outputPrefix}}"]
    run(request(task, literal_map(x=integers([7, 8, 9]))), given)
    told = [made["containerOverrides"]["command"][1] for made in batch(given).submitted]
    assert told == ['""', "s3://bucket/raw/5z/exec1-n0-0/_flytecheckpoints"]


def test_exhausted_retries_end_in_flytes_words() -> None:
    result = run(
        request(template(retries=0), literal_map(x=integers([1, 2]))),
        services(lambda job, child: failed(reason="boom") if child == 1 else all_succeed(job, child)),
    )
    assert result.phase is TaskPhase.PERMANENT_FAILURE
    assert result.error == execution_pb2.ExecutionError(
        code="RetriesExhausted|",
        message='[1/1] currentAttempt done. Last Error: UNKNOWN::[1]: message:"boom -  exit(1)"\n',
        kind=execution_pb2.ExecutionError.USER,
    )
    assert [(fact.original, fact.phase, fact.attempt_count, fact.message) for fact in result.children] == [
        (0, TaskPhase.SUCCESS, 1, "exit(0)"),
        (1, TaskPhase.PERMANENT_FAILURE, 2, "boom -  exit(1)"),
    ]


def test_retries_of_the_node_beat_the_tasks() -> None:
    given = services(lambda job, child: failed())
    result = run(request(template(), literal_map(x=integers([1, 2])), retries=3), given)
    assert (result.attempt_count, len(batch(given).submitted)) == (4, 4)


def test_an_error_of_each_round_ends_as_propellers_workflow_does() -> None:
    given = services(all_succeed)
    result = run(request(template(queue=""), literal_map(x=integers([1, 2]))), given)
    assert result.error == execution_pb2.ExecutionError(
        code="Workflow abort failed",
        message="Workflow[proj:development:my.wf] failed. RuntimeExecutionError: max number of system retry attempts "
        "[11/10] exhausted. Last known status message: failed at Node[n0]. RuntimeExecutionError: failed during plugin "
        "execution, caused by: failed to execute handle for plugin [aws_array]: [BadTaskSpecification] "
        "config[dynamic_queue] is missing",
        kind=execution_pb2.ExecutionError.SYSTEM,
    )
    # The job definition was registered all the same.
    assert [made["jobDefinitionName"] for made in batch(given).registered] == ["app"]
    assert batch(given).submitted == []


def test_a_panic_says_what_the_user_would_see_and_what_is_wrong() -> None:
    given = services(all_succeed, configured=settings("strict"))
    small = replace(given.settings.aws.batch, max_array_job_size=1)
    given = services(all_succeed, configured=replace(given.settings, aws=replace(given.settings.aws, batch=small)))
    result = run(request(template(), literal_map(x=integers([1, 2]))), given)
    assert result.error is not None
    assert result.error.message.endswith(
        "panic when executing a plugin [aws_array]. Stack: [goroutine ... runtime error: invalid memory address or nil "
        "pointer dereference ...]. The reason, which Flyte does not show: array size > max allowed. requested [2]. "
        "allowed [1]"
    )


def test_a_refused_termination_fails_a_node_whose_children_all_succeeded() -> None:
    given = services(all_succeed)
    batch(given).errors["terminate"] = BatchError("AccessDeniedException", "no", 403)
    result = run(request(template(), literal_map(x=integers([1, 2]))), given)
    assert result.phase is TaskPhase.PERMANENT_FAILURE
    assert result.error is not None
    assert result.error.message.endswith("Last known status message: 0: AccessDeniedException: no\r\n")


def test_a_throttled_submit_is_tried_again() -> None:
    given = services(all_succeed)
    batch(given).errors["submit"] = BatchError("TooManyRequestsException", "slow", 429)
    waits: list[bool] = []

    def wait(job_id: str | None, *, round_seconds: float, error: bool, timeout: float | None) -> None:
        waits.append(error)
        batch(given).errors.clear()

    result = NodeExecution(request(single(), literal_map(x=integer(1))), given).run(wait)
    assert result.succeeded
    assert waits == [True]


def test_what_aws_refuses_is_tried_again_without_waiting_and_then_given_up() -> None:
    given = services(all_succeed)
    batch(given).errors["submit"] = BatchError("ClientException", "JobQueue queue1 not found", 400)
    waits: list[bool] = []
    heard: list[str | None] = []

    def wait(job_id: str | None, *, round_seconds: float, error: bool, timeout: float | None) -> None:
        waits.append(error)

    execution = NodeExecution(
        request(single(), literal_map(x=integer(1))),
        given,
        observer=lambda execution, progress: heard.append(progress.error),
    )
    result = execution.run(wait)
    assert result.error is not None
    assert result.error.message.endswith("[aws_array]: ClientException: JobQueue queue1 not found")
    assert waits == []
    assert heard == [None, None, *["ClientException: JobQueue queue1 not found"] * 11]


def test_old_errors_in_the_output_folder_fail_a_task_that_succeeded() -> None:
    given = services(all_succeed)
    old = errors_pb2.ErrorDocument(
        error=errors_pb2.ContainerError(code="C", message="old", kind=errors_pb2.ContainerError.NON_RECOVERABLE)
    )
    given.store.write_file("s3://bucket/meta/proj-development-exec1/n0/data/0/error.pb", old.SerializeToString())
    result = run(request(single(), literal_map(x=integer(1))), given)
    assert result.error == execution_pb2.ExecutionError(
        code="C", message="old", kind=execution_pb2.ExecutionError.UNKNOWN
    )


def test_cached_items_are_not_run_and_the_others_map_through_the_lookup() -> None:
    catalog, store = MemoryCatalog(), MemoryStore()
    task = template(cached="1.0")
    run(request(task, literal_map(x=integers([1, 2, 3]))), services(all_succeed, catalog=catalog, store=store))
    given = services(lambda job, child: succeeded(), catalog=catalog, store=store)
    other = request(task, literal_map(x=integers([9, 2, 1, 7])))
    other = replace(other, execution=replace(other.execution, name="exec2"))
    execution = NodeExecution(other, given)
    # An entry point that reads indexlookup.pb writes at the original index.
    for original, output in ((0, 900), (3, 700)):
        given.store.write_file(
            f"s3://bucket/meta/proj-development-exec2/n0/data/0/{original}/outputs.pb",
            literal_map(o0=integer(output)).SerializeToString(),
        )
    result = execution.run(no_wait)
    lookup = literals_pb2.LiteralCollection.FromString(
        given.store.read_file("s3://bucket/meta/proj-development-exec2/n0/data/indexlookup.pb")
    )
    assert [literal.scalar.primitive.integer for literal in lookup.literals] == [0, 3]
    assert result.outputs == literal_map(o0=integers([900, 101, 100, 700]))
    assert [(fact.original, fact.child, fact.job_id) for fact in result.children] == [
        (0, 0, "job-0:0"),
        (1, None, ""),
        (2, None, ""),
        (3, 1, "job-0:1"),
    ]


def test_all_cached_submits_nothing() -> None:
    catalog, store = MemoryCatalog(), MemoryStore()
    made = request(template(cached="1.0"), literal_map(x=integers([1, 2])))
    first = run(made, services(all_succeed, catalog=catalog, store=store))
    given = services(all_succeed, catalog=catalog, store=store)
    second = run(replace(made, execution=replace(made.execution, name="exec2")), given)
    assert second.outputs == first.outputs
    assert batch(given).submitted == []


def test_a_nodes_timeout_brings_a_retry_and_twice_of_it_the_end() -> None:
    clock = Clock()
    given = services(lambda job, child: running())
    execution = NodeExecution(request(single(), literal_map(x=integer(1)), timeout=60.0), given, clock=clock)
    result = execution.run(clock.wait)
    assert (result.attempt_count, result.phase) == (2, TaskPhase.PERMANENT_FAILURE)
    assert result.error is not None
    assert (result.error.code, result.error.message) == ("Timeout", "Timeout in node")
    assert [made["reason"] for made in batch(given).terminated] == ["Aborted", "Finalized"] * 2


def test_a_timeout_without_retries_names_its_length() -> None:
    clock = Clock()
    given = services(lambda job, child: running())
    made = request(single(retries=0), literal_map(x=integer(1)), timeout=90.0)
    result = NodeExecution(made, given, clock=clock).run(clock.wait)
    assert result.error is not None
    assert result.error.code == "RetriesExhausted|TimeoutExpired"
    assert result.error.message == "[1/1] currentAttempt done. Last Error: USER::task execution timeout [1m30s] expired"


def test_abort_terminates_the_job_and_ends_the_node() -> None:
    given = services(lambda job, child: running())
    execution = NodeExecution(request(template(), literal_map(x=integers([1, 2]))), given)
    for _ in range(5):
        execution.step()
    result = execution.abort("stopped by the user")
    assert (result.phase, result.error) == (
        TaskPhase.ABORTED,
        execution_pb2.ExecutionError(
            code="NodeAborted", message="stopped by the user", kind=execution_pb2.ExecutionError.USER
        ),
    )
    assert batch(given).terminated == [
        {"jobId": "job-0", "reason": "Aborted"},
        {"jobId": "job-0", "reason": "Finalized"},
    ]
    assert execution.run(no_wait) is result
    assert execution.abort("again") is result


def test_abort_before_the_job_was_submitted_asks_nothing_of_aws() -> None:
    given = services(all_succeed)
    execution = NodeExecution(request(template(), literal_map(x=integers([1, 2]))), given)
    assert execution.abort("early").children == ()
    assert batch(given).terminated == []


def test_an_abort_that_aws_refuses_leaves_the_node_as_it_was() -> None:
    given = services(lambda job, child: running())
    execution = NodeExecution(request(single(), literal_map(x=integer(1))), given)
    for _ in range(4):
        execution.step()
    batch(given).errors["terminate"] = BatchError("ServerException", "no", 500)
    with pytest.raises(BatchError, match="ServerException: no"):
        execution.abort("stop")
    assert execution.result is None
    batch(given).errors.clear()
    assert execution.abort("stop").phase is TaskPhase.ABORTED


def test_the_observer_hears_of_each_round() -> None:
    heard: list[Progress] = []
    run(
        request(template(), literal_map(x=integers([1, 2]))),
        services(all_succeed),
        observer=lambda execution, progress: heard.append(progress),
    )
    assert [(one.phase, dict(one.counts)) for one in heard] == [
        (Phase.PRE_LAUNCH, {TaskPhase.NOT_READY: 2}),
        (Phase.LAUNCH, {TaskPhase.NOT_READY: 2}),
        (Phase.CHECKING_SUBTASKS, {TaskPhase.QUEUED: 2}),
        (Phase.WRITE_TO_DISCOVERY, {TaskPhase.SUCCESS: 2}),
        (Phase.ASSEMBLE_FINAL_OUTPUT, {TaskPhase.SUCCESS: 2}),
        (Phase.SUCCESS, {TaskPhase.SUCCESS: 2}),
        (Phase.SUCCESS, {TaskPhase.SUCCESS: 2}),
    ]


@pytest.mark.parametrize("play", [all_succeed, fails_first], ids=["succeeds", "fails first"])
def test_a_run_restored_after_any_round_ends_the_same(play: Any) -> None:
    made = request(template(), literal_map(x=integers([7, 8, 9])))
    whole = run(made, services(play))
    rounds = 0
    while True:
        rounds += 1
        given = services(play)
        execution = NodeExecution(made, given)
        for _ in range(rounds):
            execution.step()
        saved = json.loads(json.dumps(execution.snapshot()))
        again = NodeExecution(made, replace(given), saved=NodeState.from_dict(saved))
        result = again.result or again.run(no_wait)
        assert result == whole
        if execution.result is not None:
            break
    assert rounds > 5


def test_files_longer_than_propeller_downloads_are_refused() -> None:
    text = literals_pb2.Literal(
        scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value="x" * 700_000))
    )
    configured = replace(settings(), storage=StorageSettings(LimitSettings(max_download_mbs=1)))
    given = services(lambda job, child: succeeded(literal_map(o0=text)), configured=configured)
    one = run(request(template(), literal_map(x=integers([1]))), given)
    assert one.succeeded
    # Each output is small enough, all of them together are not.
    two = run(request(template(), literal_map(x=integers([1, 2])), node_id="n1"), given)
    assert two.error is not None
    assert "1.34 MB are more than storage.limits.maxDownloadMBs allows (1)" in two.error.message


def test_a_list_that_was_put_into_a_file_of_its_own_is_named_in_the_error() -> None:
    elsewhere = literals_pb2.Literal(offloaded_metadata=literals_pb2.LiteralOffloadedMetadata(uri="s3://bucket/large"))
    result = run(request(template(), literal_map(x=elsewhere)), services(all_succeed))
    assert result.error is not None
    # What propeller says, and then what to do.
    assert "[BadTaskSpecification] Unable to determine array size from inputs (x was put into" in result.error.message
    assert "min-size-in-mb-for-offloading" in result.error.message
    without = run(request(template(), literal_map()), services(all_succeed))
    assert without.error is not None
    assert without.error.message.endswith("Unable to determine array size from inputs")


def one_fails_one_ends_after(seconds: float, clock: Clock) -> Any:
    """Child 0 fails at once and child 1 runs for some seconds; of an array that must succeed whole."""
    start = clock()

    def play(job: int, child: int | None) -> Outcome:
        if child == 0:
            return failed()
        ended = clock() - start >= seconds
        return running() if child is None or not ended else succeeded(literal_map(o0=integer(1)))

    return play


@pytest.mark.parametrize(
    ("fidelity", "wait", "runs_for", "counts", "ends_after"),
    [
        ("safe", 15.0, 10, True, 10),
        ("safe", 15.0, 100, False, 15),
        ("safe", 0.0, 10, False, 0),
        # The job store of propeller asks again after 30 seconds, and only then sees the failure. Once all children have
        # ended, nothing can change until then.
        ("strict", 15.0, 20, True, 20),
        ("strict", 15.0, 100, False, 30),
    ],
)
def test_an_array_that_must_fail_waits_for_children_as_a_cluster_would(
    fidelity: str, wait: float, runs_for: float, counts: bool, ends_after: float
) -> None:
    clock = Clock()
    emulation = FidelitySettings(fidelity, failure_wait=wait)
    given = services(one_fails_one_ends_after(runs_for, clock), configured=replace(settings(), emulation=emulation))
    made = request(template(retries=0), literal_map(x=integers([7, 8])))
    began = clock()
    waited: list[float] = []

    def until_then(job_id: str | None, *, round_seconds: float, error: bool, timeout: float | None) -> None:
        # As an event of the service would: the driver looks when the child ends, or when its own time is over.
        clock.now += min(5.0, timeout if timeout is not None else 5.0)
        waited.append(clock() - began)

    result = NodeExecution(made, given, clock=clock).run(until_then)
    assert result.phase is TaskPhase.PERMANENT_FAILURE
    assert result.children[1].phase is (TaskPhase.SUCCESS if counts else TaskPhase.RUNNING)
    assert max(waited, default=0.0) == pytest.approx(ends_after, abs=5.1)


def test_a_saved_node_goes_on_waiting_for_the_same_moment() -> None:
    clock = Clock()
    given = services(one_fails_one_ends_after(100, clock))
    made = request(template(retries=0), literal_map(x=integers([7, 8])))
    execution = NodeExecution(made, given, clock=clock)
    while NodeState.from_dict(execution.snapshot()).failing_since is None:
        execution.step()
    clock.now += 10
    saved = NodeState.from_dict(json.loads(json.dumps(execution.snapshot())))
    resumed = NodeExecution(made, replace(given), saved=saved, clock=clock)
    resumed.step()
    assert resumed.result is None
    clock.now += 6
    assert resumed.run(no_wait).phase is TaskPhase.PERMANENT_FAILURE


def test_failures_of_the_system_count_like_others_with_ignore_retry_cause() -> None:
    error = TaskError("C", "m", "SYSTEM")
    usual, ignoring = NodeSettings(max_system_failures=3), NodeSettings(ignore_retry_cause=True)
    assert RetryBudget().budget_after(error, 1, usual) == (RetryBudget(attempts=1, system_failures=1), None)
    spent, exhausted = RetryBudget().budget_after(error, 1, ignoring)
    assert spent == RetryBudget()
    assert exhausted == TaskError("RetriesExhausted|C", "[1/1] currentAttempt done. Last Error: SYSTEM::m", "USER")


def test_a_node_without_a_timeout_has_the_deployments_deadlines() -> None:
    deadlines = DeadlineSettings(execution="20s", active="1m")
    configured = replace(settings(), propeller=PropellerSettings(node_config=NodeSettings(default_deadlines=deadlines)))

    def message(**changes: Any) -> str:
        clock = Clock()
        made = request(single(retries=0), literal_map(x=integer(1)), **changes)
        given = services(lambda job, child: running(), configured=configured)
        result = NodeExecution(made, given, clock=clock).run(clock.wait)
        assert result.error is not None
        return result.error.message

    assert "task execution timeout [20s] expired" in message()
    assert "task execution timeout [5s] expired" in message(timeout=5.0)


def test_default_variables_are_taken_from_propellers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONE_OF_PROPELLER", "b")
    monkeypatch.delenv("NOT_THERE", raising=False)
    k8s = K8sPluginSettings(
        default_env_vars={"ZONE": "a"}, default_env_vars_from_env={"ZONE": "ZONE_OF_PROPELLER", "EMPTY": "NOT_THERE"}
    )
    given = services(all_succeed, configured=replace(settings(), k8s=k8s))
    run(request(single(), literal_map(x=integer(1))), given)
    (made,) = batch(given).submitted
    environment = {pair["name"]: pair["value"] for pair in made["containerOverrides"]["environment"]}
    assert (environment["ZONE"], environment["EMPTY"]) == ("b", "")


@pytest.mark.parametrize("own", [1, 48, 50])
def test_tags_of_the_run_leave_those_of_the_task_as_they_are_and_take_the_room_that_is_left(own: int) -> None:
    tags = {"flyte:task": "mine", **{f"t{number}": "" for number in range(1, own)}}
    room = {"flyte:project": "p", "flyte:domain": "d", "flyte:node": "n"}
    made = request(single(custom={"tags": tags}), literal_map(x=integer(1)), job_tags={"flyte:task": "theirs", **room})
    given = services(all_succeed)
    run(made, given)
    (sent,) = batch(given).submitted
    assert sent["tags"] == {**tags, **dict([*room.items()][: 50 - own])}
