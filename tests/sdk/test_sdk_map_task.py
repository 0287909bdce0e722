from __future__ import annotations

import contextlib
import math
import struct
import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sdk_tasks
from flytekit import PodTemplate, Resources, Secret, TaskMetadata, dynamic, task
from flytekit.core import legacy_map_task
from flytekit.models.security import SecurityContext
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from sdk_builders import IMAGE, settings, template

from flytekitplugins.awsbatch import AWSBatchConfig, AWSBatchMapTask, AWSBatchTaskError, emulation, map_task
from flytekitplugins.awsbatch.maptask import MapTaskResolver
from flytekitplugins.awsbatch.sdk.map_settings import checked_min_success_ratio, map_ratio_as_float32

COMMAND = [
    "pyflyte-awsbatch-map-execute",
    "--inputs",
    "{{.input}}",
    "--output-prefix",
    "{{.outputPrefix}}",
    "--raw-output-data-prefix",
    "{{.rawOutputDataPrefix}}",
    "--checkpoint-path",
    "{{.checkpointOutputPrefix}}",
    "--prev-checkpoint",
    "{{.prevCheckpointPrefix}}",
    "--resolver",
    "flytekitplugins.awsbatch.maptask.MapTaskResolver",
    "--",
    "vars",
    ",",
    "resolver",
    "flytekit.core.python_auto_container.default_task_resolver",
    "task-module",
    "sdk_tasks",
    "task-name",
    "square",
]
FAST = ["pyflyte-fast-execute", "--additional-distribution", "s3://bucket/code.tar.gz", "--dest-dir", "/root", "--"]
UNIT = sdk_tasks.Scale(2.5, {"unit": "kg"})


def custom(entity: Any) -> dict[str, Any]:
    return json_format.MessageToDict(template(entity).custom)


@pytest.mark.parametrize(("fast", "command"), [(False, COMMAND), (True, [*FAST, *COMMAND])])
def test_the_template_of_a_map(fast: bool, command: list[str]) -> None:
    serialised = template(map_task(sdk_tasks.square), fast)
    assert serialised.type == "container_array"
    assert serialised.task_type_version == 1
    assert dict(serialised.config) == {"platformCapabilities": "EC2"}
    assert json_format.MessageToDict(serialised.custom) == {"parallelism": "0", "minSuccessRatio": 1.0}
    assert serialised.container.image == IMAGE
    assert list(serialised.container.args) == command
    assert json_format.MessageToDict(serialised.interface) == {
        "inputs": {"variables": {"x": {"type": {"collectionType": {"simple": "INTEGER"}}, "description": "x"}}},
        "outputs": {"variables": {"o0": {"type": {"collectionType": {"simple": "INTEGER"}}, "description": "o0"}}},
    }


def test_a_map_over_a_plain_task_has_no_submit_job_fields() -> None:
    serialised = template(map_task(sdk_tasks.double))
    assert serialised.type == "container_array"
    assert dict(serialised.config) == {}
    assert json_format.MessageToDict(serialised.custom) == {"parallelism": "0", "minSuccessRatio": 1.0}


def test_custom_holds_the_maps_settings_beside_the_tasks_own() -> None:
    @task(task_config=AWSBatchConfig(tags={"team": "a"}, propagateTags=True))
    def tagged(x: int) -> int:
        return x

    assert custom(map_task(tagged, concurrency=8, min_success_ratio=0.5)) == {
        "parallelism": "8",
        "minSuccessRatio": 0.5,
        "tags": {"team": "a"},
        "propagateTags": True,
    }


def test_a_config_that_is_replaced_late_is_the_one_serialised() -> None:
    @task(task_config=AWSBatchConfig(tags={"a": "1"}))
    def tagged(x: int) -> int:
        return x

    mapped = map_task(tagged)
    tagged._task_config = AWSBatchConfig(tags={"b": "2"}, platformCapabilities="FARGATE")
    assert custom(mapped) == {"parallelism": "0", "minSuccessRatio": 1.0, "tags": {"b": "2"}}
    assert dict(template(mapped).config) == {"platformCapabilities": "FARGATE"}


def test_bound_inputs_stay_single_and_are_named_on_the_command_line() -> None:
    mapped = map_task(partial(sdk_tasks.scaled, scale=UNIT))
    serialised = template(mapped)
    kinds = {name: variable.type.WhichOneof("type") for name, variable in serialised.interface.inputs.variables.items()}
    assert kinds == {"x": "collection_type", "y": "collection_type", "scale": "simple"}
    arguments = list(serialised.container.args)
    assert arguments[arguments.index("vars") + 1] == "scale"


def test_the_map_keeps_what_the_task_has() -> None:
    @task(
        task_config=AWSBatchConfig(lint_ignore=["AB001"]),
        container_image="example.com/other:v2",
        environment={"A": "1"},
        limits=Resources(cpu="2", mem="4Gi"),
        secret_requests=[Secret(group="g", key="k")],
        retries=3,
        timeout=timedelta(minutes=5),
        cache=True,
        cache_version="7",
        interruptible=True,
    )
    def full(x: int) -> int:
        return x

    single, mapped = template(full), template(map_task(full))
    assert mapped.metadata == single.metadata
    assert mapped.security_context == single.security_context
    assert mapped.container.image == single.container.image
    assert mapped.container.env == single.container.env
    assert mapped.container.resources == single.container.resources


def test_metadata_of_the_map_counts_over_the_tasks() -> None:
    mapped = template(map_task(sdk_tasks.square, metadata=TaskMetadata(retries=5, timeout=90)))
    assert (mapped.metadata.retries.retries, mapped.metadata.timeout.seconds) == (5, 90)


def test_a_childs_time_limit_is_not_the_nodes_which_would_be_the_whole_arrays() -> None:
    mapped = map_task(sdk_tasks.square, metadata=TaskMetadata(retries=5, timeout=90))
    node = mapped.construct_node_metadata()
    assert (node.timeout, node.retries.retries) == (timedelta(), 5)
    assert template(mapped).metadata.timeout.seconds == 90


def test_a_deck_of_the_inner_task_is_not_announced_for_the_map() -> None:
    @task(task_config=AWSBatchConfig(), enable_deck=True)
    def decked(x: int) -> int:
        return x

    mapped = map_task(decked)
    assert template(decked).metadata.generates_deck.value is True
    assert template(mapped).metadata.generates_deck.value is False


def test_serialising_a_map_leaves_the_inner_task_as_it_was() -> None:
    before = template(sdk_tasks.square)
    template(map_task(sdk_tasks.square), fast=True)
    assert template(sdk_tasks.square) == before


def test_maps_over_one_task_can_be_serialised_in_several_threads() -> None:
    maps = [map_task(sdk_tasks.square, min_success_ratio=ratio) for ratio in (1.0, 0.5)]
    wrong: list[Any] = []

    def serialise(entity: Any, expected: str) -> None:
        for _ in range(200):
            first = entity.get_container(settings()).args[0]
            if first != expected:
                wrong.append((entity, first))

    work = [*((one, "pyflyte-awsbatch-map-execute") for one in maps), (sdk_tasks.square, "pyflyte-execute")]
    threads = [threading.Thread(target=serialise, args=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# Names


def legacy_name(entity: Any) -> str:
    return str(legacy_map_task.map_task(entity).name)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"concurrency": 0},
        {"concurrency": None},
        {"min_success_ratio": 1},
        {"min_success_ratio": None},
        {"metadata": sdk_tasks.square.metadata},
        {"metadata": TaskMetadata()},
    ],
)
def test_default_settings_keep_flytekits_legacy_name(options: dict[str, Any]) -> None:
    assert map_task(sdk_tasks.square, **options).name == legacy_name(sdk_tasks.square)


def test_the_legacy_name_depends_on_the_bound_inputs() -> None:
    bound = partial(sdk_tasks.scaled, scale=UNIT)
    assert map_task(bound).name == legacy_name(bound) != map_task(sdk_tasks.scaled).name


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        ({"concurrency": 4}, "_d2de2c91"),
        ({"min_success_ratio": 0.5}, "_df0b01da"),
        ({"concurrency": 4, "min_success_ratio": 0.5}, "_ce912dda"),
        ({"metadata": TaskMetadata(retries=2)}, "_94686610"),
        ({"metadata": TaskMetadata(interruptible=False)}, "_45dc5e5a"),
        ({"metadata": TaskMetadata(timeout=timedelta(hours=1))}, "_664272a0"),
        ({"security_ctx": SecurityContext(secrets=[Secret(group="g", key="k")])}, "_fea79f09"),
    ],
)
def test_other_settings_add_a_digest_that_stays_the_same(options: dict[str, Any], suffix: str) -> None:
    assert map_task(sdk_tasks.square, **options).name == legacy_name(sdk_tasks.square) + suffix


# Ratios


@given(ratio=st.floats(min_value=0, max_value=1, exclude_min=True), size=st.integers(1, 10_000))
def test_the_handler_never_asks_for_more_than_the_ratio_says(ratio: float, size: int) -> None:
    """The handler computes ceil(float32(ratio) * size); the user means ceil(ratio * size)."""
    sent = checked_min_success_ratio(ratio)
    assert struct.unpack("<f", struct.pack("<f", sent))[0] == sent
    assert 0 < math.ceil(sent * size) <= max(1, math.ceil(ratio * size))


@pytest.mark.parametrize(
    ("ratio", "size", "successes"), [(0.1, 10, 1), (0.3, 10, 3), (0.07, 100, 7), (0.5, 3, 2), (1.0, 7, 7)]
)
def test_ratios_that_a_float32_rounds_up_ask_for_what_was_meant(ratio: float, size: int, successes: int) -> None:
    assert math.ceil(custom(map_task(sdk_tasks.square, min_success_ratio=ratio))["minSuccessRatio"] * size) == successes


def test_the_largest_float32_not_above_is_the_value_itself_where_it_is_one() -> None:
    assert [map_ratio_as_float32(value) for value in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.25, 0.5, 1.0]


def test_a_ratio_below_one_makes_the_items_optional() -> None:
    output = template(map_task(sdk_tasks.square, min_success_ratio=0.9)).interface.outputs.variables["o0"].type
    assert [variant.simple for variant in output.collection_type.union_type.variants] == [1, 0]


@pytest.mark.parametrize("ratio", [0, -0.1, 1.1, float("nan"), float("inf"), True, "0.5"])
def test_a_ratio_that_means_nothing_is_refused(ratio: Any) -> None:
    with pytest.raises(ValueError, match="min_success_ratio is"):
        map_task(sdk_tasks.square, min_success_ratio=ratio)


@pytest.mark.parametrize("concurrency", [-1, 1.5, True, "3"])
def test_a_concurrency_that_means_nothing_is_refused(concurrency: Any) -> None:
    with pytest.raises(ValueError, match="concurrency is"):
        map_task(sdk_tasks.square, concurrency=concurrency)


# What is refused


def test_min_successes_is_refused() -> None:
    with pytest.raises(ValueError, match="min_successes is not supported"):
        map_task(sdk_tasks.square, min_successes=3)


@pytest.mark.parametrize("option", ["concurency", "run_all_sub_nodes", "environment", "container_image"])
def test_options_that_flytekit_would_drop_silently_are_refused(option: str) -> None:
    with pytest.raises(TypeError, match=f"map_task does not know {option}"):
        map_task(sdk_tasks.square, **{option: 1})


def test_metadata_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a TaskMetadata"):
        map_task(sdk_tasks.square, metadata={"retries": 1})


def test_an_input_that_is_bound_by_position_is_refused() -> None:
    """flytekit would run the map without it."""
    with pytest.raises(ValueError, match="binds 3 by position"):
        map_task(partial(sdk_tasks.square, 3))


@dynamic
def spread(x: int) -> int:
    return sdk_tasks.double(x=x)


@task
def no_inputs() -> int:
    return 1


@task
def of_a_list(xs: list[int], y: int) -> int:
    return y


@task
def two_outputs(x: int) -> tuple[int, int]:
    return x, x


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (spread, "AB003"),
        (no_inputs, "AB012"),
        (partial(sdk_tasks.square, x=3), "AB012"),
        (partial(sdk_tasks.scaled, z=1), "AB012"),
        (partial(of_a_list, xs=of_a_list), "AB012"),
    ],
)
def test_a_task_that_the_handler_cannot_map_is_refused(target: Any, code: str) -> None:
    with pytest.raises(AWSBatchTaskError) as caught:
        map_task(target)
    assert caught.value.code == code


def test_a_plain_task_with_a_pod_template_is_refused() -> None:
    @task(pod_template=PodTemplate(pod_spec=object()))
    def in_a_pod(x: int) -> int:
        return x

    with pytest.raises(AWSBatchTaskError) as caught:
        map_task(in_a_pod)
    assert caught.value.code == "AB004"


def test_a_map_has_neither_a_pod_nor_a_query() -> None:
    mapped = map_task(sdk_tasks.square)
    assert (mapped.get_k8s_pod(settings()), mapped.get_sql(settings())) == (None, None)


def test_several_outputs_are_refused() -> None:
    with pytest.raises(ValueError, match="0 or 1 outputs"):
        map_task(two_outputs)


# Local runs without emulation


@task
def with_a_default(x: int, y: int = 5) -> int:
    return x + y


@dynamic
def maps_without_a_list() -> list[int]:
    return map_task(with_a_default)(x=[1, 2])


@pytest.mark.parametrize("call", [maps_without_a_list, lambda: map_task(with_a_default)(x=[1, 2])])
@pytest.mark.parametrize("place", [contextlib.nullcontext, emulation])
def test_a_map_wants_a_list_for_an_input_with_a_default(call: Any, place: Any) -> None:
    with place(), pytest.raises(AWSBatchTaskError, match="without a list for y") as caught:
        call()
    assert caught.value.code == "AB012"
    assert map_task(partial(with_a_default, y=1))(x=[1, 2]) == [2, 3]


def test_called_plainly_it_is_plain_flytekit() -> None:
    assert map_task(sdk_tasks.square)(x=[1, 2, 3]) == [1, 4, 9]
    assert map_task(partial(sdk_tasks.scaled, scale=UNIT))(x=[1, 2], y=[3, 4]) == ["7.5 kg", "20 kg"]
    assert map_task(sdk_tasks.refuse_odd, min_success_ratio=0.5)(x=[1, 2, 4]) == [None, 2, 4]


# In a child


def test_the_resolver_builds_the_map_again() -> None:
    mapped = map_task(partial(sdk_tasks.scaled, scale=UNIT))
    resolver = MapTaskResolver()
    again = resolver.load_task(resolver.loader_args(settings(), mapped))
    assert type(again) is AWSBatchMapTask
    assert (again.run_task, again.bound_inputs) == (sdk_tasks.scaled, {"scale"})
    assert resolver.load_task(resolver.loader_args(settings(), map_task(sdk_tasks.square))).bound_inputs == set()
