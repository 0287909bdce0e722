"""Keys of Flyte's own sections that are almost one of theirs."""

from __future__ import annotations

import pytest
from admin_builders import SETUP_DOCUMENT

from flytekitplugins.awsbatch.admin.unknown_keys import keys_not_followed, misspelt_keys
from flytekitplugins.awsbatch.cli.config import STARTER_FILE
from flytekitplugins.awsbatch.settings.reader import Reader


def found(text: str) -> list[str]:
    return [str(problem) for problem in misspelt_keys(Reader.from_text(("f.yaml", text)))]


@pytest.mark.parametrize(
    ("text", "key", "name"),
    [
        ("plugns: {}", "plugns", "plugins"),
        ("plugins: {aws: {regoin: us-east-1}}", "plugins.aws.regoin", "region"),
        ("plugins: {aws: {account-id: '1'}}", "plugins.aws.account-id", "accountId"),
        ("plugins: {aws: {batch: {roleAnotationKey: k}}}", "plugins.aws.batch.roleAnotationKey", "roleAnnotationKey"),
        ("queues: {executionQueus: []}", "queues.executionQueus", "executionQueues"),
        ("queues: {executionQueues: [{atributes: [a]}]}", "queues.executionQueues[0].atributes", "Attributes"),
        ("queues: {workflowConfigs: [{tag: [a]}]}", "queues.workflowConfigs[0].tag", "tags"),
        ("flyteadmin: {roleName: k}", "flyteadmin.roleName", "roleNameKey"),
        ("tasks: {task_plugins: {}}", "tasks.task_plugins", "task-plugins"),
        ("tasks: {task-plugins: {enabledPlugins: [a]}}", "tasks.task-plugins.enabledPlugins", "enabled-plugins"),
        ("configmap: {adminServer: {flyteadmin: {roleNameKy: k}}}", None, "roleNameKey"),
    ],
)
def test_a_name_that_is_almost_right_is_found_with_the_right_one(text: str, key: str | None, name: str) -> None:
    (problem,) = found(text)
    where = key or "configmap.adminServer.flyteadmin.roleNameKy"
    assert problem == (f"f.yaml:1: {where}: is no setting of Flyte's, which ignores it; did you mean {name}?")


@pytest.mark.parametrize(
    "text",
    [
        STARTER_FILE,
        *(path.read_text() for path in sorted(SETUP_DOCUMENT.glob("*.yaml"))),
        "plugins: {AWS: {REGION: r}, ray: {}, spark: {}, k8s-array: {}}\nQUEUES: {}\nlogger: {}\ntask_resources: {}",
        "plugins: {aws: {batch: {somethingNew: 1}}}",
        "flyteadmin: {env: []}\nflytepropeller: {}\nconfigmap: {adminServer: {flyteadmin: {}}}",
    ],
)
def test_right_names_in_any_case_and_quite_other_ones_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_setting_that_only_a_real_flyte_follows_is_named() -> None:
    text = "propeller:\n  literal-offloading-config:\n    Supported-sdk-versions:\n      FLYTE_SDK: 1.13.14\n"
    (problem,) = keys_not_followed(Reader.from_text(("f.yaml", text)))
    assert str(problem) == (
        "f.yaml:4: propeller.literal-offloading-config.supported-sdk-versions: acts on AWS Batch tasks in Flyte "
        "and has no effect here"
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (
            "propeller: {literal-offloading-config: {supported-sdk-versions: {FLYTE_SDK: 1.13.14}}}",
            "propeller.literal-offloading-config.supported-sdk-versions",
        ),
        ("catalog-cache: {type: datacatalog, max-cache-age: 24h}", "catalog-cache.max-cache-age"),
        ("flyteadmin: {maxParallelism: 1}", "flyteadmin.maxParallelism"),
    ],
)
def test_settings_of_other_sections_that_are_not_followed_are_named(text: str, where: str) -> None:
    (problem,) = keys_not_followed(Reader.from_text(("f.yaml", text)))
    assert f"{where}: acts on AWS Batch tasks in Flyte" in str(problem)


def test_no_limit_to_parallel_nodes_is_what_runs_here_have() -> None:
    assert list(keys_not_followed(Reader.from_text(("f.yaml", "flyteadmin: {maxParallelism: 0}")))) == []


# propeller 1.16.8 has no workflow-active-deadline: nothing had ever looked at it.
@pytest.mark.parametrize("deadlines", ["{workflow-active-deadline: 1h}", "{node-active-deadline: 1h}", "{}", ""])
def test_settings_that_flyte_ignores_or_are_followed_are_not_named(deadlines: str) -> None:
    text = f"propeller: {{node-config: {{default-deadlines: {deadlines}}}}}"
    assert list(keys_not_followed(Reader.from_text(("f.yaml", text)))) == []
