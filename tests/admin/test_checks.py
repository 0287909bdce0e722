"""What a check finds in settings that can be read: faults of a deployment, and advice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from admin_builders import SETUP_DOCUMENT, admin, queues

from flytekitplugins.awsbatch.admin.admin_settings import AdminSettings
from flytekitplugins.awsbatch.admin.checks import admin_deployment_advice, admin_deployment_faults
from flytekitplugins.awsbatch.admin.queue_rules import StoredRule

PROPELLER = (SETUP_DOCUMENT / "propeller.yaml").read_text()


def said(settings: AdminSettings) -> list[str]:
    return [str(problem) for problem in admin_deployment_faults(settings)]


@pytest.mark.parametrize("name", ["simplest", "matching"])
def test_the_setup_documents_examples_have_no_faults(name: str) -> None:
    assert said(admin((SETUP_DOCUMENT / f"{name}.yaml").read_text(), PROPELLER)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}", "settings: queues.executionQueues: names no job queue, so no task can run on AWS Batch"),
        (
            "queues: {executionQueues: [{dynamic: a b, attributes: [x]}]}",
            "f0.yaml:1: queues.executionQueues[0].dynamic: got 'a b', expected an AWS Batch job queue: its name "
            "(letters, numbers, - and _) or its ARN",
        ),
        (
            "queues: {executionQueues: [{dynamic: a}]}",
            "f0.yaml:1: queues.executionQueues[0].attributes: expected at least one tag, by which rules find the queue",
        ),
        (
            "queues:\n  executionQueues: [{dynamic: a, attributes: [x]}]\n  workflowConfigs:\n    - tags: [x, y, z]\n",
            "f0.yaml:4: queues.workflowConfigs[0].tags: got y, z, expected tags that a queue has in its attributes",
        ),
        (
            "queues: {executionQueues: [{dynamic: a, attributes: [x]}], workflowConfigs: [{project: p}]}",
            "f0.yaml:1: queues.workflowConfigs[0].tags: expected the tags of a queue; without them the rule finds none",
        ),
        (
            "queues: {executionQueues: [{dynamic: a, attributes: [x]}]}\nemulator: {role: admin}",
            "f0.yaml:2: emulator.role: got 'admin', expected a role's full ARN: arn:aws:iam::<account>:role/<name>",
        ),
        (
            "queues: {executionQueues: [{dynamic: a, attributes: [x]}]}\nflyteadmin: {assumableIamRole: admin}",
            "f0.yaml:2: flyteadmin.assumableIamRole: got 'admin', expected a role's full ARN: "
            "arn:aws:iam::<account>:role/<name>",
        ),
        (
            "queues: {executionQueues: [{dynamic: a, attributes: [x]}]}\n"
            "flyteadmin: {useOffloadedWorkflowClosure: true}",
            "f0.yaml:2: flyteadmin.useOffloadedWorkflowClosure: is true, so that propeller reads each workflow as it "
            "was registered, without the queue that FlyteAdmin has found for the execution: no AWS Batch task runs; "
            "set it to false",
        ),
    ],
)
def test_a_fault_names_its_place(text: str, fault: str) -> None:
    assert said(admin(text)) == [fault]


def test_an_attribute_whose_tags_no_queue_has_is_a_fault() -> None:
    settings = replace(queues("[{tags: [a]}]", qa="a"), overrides=(StoredRule("p", "staging", "m.w", ("z",)),))
    assert said(settings) == [
        "settings: tags for p/staging/m.w: got z, expected a tag that a queue has in its attributes"
    ]


def test_a_plugin_that_is_not_enabled_is_a_fault_for_both_task_types() -> None:
    settings = admin(
        "queues: {executionQueues: [{dynamic: a, attributes: [x]}]}",
        "tasks: {task-plugins: {enabled-plugins: [container]}}",
    )
    assert [one.partition(": No plugin found")[0] for one in said(settings)] == [
        "f1.yaml:1: tasks.task-plugins (container_array)",
        "f1.yaml:1: tasks.task-plugins (aws-batch)",
    ]


@pytest.mark.parametrize(
    "queue",
    [
        "tutorial",
        "A_b-1",
        "arn:aws:batch:us-east-2:111122223333:job-queue/x",
        "arn:aws-us-gov:batch:us-gov-west-1:111122223333:job-queue/x",
    ],
)
def test_queue_names_and_arns_are_fine(queue: str) -> None:
    assert said(admin(f"queues: {{executionQueues: [{{dynamic: '{queue}', attributes: [x]}}]}}")) == []


def test_advice_names_what_a_server_passes_over_and_what_is_left_unsaid() -> None:
    settings = admin(
        "queues:\n  executionQueues: [{dynamic: a, attributes: [x]}]\n  workflowConfigs:\n"
        "    - {project: p, domain: lab, tags: [x]}\n    - {workflowName: w, tags: [x]}\n"
    )
    assert [(problem.place, problem.key) for problem in admin_deployment_advice(settings)] == [
        ("f0.yaml:4", "project: p, domain: lab, tags: [x]"),
        ("f0.yaml:4", "queues.workflowConfigs[0].domain"),
        ("settings", "queues.workflowConfigs"),
        ("settings", "flyteadmin.roleNameKey"),
        ("settings", "plugins.aws.batch.roleAnnotationKey"),
        ("settings", "tasks.task-plugins"),
        ("settings", "emulator.role"),
    ]


def test_a_whole_setup_needs_no_advice() -> None:
    role = "emulator: {role: 'arn:aws:iam::111122223333:role/x'}"
    assert list(admin_deployment_advice(admin((SETUP_DOCUMENT / "simplest.yaml").read_text(), PROPELLER, role))) == []
