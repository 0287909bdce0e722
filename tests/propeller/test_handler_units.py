"""Parts of the handler by themselves: work queues, settings, the job store, links."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from in_memory import LaggingQueue, MemoryStore
from propeller_builders import (
    MemoryBatch,
    Outcome,
    literal_map,
    request,
    running,
    services,
    succeeded,
    template,
)

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.propeller.aws_array.definition_cache import DefinitionCache
from flytekitplugins.awsbatch.propeller.aws_array.environment import array_batch_environment
from flytekitplugins.awsbatch.propeller.aws_array.handler_errors import HandlerError, PanicError, ParameterError
from flytekitplugins.awsbatch.propeller.aws_array.job_store import (
    Changed,
    JobStore,
    job_store_phase,
    job_store_without_change_feed,
)
from flytekitplugins.awsbatch.propeller.aws_array.links import job_link
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.aws_array.workqueue import RetryWorkError, WorkInfo, WorkQueue, WorkStatus
from flytekitplugins.awsbatch.propeller.node.attempt import attempt_context
from flytekitplugins.awsbatch.propeller.propeller_settings import (
    AwsPluginSettings,
    BatchPluginSettings,
    FidelitySettings,
    HandlerSettings,
    JobStoreSettings,
    OffloadingSettings,
    PropellerSettings,
)
from flytekitplugins.awsbatch.propeller.storage import join_storage_url


class Worker:
    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_work_is_done_once_and_remembered() -> None:
    queue, worker = WorkQueue(max_items=2, max_retries=3), Worker("done", "again")
    queue.queue("a", worker)
    queue.queue("a", worker)
    assert queue.get("a") == WorkInfo(WorkStatus.SUCCEEDED, "done")
    assert worker.calls == 1
    assert queue.get("b") is None


def test_work_that_may_be_tried_again_is_until_it_is_enough() -> None:
    queue = WorkQueue(max_items=2, max_retries=3)
    later = Worker(RetryWorkError(ValueError("1")), RetryWorkError(ValueError("2")), "well")
    queue.queue("a", later)
    never = Worker(*[RetryWorkError(ValueError(str(number))) for number in range(5)])
    queue.queue("b", never)
    once = Worker(ValueError("no"), "unused")
    queue.queue("c", once)
    info = queue.get("b")
    assert info is not None
    assert (info.status, str(info.error), never.calls) == (WorkStatus.FAILED, "2", 3)
    assert (once.calls, later.calls) == (1, 3)


def test_the_index_forgets_what_nobody_looked_at_for_longest() -> None:
    queue = WorkQueue(max_items=2, max_retries=1)
    for name in ("a", "b"):
        queue.queue(name, Worker(name))
    queue.get("a")
    queue.queue("c", Worker("c"))
    assert queue.get("b") is None
    assert queue.get("a") == WorkInfo(WorkStatus.SUCCEEDED, "a")


def test_slow_work_is_not_done_at_the_first_look() -> None:
    queue = LaggingQueue(max_items=2, max_retries=1)
    queue.queue("a", Worker("a"))
    assert [queue.get("a"), queue.get("a")] == [
        WorkInfo(WorkStatus.NOT_DONE),
        WorkInfo(WorkStatus.SUCCEEDED, "a"),
    ]


def test_the_defaults_are_flytes() -> None:
    settings = HandlerSettings()
    assert (settings.aws.region, settings.aws.retries) == ("us-east-2", 3)
    assert settings.batch == BatchPluginSettings(
        role_annotation_key="",
        max_array_job_size=5000,
        min_retries=1,
        max_retries=10,
        default_timeout="72h0m0s",
        default_env_vars={},
        max_err_length=500,
    )
    assert settings.batch.default_timeout_seconds == 259200
    assert settings.batch.job_store_config.batch_chunk_size == 100
    assert not settings.strict


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("SUBMITTED", TaskPhase.QUEUED),
        ("PENDING", TaskPhase.QUEUED),
        ("RUNNABLE", TaskPhase.QUEUED),
        ("STARTING", TaskPhase.QUEUED),
        ("RUNNING", TaskPhase.RUNNING),
        ("SUCCEEDED", TaskPhase.SUCCESS),
        ("FAILED", TaskPhase.RETRYABLE_FAILURE),
        ("running", TaskPhase.UNDEFINED),
        ("", TaskPhase.UNDEFINED),
    ],
)
def test_each_of_awss_words_is_a_phase(status: str, phase: TaskPhase) -> None:
    assert job_store_phase(status) is phase


def store_of(
    play: Any, changed: Changed = job_store_without_change_feed, fidelity: str = "strict", **limits: int
) -> tuple[JobStore, MemoryBatch]:
    batch = MemoryBatch(MemoryStore(), play)
    batch.submit_job(jobName="a", arrayProperties={"size": 5}, containerOverrides={"command": ["s3://b/0"]})
    plugin = BatchPluginSettings(job_store_config=JobStoreSettings(**limits))
    given = HandlerSettings(aws=AwsPluginSettings(batch=plugin), emulation=FidelitySettings(fidelity))
    return JobStore(batch, given, changed), batch


def test_the_parent_and_its_children_are_asked_for_in_chunks() -> None:
    store, batch = store_of(lambda job, child: running(), batch_chunk_size=4)
    store.get_or_create("a", "job-0", 5)
    store.refresh("a")
    assert batch.described == [["job-0", "job-0:0", "job-0:1", "job-0:2"], ["job-0:3", "job-0:4"]]


def test_children_that_ended_are_not_asked_for_again() -> None:
    store, batch = store_of(lambda job, child: succeeded() if child in (0, 3) else running())
    store.get_or_create("a", "job-0", 5)
    store.refresh("a")
    store.refresh("a")
    assert batch.described[1] == ["job-0", "job-0:1", "job-0:2", "job-0:4"]


def ended_parent(job: int, child: int | None) -> Outcome:
    return succeeded() if child in (None, 0) else running()


def test_nothing_is_asked_once_the_parent_has_ended() -> None:
    store, batch = store_of(ended_parent)
    store.get_or_create("a", "job-0", 5)
    store.refresh("a")
    assert store.settled("a")
    store.refresh("a")
    assert len(batch.described) == 1


def test_asking_goes_on_after_the_parents_end_where_that_is_wanted() -> None:
    store, batch = store_of(ended_parent, fidelity="safe")
    store.get_or_create("a", "job-0", 5)
    store.refresh("a")
    assert not store.settled("a")
    store.refresh("a")
    assert batch.described[1] == ["job-0:1", "job-0:2", "job-0:3", "job-0:4"]


def test_a_chunk_that_fails_leaves_what_the_earlier_ones_said() -> None:
    def play(job: int, child: int | None) -> Outcome:
        if child == 3:
            raise BatchError("TooManyRequestsException", "slow", 429)
        return running()

    store, _ = store_of(play, batch_chunk_size=4)
    job = store.get_or_create("a", "job-0", 5)
    with pytest.raises(BatchError):
        store.refresh("a")
    assert [child.phase for child in job.children] == [TaskPhase.RUNNING] * 3 + [TaskPhase.NOT_READY] * 2


def test_a_job_that_was_forgotten_is_not_there() -> None:
    store, _ = store_of(lambda job, child: running(), cache_size=1)
    store.get_or_create("a", "job-0", 1)
    store.get_or_create("b", "job-1", 1)
    assert store.get("a") is None
    assert store.settled("a")
    store.refresh("a")


def test_an_answer_about_another_job_is_ignored() -> None:
    class Chatty(MemoryBatch):
        def describe_jobs(self, **made: Any) -> Any:
            return {"jobs": [{"jobId": "other", "status": "FAILED"}]}

    store = JobStore(Chatty(MemoryStore(), lambda job, child: running()), HandlerSettings())
    job = store.get_or_create("a", "job-0", 2)
    store.refresh("a")
    assert (job.phase, job.known) == (TaskPhase.UNDEFINED, False)


def test_children_without_news_are_not_asked_for_again() -> None:
    news = {-1: (7, [0, 1, 2, 3, 4]), 7: (9, [2])}
    store, batch = store_of(lambda job, child: running(), changed=lambda job_id, seen: news[seen])
    store.get_or_create("a", "job-0", 5)
    store.refresh("a")
    store.refresh("a")
    assert batch.described == [["job-0", *(f"job-0:{child}" for child in range(5))], ["job-0", "job-0:2"]]


def test_the_console_has_a_page_for_arrays_and_one_for_jobs() -> None:
    assert job_link(2, "1", "eu", "q", "j") == "https://console.aws.amazon.com/batch/home?region=eu#/jobs/j"
    assert job_link(1, "1", "eu", "q", "j") == (
        "https://console.aws.amazon.com/batch/home?region=eu#/jobs/queue/arn:aws:batch:eu:1:job-queue~2Fq/job/j"
    )


def test_without_an_account_id_the_link_of_a_single_job_has_none() -> None:
    """`GetJobUri` of Flyte's `awsbatch/task_links.go` fills in what `plugins.aws.accountId` says, nothing included."""
    assert job_link(1, "", "us-east-2", "", "j") == (
        "https://console.aws.amazon.com/batch/home?region=us-east-2#/jobs/queue/arn:aws:batch:us-east-2::job-queue~2F/job/j"
    )


def test_errors_say_their_code_and_their_words() -> None:
    assert str(HandlerError("C", "m")) == "[C] m"
    assert str(HandlerError("", "m")) == "m"
    assert str(PanicError("go", "why")) == "go (why)"
    assert str(ParameterError(["a", "b"], {})) == "InvalidParameter: 2 validation error(s) found.\n- a\n- b\n"


def test_a_restarted_process_knows_nothing_of_before() -> None:
    given = services(lambda job, child: running())
    given.jobs.get_or_create("a", "job-0", 1)
    given.definitions.put("k", "arn")
    again = replace(given)
    assert (again.jobs.get("a"), again.definitions.get("k")) == (None, None)
    assert (again.batch, again.store, again.catalog) == (given.batch, given.store, given.catalog)


def test_a_definition_too_long_for_flytes_cache_is_registered_each_time() -> None:
    cache = DefinitionCache()
    cache.put("k" * 480, "arn:1234")
    cache.put("l" * 481, "arn:1234")
    assert (cache.get("k" * 480), cache.get("l" * 481)) == ("arn:1234", None)
    larger = DefinitionCache(1024 * 1024)
    larger.put("l" * 481, "arn:1234")
    assert larger.get("l" * 481) == "arn:1234"


@pytest.mark.parametrize(
    ("offloading", "added"),
    [
        (OffloadingSettings(), []),
        (OffloadingSettings(enabled=True), [("_F_L_MAX_SIZE_MB", "1000"), ("_F_L_MIN_SIZE_MB", "10")]),
        (OffloadingSettings(enabled=True, min_size=1, max_size=0), [("_F_L_MIN_SIZE_MB", "1")]),
    ],
)
def test_a_job_is_told_which_literals_to_put_into_files(
    offloading: OffloadingSettings, added: list[tuple[str, str]]
) -> None:
    task = template()
    task.container.env.add(key="MINE", value="1")
    context = attempt_context(request(task, literal_map()), join_storage_url, 0)
    plain = array_batch_environment(context, HandlerSettings(), {})
    found = array_batch_environment(context, HandlerSettings(propeller=PropellerSettings(offloading=offloading)), {})
    # In the place that a real propeller gave them: names are sorted by byte.
    assert found == [*plain, *added]
