"""One launch: queue and role decided, told where a real server differs, and written onto templates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from admin_builders import SETUP_DOCUMENT, admin, queues
from flyteidl.core.tasks_pb2 import TaskTemplate

from flytekitplugins.awsbatch.admin.admin_settings import MATCHINGS, AdminSettings
from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.launch_decision import Decision, decide_launch, write_decided_queue

ROLE = "emulator: {role: 'arn:aws:iam::1:role/x'}\n"
EXAMPLE = admin((SETUP_DOCUMENT / "matching.yaml").read_text(), ROLE)


def decided(settings: AdminSettings, project: str = "p", domain: str = "production", workflow: str = "m.w") -> Decision:
    return decide_launch(settings, LaunchedExecution(project, domain, workflow, "f1"))


def template(**config: str) -> TaskTemplate:
    made = TaskTemplate()
    made.container.SetInParent()
    for key, value in config.items():
        made.container.config.add(key=key, value=value)
    return made


def pairs(task: TaskTemplate) -> list[tuple[str, str]]:
    return [(pair.key, pair.value) for pair in task.container.config]


def test_one_warning_says_which_queue_the_real_server_takes_and_how_to_get_the_documented_one() -> None:
    assert decided(EXAMPLE).warnings == (
        "FlyteAdmin 1.16 would send m.w in p/production to `critical`, not to `default`: it follows the rule at "
        "f0.yaml:22 (project: my_queue_3, domain: production, workflowName: my_workflow_3, tags: [critical]) without "
        "reading its project and workflowName. To have `default` there, keep only the default rule in its file and "
        "store the others as attributes: `flyte-awsbatch queue export --attributes DIR` writes them, `flytectl update "
        "execution-queue-attribute --attrFile DIR/FILE` stores them.",
    )


@pytest.mark.parametrize(
    ("project", "domain", "workflow"), [("p", "development", "m.w"), ("my_queue_1", "production", "m.my_workflow_1")]
)
def test_where_both_choose_alike_nothing_is_said(project: str, domain: str, workflow: str) -> None:
    assert decided(EXAMPLE, project, domain, workflow).warnings == ()


def test_a_server_of_1_16_is_not_warned_about_itself() -> None:
    decision = decided(EXAMPLE.matched("flyteadmin"))
    assert (decision.queue, decision.warnings) == ("critical", ())


def test_a_choice_among_more_queues_on_the_server_is_a_difference_too() -> None:
    settings = queues("[{tags: [a, b]}]", q1="a", q2="a b")
    assert "to `q1` or `q2`, not to `q2`" in decided(settings).warnings[0]


def test_a_server_that_finds_no_queue_is_a_difference_too() -> None:
    settings = queues("[{domain: production, tags: [z]}, {tags: [a]}]", qa="a")
    assert "to no queue, not to `qa`: no rule that it follows finds a queue" in decided(settings).warnings[0]


def test_without_a_role_the_reason_of_the_setup_document_is_given() -> None:
    decision = decided(queues("[{tags: [a]}]", qa="a"))
    assert decision.warnings == (
        "no role for the jobs: an AWS account would refuse them, since for AWS Batch an IAM role must be specified "
        "(and its trust policy must let ECS assume it). Set one in the launch's security context, or as emulator.role.",
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (admin("{}"), "the settings name none; add\nqueues:\n  executionQueues:\n    - dynamic: default\n"),
        (queues("[]", qa=""), "give one of the queues `attributes: [default]`"),
        (
            queues("[{project: x, tags: [a]}]", qa="a"),
            "no rule for it finds one; add a rule for every execution\nqueues:\n  workflowConfigs:\n    - tags: [a]\n",
        ),
        (queues("[]", qa="a", qd="default"), "    - tags: [default]\n"),
    ],
)
def test_without_a_queue_the_lines_to_add_are_given(settings: AdminSettings, said: str) -> None:
    decision = decided(settings)
    assert decision.queue == ""
    assert decision.no_queue_help.startswith("no queue for p/production, workflow m.w: ")
    assert said in decision.no_queue_help


@pytest.mark.parametrize("matching", MATCHINGS)
def test_with_an_offloaded_closure_no_queue_reaches_the_tasks(matching: str) -> None:
    found = queues("[{tags: [a]}]", qa="a")
    offloaded = replace(found, server=admin("flyteadmin: {useOffloadedWorkflowClosure: true}").server)
    assert decided(found.matched(matching)).queue == "qa"
    decision = decided(offloaded.matched(matching))
    assert decision.queue == ""
    assert decision.no_queue_help.startswith(
        "no queue for p/production, workflow m.w: flyteadmin.useOffloadedWorkflowClosure is true, "
    )


def test_the_queue_comes_after_and_so_beats_a_tasks_own() -> None:
    task = template(dynamic_queue="mine", other="x")
    write_decided_queue(task, decided(EXAMPLE))
    assert pairs(task) == [("dynamic_queue", "mine"), ("other", "x"), ("child_queue", "default")]


def test_only_containers_and_only_queues_are_written() -> None:
    pod = TaskTemplate()
    pod.k8s_pod.SetInParent()
    write_decided_queue(pod, decided(EXAMPLE))
    plain = template()
    write_decided_queue(plain, decided(admin("{}")))
    assert (pod.HasField("container"), pairs(plain)) == (False, [])
