"""What `lint` tells of: switched off and run to Flyte's letter (`fidelity: strict`), it goes wrong as told; written as
told, it does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import compat_told as tasks
import pytest
from compat_run import emulated, with_emulator
from flytekit import TaskMetadata, task

from flytekitplugins.awsbatch import AWSBatchTaskError, map_task, maptask
from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.run import serialise
from flytekitplugins.awsbatch.testing import Emulation, emulation


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, isolation_keys: dict[str, Any]) -> Iterator[Emulation]:
    """A hang is reported, and ends after two seconds; arrays have at most four items."""
    settings = with_emulator(**isolation_keys | {"fidelity": "strict", "hang_limit": 2, "vcpus": 4})
    settings["plugins"]["aws"]["batch"]["maxArrayJobSize"] = 4
    with emulation(tmp_path_factory.mktemp("batch"), settings=settings, quiet=True) as running:
        yield running


def failure(call: Any) -> str:
    with pytest.raises(TaskFailedError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("name", tasks.REFUSED)
def test_what_aws_batch_refuses(batch: Emulation, name: str) -> None:
    refused, words = tasks.REFUSED[name]
    said = failure(lambda: refused(n=1))
    assert "[11/10] exhausted" in said
    assert words in said


def test_overrides_that_are_too_long_fail_the_job_without_an_attempt(batch: Emulation) -> None:
    failure(lambda: tasks.TOO_LONG(n=1))
    job = batch.jobs[-1]
    assert (job["status"], job["attempts"]) == ("FAILED", [])
    assert "Container Overrides length must be at most 8192" in job["statusReason"]


@pytest.mark.processes_only("the image would be pulled")
def test_what_lint_says_to_write_is_taken(batch: Emulation) -> None:
    value, requests = emulated(batch, lambda: tasks.remedies(ns=[1, 2]))
    assert tuple(value) == (2, [2, 3], [3, 6], [2, 3])
    assert [one["retryStrategy"]["attempts"] for one in requests] == [2, 4, 10, 10]


def test_a_cached_single_task_fails_after_its_job_has_succeeded(batch: Emulation) -> None:
    said = failure(lambda: tasks.cached(n=1))
    assert "0/inputs.pb" in said
    assert batch.jobs[-1]["status"] == "SUCCEEDED"
    first, second = (emulated(batch, lambda: map_task(tasks.cached)(n=[1, 2])) for _ in range(2))
    assert (first[0], len(first[1]), second[0], len(second[1])) == ([2, 3], 1, [2, 3], 0)


def test_entries_without_ignored_inputs_are_never_found(batch: Emulation) -> None:
    ignoring = map_task(tasks.ignoring)
    assert [len(emulated(batch, lambda: ignoring(n=[1], seed=[3]))[1]) for _ in range(2)] == [1, 1]
    whole = map_task(tasks.not_ignoring, metadata=TaskMetadata(cache=True, cache_version="1"))
    assert [len(emulated(batch, lambda: whole(n=[1], seed=[3]))[1]) for _ in range(2)] == [1, 0]


def test_an_array_that_is_too_large_panics(batch: Emulation) -> None:
    mapped = map_task(tasks.plus_one)
    said = failure(lambda: mapped(n=[1, 2, 3, 4, 5]))
    assert "panic when executing a plugin [aws_array]" in said
    slices = [mapped(n=[1, 2, 3]), mapped(n=[4, 5])]
    assert slices == [[2, 3, 4], [5, 6]]


def test_no_retries_are_two_attempts(batch: Emulation) -> None:
    assert tasks.fails_at_first(n=1) == "attempt 2"


@pytest.mark.processes_only("a variable of the caller's is the secret, and containers do not get it")
def test_a_secret_is_there_only_if_the_jobs_environment_has_it(
    batch: Emulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Unable to find secret" in failure(lambda: tasks.with_secret(n=1))
    monkeypatch.setenv("_FSEC_TOLD_TOKEN", "abc")
    assert tasks.with_secret(n=1) == "abc"


def test_an_offset_of_ones_own_makes_children_take_other_items(batch: Emulation) -> None:
    assert "item 2 does not exist" in failure(lambda: map_task(tasks.with_offset)(n=[5, 6]))


def test_overrides_of_a_map_call_do_not_reach_the_jobs_and_metadata_does(batch: Emulation) -> None:
    (overridden,) = emulated(batch, lambda: tasks.overridden_map(ns=[1]))[1]
    assert (overridden["retryStrategy"], overridden["timeout"]) == (
        {"attempts": 2},
        {"attemptDurationSeconds": 259200},
    )
    assert len(emulated(batch, lambda: tasks.overridden_map(ns=[1]))[1]) == 1

    metadata = TaskMetadata(retries=3, timeout=timedelta(minutes=5), cache=True, cache_version="2")
    said = map_task(tasks.plus_one, metadata=metadata)
    (request,) = emulated(batch, lambda: said(n=[1]))[1]
    assert (request["retryStrategy"], request["timeout"]) == ({"attempts": 4}, {"attemptDurationSeconds": 300})
    assert emulated(batch, lambda: said(n=[1]))[1] == []
    images = [definition_image(batch, one) for one in (overridden, request)]
    assert images[0] == images[1]


def definition_image(batch: Emulation, request: dict[str, Any]) -> str:
    definitions = batch.batch.describe_job_definitions(jobDefinitions=[request["jobDefinition"]])["jobDefinitions"]
    return str(definitions[0]["containerProperties"]["image"])


def test_a_gpu_is_dropped_and_memory_counted_in_millions(batch: Emulation) -> None:
    _, (request,) = emulated(batch, lambda: tasks.with_gpu(n=1))
    asked = request["containerOverrides"]
    assert (asked["vcpus"], asked["memory"], asked.get("resourceRequirements")) == (1, 1074, None)


def test_too_many_tags_are_refused_where_they_are_written_and_else_by_aws(
    batch: Emulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {str(n): "" for n in range(51)}
    with pytest.raises(ValueError, match="tags has 51 entries"):
        tasks.batch(tags=many)
    monkeypatch.setattr(tasks.plus_one, "get_custom", lambda settings: {"tags": many})
    assert "tags" in failure(lambda: tasks.plus_one(n=1))


def test_a_bound_list_of_another_length(batch: Emulation) -> None:
    assert "all maptask input lists must be the same length" in failure(
        lambda: tasks.stock_bound(n=[1, 2], factors=[1, 2, 3])
    )
    with pytest.raises(AWSBatchTaskError) as caught:
        map_task(partial(tasks.with_list, factors=[1, 2, 3]))
    assert caught.value.code == "AB012"


@pytest.mark.processes_only("with a dynamic task flytekit builds the image of every task that this process has")
def test_a_dynamic_task_has_no_outputs(batch: Emulation) -> None:
    said = failure(lambda: tasks.stock_dynamic(n=1))
    assert "0/0/outputs.pb: file does not exist" in said
    assert batch.jobs[-1]["status"] == "SUCCEEDED"


def test_a_task_with_a_pod_template_has_no_container(batch: Emulation) -> None:
    assert "[BadTaskSpecification] Tasktemplate does not contain a container image" in failure(
        lambda: tasks.stock_pod(n=1)
    )


def test_the_deck_of_a_single_job_is_where_flyte_looks(batch: Emulation) -> None:
    def decks(task: Any) -> list[str]:
        before = set(batch.home.rglob("deck.html"))
        assert task(n=1) == 1
        return [str(one).partition("/data/")[2] for one in set(batch.home.rglob("deck.html")) - before]

    assert (decks(tasks.stock_show), decks(tasks.our_show)) == (["0/0/deck.html"], ["0/deck.html"])


def test_the_checkpoint_of_a_single_job_is_found_by_its_next_attempt(batch: Emulation) -> None:
    assert (tasks.stock_go_on(n=1), tasks.our_go_on(n=1)) == ("nothing", "half way")


@pytest.mark.processes_only("the code is sent along, and pyflyte-fast-execute fails where it does not find the script")
def test_a_script_that_the_image_does_not_have_is_waited_for(batch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maptask, "MAP_EXECUTE_SCRIPT", "pyflyte-awsbatch-map-execute-elsewhere")
    said = failure(lambda: map_task(tasks.plus_one)(n=[1, 2]))
    assert "real Flyte would wait here for ever" in said
    assert "AB104" in said


def test_a_task_that_a_child_cannot_find(batch: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    @task(task_config=tasks.batch())
    def nested(n: int) -> int:
        return n

    with pytest.raises(serialise.NotLoadableError, match="would be looked up as nested in test_compat_told"):
        nested(n=1)
    monkeypatch.setattr(serialise, "why_not_loadable", lambda *_: "")
    assert "has no attribute 'nested'" in failure(lambda: nested(n=1))
