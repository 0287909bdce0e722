from __future__ import annotations

from typing import Any

import pytest
import sdk_tasks
from flytekit import PodTemplate, dynamic, eager, map_task, task
from flytekit.core import legacy_map_task
from google.protobuf import json_format
from sdk_builders import IMAGE, settings, template

from flytekitplugins.awsbatch import AWSBatchConfig, AWSBatchFunctionTask, AWSBatchTaskError
from flytekitplugins.awsbatch.sdk import switch
from flytekitplugins.awsbatch.task import AWSBatchConfig as ConfigWherePublishedOneIs

LOADER = ["--resolver", "flytekit.core.python_auto_container.default_task_resolver", "--"]
COMMAND = [
    "pyflyte-execute",
    "--inputs",
    "{{.input}}",
    "--output-prefix",
    "{{.outputPrefix}}/0",
    "--raw-output-data-prefix",
    "{{.rawOutputDataPrefix}}",
    "--checkpoint-path",
    "{{.checkpointOutputPrefix}}",
    "--prev-checkpoint",
    "{{.prevCheckpointPrefix}}",
    *LOADER,
    "task-module",
    "sdk_tasks",
    "task-name",
    "square",
]
FAST = ["pyflyte-fast-execute", "--additional-distribution", "s3://bucket/code.tar.gz", "--dest-dir", "/root", "--"]


def test_the_config_makes_an_aws_batch_task() -> None:
    assert type(sdk_tasks.square) is AWSBatchFunctionTask
    assert ConfigWherePublishedOneIs is AWSBatchConfig


@pytest.mark.parametrize(("fast", "command"), [(False, COMMAND), (True, [*FAST, *COMMAND])])
def test_the_template_is_flytekits_but_for_type_output_prefix_and_platform(fast: bool, command: list[str]) -> None:
    serialised = template(sdk_tasks.square, fast)
    assert serialised.type == "aws-batch"
    assert serialised.task_type_version == 0
    assert dict(serialised.config) == {"platformCapabilities": "EC2"}
    assert json_format.MessageToDict(serialised.custom) == {}
    assert serialised.container.image == IMAGE
    assert list(serialised.container.args) == command


def test_custom_holds_what_was_set() -> None:
    @task(
        task_config=AWSBatchConfig(
            parameters={"codec": "mp4"}, platformCapabilities="FARGATE", propagateTags=True, tags={"team": "a"}
        )
    )
    def tagged(x: int) -> int:
        return x

    serialised = template(tagged)
    assert dict(serialised.config) == {"platformCapabilities": "FARGATE"}
    assert json_format.MessageToDict(serialised.custom) == {
        "parameters": {"codec": "mp4"},
        "propagateTags": True,
        "tags": {"team": "a"},
    }


def test_a_config_that_is_replaced_late_is_the_one_serialised() -> None:
    @task(task_config=AWSBatchConfig(tags={"a": "1"}))
    def tagged(x: int) -> int:
        return x

    tagged._task_config = AWSBatchConfig(tags={"b": "2"})
    assert json_format.MessageToDict(template(tagged).custom) == {"tags": {"b": "2"}}


def test_a_command_set_from_outside_is_kept() -> None:
    @task(task_config=AWSBatchConfig())
    def wrapped(x: int) -> int:
        return x

    wrapped.set_command_fn(lambda _: ["mine"])
    assert wrapped.get_command(settings()) == ["mine"]
    wrapped.reset_command_fn()
    assert wrapped.get_command(settings())[:5] == COMMAND[:5]


def test_the_published_plugins_missing_config_is_the_default() -> None:
    def function(x: int) -> int:
        return x

    made = AWSBatchFunctionTask(None, function)
    assert made.task_config == AWSBatchConfig()


def test_called_plainly_it_is_plain_flytekit() -> None:
    assert sdk_tasks.square(x=7) == 49


def refused(make: Any) -> str:
    with pytest.raises(AWSBatchTaskError) as caught:
        make()
    return caught.value.code


def test_dynamic_is_refused_where_declared() -> None:
    def declare() -> None:
        @dynamic(task_config=AWSBatchConfig())
        def spread(x: int) -> int:
            return sdk_tasks.double(x=x)

    assert refused(declare) == "AB003"


def test_async_is_refused_where_declared() -> None:
    with pytest.raises(AssertionError, match="not compatible with async"):

        @task(task_config=AWSBatchConfig())
        async def later(x: int) -> int:
            return x


def test_eager_takes_no_config_at_all() -> None:
    with pytest.raises(TypeError, match="task_config"):

        @eager(task_config=AWSBatchConfig())
        async def later(x: int) -> int:
            return x


@pytest.mark.parametrize("options", [{"pod_template": PodTemplate(pod_spec=object())}, {"pod_template_name": "mine"}])
def test_a_pod_template_is_refused_where_declared(options: dict[str, Any]) -> None:
    def declare() -> None:
        @task(task_config=AWSBatchConfig(), **options)
        def in_a_pod(x: int) -> int:
            return x

    assert refused(declare) == "AB004"


def test_flytekits_map_task_over_it_is_refused_when_serialised() -> None:
    mapped = map_task(sdk_tasks.square)
    assert refused(lambda: mapped.get_container(settings())) == "AB002"
    assert sdk_tasks.square.get_command(settings()) == COMMAND


@pytest.mark.parametrize("flytekits", [map_task, legacy_map_task.map_task])
def test_flytekits_map_task_over_it_is_refused_in_an_emulated_run(flytekits: Any) -> None:
    with switch.emulation_overridden(True):
        assert refused(lambda: flytekits(sdk_tasks.square)(x=[1, 2])) == "AB002"


def test_flytekits_map_task_over_it_still_runs_plainly() -> None:
    assert map_task(sdk_tasks.square)(x=[1, 2]) == [1, 4]
