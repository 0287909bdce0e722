"""Tasks go through the whole emulated deployment: real files, a real local Batch, real child processes."""

from __future__ import annotations

import functools
import sys
from hashlib import sha256
from pathlib import Path

import batch_tasks
import image_guard_tasks
import pytest
import yaml
from batch_tasks import Point
from flytekit import PodTemplate, TaskMetadata, dynamic, task

from flytekitplugins.awsbatch import AWSBatchConfig, AWSBatchWarning, map_task
from flytekitplugins.awsbatch.local.all_settings import DEFAULT
from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.deployment.backend import LocalBackend
from flytekitplugins.awsbatch.local.run.serialise import NotLoadableError
from flytekitplugins.awsbatch.testing import Emulation, emulation


@task(task_config=AWSBatchConfig())
def defined_here(n: int) -> int:
    return n + 100


def test_a_single_task_runs_as_a_job(awsbatch: Emulation) -> None:
    assert batch_tasks.greet(name="Ada") == "Hello, Ada!"
    (job,) = awsbatch.jobs
    assert (job["status"], job["jobQueue"].rsplit("/", 1)[-1]) == ("SUCCEEDED", "default")
    assert "greeting Ada" in awsbatch.log(job["jobId"])


def test_a_map_task_runs_as_one_array_job(awsbatch: Emulation) -> None:
    assert map_task(batch_tasks.double)(n=[1, 2, 3]) == [2, 4, 6]
    (request,) = awsbatch.requests
    assert request["arrayProperties"] == {"size": 3}
    assert request["tags"] == {"team": "census"}
    (job,) = awsbatch.jobs
    assert job["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 3


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([], []), ([7], [14])],
    ids=["empty", "one"],
)
def test_short_lists_run_without_array_properties(awsbatch: Emulation, numbers: list[int], expected: list[int]) -> None:
    assert map_task(batch_tasks.double)(n=numbers) == expected
    (request,) = awsbatch.requests
    assert "arrayProperties" not in request


def test_a_plain_task_can_be_mapped(awsbatch: Emulation) -> None:
    assert map_task(batch_tasks.plain_triple)(n=[1, 2]) == [3, 6]
    assert len(awsbatch.jobs) == 1


def test_a_workflow_hands_data_from_job_to_job(awsbatch: Emulation) -> None:
    assert batch_tasks.pipeline(numbers=[1, 2, 3]) == 12
    assert len(awsbatch.jobs) == 2
    assert awsbatch.printed.count("Execution ") == 1
    # Of the array, and not of the single job.
    array = next(job["jobId"] for job in awsbatch.jobs if "arrayProperties" in job)
    assert awsbatch.printed.count("Flyte's console links") == 1
    link = f"https://console.aws.amazon.com/batch/home?region=us-east-2#/jobs/{array}"
    assert f"Flyte's console links the array to {link}\n" in awsbatch.printed


def test_only_an_array_is_linked_as_one(awsbatch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = map_task(batch_tasks.double, metadata=TaskMetadata(cache=True, cache_version="1"))
    assert cached(n=[1, 2]) == [2, 4]
    assert cached(n=[1, 2, 3]) == [2, 4, 6]
    # The second map's job runs the one item that the cache did not have.
    assert awsbatch.printed.count("Flyte's console links") == 1
    asked = []
    monkeypatch.setattr(
        LocalBackend, "console_link", lambda _, job, children: asked.append((job, children)) or f"the page of {job}"
    )
    assert cached(n=[1, 2, 4]) == [2, 4, 8]
    assert set(asked) == {(awsbatch.jobs[-1]["jobId"], 1)}


def test_a_cache_that_cannot_be_used_is_told_of_once(awsbatch: Emulation) -> None:
    """Flyte's handler computes the items, and says nothing where a user would look."""
    awsbatch.home.joinpath("catalog").write_text("a file")
    cached = map_task(batch_tasks.double, metadata=TaskMetadata(cache=True, cache_version="1"))
    assert cached(n=[1, 2]) == cached(n=[1, 2]) == [2, 4]
    assert len(awsbatch.jobs) == 2
    told = f"as if they were not cached, as on a cluster: the cache in {awsbatch.home}/catalog cannot be written: "
    assert awsbatch.printed.count("as if they were not cached") == awsbatch.printed.count(told) == 1


@pytest.mark.parametrize(
    ("catalog", "jobs"),
    [({"type": "noop"}, 2), ({"type": ""}, 2), ({"endpoint": "localhost:8081"}, 1), ({"type": "datacatalog"}, 1)],
)
def test_a_deployment_without_a_catalog_caches_nothing(tmp_path: Path, catalog: dict[str, str], jobs: int) -> None:
    cached = map_task(batch_tasks.double, metadata=TaskMetadata(cache=True, cache_version="1"))
    settings = {**yaml.safe_load(DEFAULT), "catalog-cache": catalog}
    with emulation(tmp_path / "home", settings=settings, quiet=True) as awsbatch:
        assert cached(n=[1, 2]) == cached(n=[1, 2]) == [2, 4]
        assert len(awsbatch.jobs) == jobs


def test_a_dynamic_task_with_a_pod_template_hands_no_queue_on(awsbatch: Emulation) -> None:
    """As on a cluster, where what it calls inherits the config of its container."""

    @dynamic
    def in_a_container() -> str:
        return batch_tasks.greet(name="Ada")

    @dynamic(pod_template=PodTemplate(pod_spec=object()))
    def in_a_pod() -> str:
        return in_a_container()

    assert in_a_container() == "Hello, Ada!"
    with pytest.raises(TaskFailedError, match=r"config\[dynamic_queue\] is missing") as failed:
        in_a_pod()
    assert "with a pod template hands no queue on" in " ".join(str(failed.value).split())
    assert len(awsbatch.jobs) == 1


def test_words_that_describe_a_cached_task_do_not_count(awsbatch: Emulation) -> None:
    """The version of the entry is the one that a Flyte 1.16.8 gave such a task."""
    cached = map_task(batch_tasks.described, metadata=TaskMetadata(cache=True, cache_version="1"))
    assert cached(x=[1]) == [1]
    (entry,) = awsbatch.home.joinpath("catalog").glob("*.pb")
    tag = "flyte_cached-jJYYHCdEwO0EGAAzKJSnDfiTqN-1FWTIAIffcpVodss"
    key = "\n".join(["flytesnacks", "development", f"flyte_task-{cached.name}", "1-12y3_A09-PmK8qF6C", tag])
    assert entry.stem == sha256(key.encode()).hexdigest()


def test_items_that_are_lists_are_stored_where_they_are_not_looked_for(awsbatch: Emulation) -> None:
    """The version of the entry is the one that a Flyte 1.16.8 gave such a task."""
    cached = map_task(batch_tasks.listed, metadata=TaskMetadata(cache=True, cache_version="1"))
    assert cached(x=[[1, 2]]) == cached(x=[[1, 2]]) == [[1, 2]]
    assert len(awsbatch.jobs) == 2
    (entry,) = awsbatch.home.joinpath("catalog").glob("*.pb")
    tag = "flyte_cached-YylWC4pJ3rwUGkDoO5earWGEWLaUEmr8vei5t69Hi9A"
    key = "\n".join(["flytesnacks", "development", f"flyte_task-{cached.name}", "1-gUBcWNQ8-PmK8qF6C", tag])
    assert entry.stem == sha256(key.encode()).hexdigest()


def test_a_node_that_is_tried_again_has_no_link_before_its_next_job(
    awsbatch: Emulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalBackend, "console_link", lambda _, job, children: f"the page of {job}")
    with pytest.raises(TaskFailedError):
        map_task(batch_tasks.picky, metadata=TaskMetadata(retries=1))(n=[1, 2])
    assert awsbatch.printed.count("the page of") == 2
    assert "Flyte's console links" not in awsbatch.printed


def test_bound_inputs_stay_whole(awsbatch: Emulation) -> None:
    assert batch_tasks.scaled(numbers=[1, 2]) == [10, 20]
    moved = map_task(functools.partial(batch_tasks.shift, by=Point(1, 1)))(point=[Point(0, 0), Point(5, 5)])
    assert [(point.x, point.y) for point in moved] == [(1, 1), (6, 6)]


def test_a_task_may_return_nothing_or_several_values(awsbatch: Emulation) -> None:
    assert batch_tasks.nothing() is None
    assert tuple(batch_tasks.divide(a=7, b=3)) == (2, 1)


def test_a_task_of_the_test_module_runs_too(awsbatch: Emulation) -> None:
    assert defined_here(n=1) == 101


def test_a_job_sees_awss_variables_and_not_the_switches(
    awsbatch: Emulation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLYTE_AWSBATCH", "local")
    seen = batch_tasks.where_am_i()
    (job,) = awsbatch.jobs
    assert seen == {
        "AWS_BATCH_JOB_ID": job["jobId"],
        "AWS_BATCH_JOB_ATTEMPT": "1",
        "AWS_BATCH_JQ_NAME": "default",
        "FLYTE_AWSBATCH": "",
        "FLYTE_FAIL_ON_ERROR": "true",
        "PYTEST_CURRENT_TEST": "",
        "cwd": str(tmp_path),
        "prefix": sys.prefix,
    }


def test_a_task_called_inside_a_job_runs_in_that_job(awsbatch: Emulation) -> None:
    assert batch_tasks.outer(n=3) == 7
    assert len(awsbatch.jobs) == 1


def test_a_failing_child_is_named_with_its_error_and_log(awsbatch: Emulation) -> None:
    with pytest.raises(TaskFailedError) as caught:
        map_task(batch_tasks.picky)(n=[0, 2, 5, 8])
    message = str(caught.value)
    assert "1 of 4 children failed" in message
    assert "Child 2 (Batch job " in message
    assert "ValueError: 5 is odd" in message
    assert "looking at 5" in message
    assert str(awsbatch.home) in message
    assert "2 attempts" in message


def test_a_fault_that_a_test_asks_for_costs_the_child_an_attempt(awsbatch: Emulation) -> None:
    awsbatch.fault(child=1, attempt=1)
    assert map_task(batch_tasks.double)(n=[1, 2, 3]) == [2, 4, 6]
    (job,) = awsbatch.jobs
    children = awsbatch.batch.describe_jobs(jobs=[f"{job['jobId']}:{index}" for index in range(3)])["jobs"]
    assert [len(child["attempts"]) for child in children] == [1, 2, 1]
    assert children[1]["attempts"][0]["statusReason"].startswith("Host EC2")


def test_a_fault_that_has_hit_nothing_is_warned_of(home: Path) -> None:
    with pytest.warns(AWSBatchWarning) as said, emulation(home, quiet=True) as emulated:
        emulated.fault("host_lost", child=7, attempt=1)
        emulated.fault("throttle", operation="SubmitJob", times=1)
        assert map_task(batch_tasks.double)(n=[1, 2]) == [2, 4]
    assert [str(one.message) for one in said] == ["The fault kind='host_lost', child=7, attempt=1 has hit nothing."]


def test_a_fault_of_a_kind_or_with_a_field_that_does_not_exist_is_refused(awsbatch: Emulation) -> None:
    with pytest.raises(ValueError, match="expected one of throttle, "):
        awsbatch.fault("flood")
    with pytest.raises(TypeError, match="chlid"):
        awsbatch.fault(chlid=3)


def test_tolerated_failures_leave_nothing_in_their_places(awsbatch: Emulation) -> None:
    assert map_task(batch_tasks.picky, min_success_ratio=0.5)(n=[0, 1, 2, 4]) == [0, None, 2, 4]


def test_a_task_that_a_child_cannot_find_is_refused_before_anything_is_submitted(awsbatch: Emulation) -> None:
    @task(task_config=AWSBatchConfig())
    def hidden(n: int) -> int:
        return n

    with pytest.raises(NotLoadableError, match="Define it at the top level"):
        hidden(n=1)
    assert awsbatch.requests == []


def test_a_worker_runs_on_after_an_item_that_needed_an_event_loop(tmp_path: Path) -> None:
    """flytekit stops its event loops at exit, and whoever asks a stopped one waits for ever."""
    with emulation(tmp_path, settings={"emulator": {"isolation": "worker", "vcpus": 1}}, quiet=True):
        points = [Point(1, 2), Point(3, 4), Point(5, 6)]
        shifted = map_task(functools.partial(batch_tasks.shift, by=Point(1, 1)))(point=points)
    assert shifted == [Point(2, 3), Point(4, 5), Point(6, 7)]


def test_a_tasks_own_temporary_folder_is_kept(awsbatch: Emulation) -> None:
    assert batch_tasks.own_temporary_folder() == "/var/tmp"


@pytest.mark.awsbatch(settings={"emulator": {"hang_limit": 0, "vcpus": 2}})
def test_a_job_larger_than_the_machine_ends_with_what_to_do(awsbatch: Emulation) -> None:
    with pytest.raises(TaskFailedError) as caught:
        batch_tasks.wide(n=1)

    said = str(caught.value)
    assert "the job needs 6 vCPUs and no compute environment of the queue has more than 2. Ended here after 0s" in said
    assert 'The number is that of @task(requests=Resources(cpu="6")). Ask for less, or make the local' in said
    assert said.count("MISCONFIGURATION") == 1
    assert awsbatch.printed.count("MISCONFIGURATION") == 1
    (job,) = awsbatch.jobs
    assert job["status"] == "FAILED"


def test_an_image_that_no_configuration_has_is_a_name(awsbatch: Emulation) -> None:
    assert batch_tasks.of_named_image(n=1) == 1
    (job,) = awsbatch.jobs
    assert job["container"]["image"] == "team:not-configured"


@pytest.mark.parametrize("isolation", ["fork", "worker", "process"])
def test_jobs_know_their_image_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolation: str) -> None:
    """`is_container()` guards imports in many modules, and reads a variable of the image."""
    monkeypatch.setenv("_F_IMG_ID", image_guard_tasks.OTHER.id)
    with emulation(tmp_path, settings={"emulator": {"isolation": isolation}}, quiet=True) as awsbatch:
        assert map_task(image_guard_tasks.where)(n=[1, 2]) == [[True, False, True, False]] * 2
        assert image_guard_tasks.without_image(n=1) == [False, False]
        assert all("_F_IMG_ID" not in str(request) for request in awsbatch.requests)
