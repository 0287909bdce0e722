"""Who takes a task type, from tasks.task-plugins, in propeller's words."""

from __future__ import annotations

import pytest
from admin_builders import admin

from flytekitplugins.awsbatch.admin.admin_settings import TaskPlugins
from flytekitplugins.awsbatch.admin.enabled_plugins import Handler, enabled_plugin_of


def switches(enabled: str, defaults: str = "{}") -> TaskPlugins | None:
    text = f"tasks:\n  task-plugins:\n    enabled-plugins: {enabled}\n    default-for-task-types: {defaults}\n"
    return admin(text).task_plugins


BOTH = "{container_array: aws_array, aws-batch: aws_array}"
ADD_PLUGIN = "in f0.yaml:3, add to tasks.task-plugins.enabled-plugins: `- aws_array`"


def add_default(kind: str) -> str:
    return f"in f0.yaml:3, add to tasks.task-plugins.default-for-task-types: `{kind}: aws_array`"


@pytest.mark.parametrize("kind", ["container_array", "aws-batch"])
@pytest.mark.parametrize("enabled", ["[aws_array]", "[container, k8s-array, ' AWS_Array ']", "aws_array", "[]"])
def test_aws_array_takes_what_it_is_the_default_for(kind: str, enabled: str) -> None:
    assert enabled_plugin_of(kind, switches(enabled, BOTH)) == Handler("aws_array")


def test_without_switches_the_emulation_takes_what_is_its_own() -> None:
    assert [enabled_plugin_of(kind, None).plugin for kind in ("container_array", "aws-batch", "python-task")] == [
        "aws_array",
        "aws_array",
        "container",
    ]


@pytest.mark.parametrize(
    ("enabled", "defaults", "kind", "handler"),
    [
        (
            "[container, k8s-array]",
            "{}",
            "aws-batch",
            Handler(
                "container",
                "No plugin found for Handler-type [aws-batch], defaulting to [container]",
                f"it would run as a pod, not on AWS Batch; {ADD_PLUGIN}",
            ),
        ),
        (
            "[k8s-array]",
            "{}",
            "aws-batch",
            Handler("", "no plugin defined for Handler type [aws-batch] and no defaultPlugin configured", ADD_PLUGIN),
        ),
        (
            "[k8s-array]",
            "{}",
            "container_array",
            Handler(
                "k8s-array",
                "Plugin [k8s-array] resolved for Handler type [container_array]",
                f"it would not run on AWS Batch; {ADD_PLUGIN}",
            ),
        ),
        (
            "[k8s-array, aws_array]",
            "{container_array: k8s-array}",
            "container_array",
            Handler(
                "k8s-array",
                "Plugin [k8s-array] resolved for Handler type [container_array]",
                f"it would not run on AWS Batch; {add_default('container_array')}",
            ),
        ),
        (
            "[k8s-array, aws_array]",
            "{aws-batch: aws_array}",
            "container_array",
            Handler(
                "",
                "Multiple plugins registered to handle task type: container_array. "
                "([map[aws_array:aws_array k8s-array:k8s-array]]). Use default-for-task-type config option to choose "
                "the desired plugin.",
                f"propeller does not start; {add_default('container_array')}",
            ),
        ),
        (
            "[container]",
            BOTH,
            "aws-batch",
            Handler(
                "",
                "cannot set default plugin [aws_array] for task types [[aws-batch container_array]] when it is not "
                "configured to be an enabled plugin",
                f"propeller does not start; {ADD_PLUGIN}",
            ),
        ),
    ],
)
def test_where_aws_array_does_not_take_it_propeller_is_quoted_and_the_line_given(
    enabled: str, defaults: str, kind: str, handler: Handler
) -> None:
    assert enabled_plugin_of(kind, switches(enabled, defaults)) == handler


@pytest.mark.parametrize(
    ("defaults", "said"),
    [
        ("{container_array: aws_array}", "there is no default for aws-batch tasks"),
        ("{aws-batch: k8s-array}", "the default is k8s-array, which is not made for it for aws-batch tasks"),
    ],
)
def test_the_only_plugin_for_a_type_takes_it_as_on_propeller_with_a_note(defaults: str, said: str) -> None:
    handler = enabled_plugin_of("aws-batch", switches("[container, k8s-array, aws_array]", defaults))
    assert (handler.plugin, handler.error) == ("aws_array", "")
    assert handler.note == (
        f"{said}, and aws_array takes them as the only plugin registered for the type; to follow the setup document, "
        f"{add_default('aws-batch')}"
    )
